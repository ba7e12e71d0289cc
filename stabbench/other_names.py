"""What other trainers call the values of a recipe, and what to write here instead."""

from __future__ import annotations

from collections.abc import Mapping


def _called(ours: str, *others: str) -> dict[str, str]:
    return dict.fromkeys(others, f"it is called {ours} here.")


_DROPOUT = "a recipe has three rates: hidden_dropout, attention_dropout and classifier_dropout."
_SEEDS = "seeds are chosen with --stab-seeds, the streams that they vary with --stab-seed-streams."
_WHOLE_BATCH = (
    "there is no accumulation here: an update takes batch_size rows at once, so set batch_size to rows times "
    "accumulation steps; if that does not fit, precision=bf16 or a smaller max_length saves memory."
)
_SCHEDULE = (
    "the learning rate rises for warmup_ratio of the updates and falls linearly to 0; no other is known."
)
_OPTIMIZER = "the optimizer is AdamW, with or without bias_correction; no other is known."
_EVALUATION = "evaluations are spaced evenly: set evaluations_per_epoch."
_STORE = "a session's records go to --stab-store, weights too with --stab-save-models."

OTHER_NAMES: Mapping[str, str] = {
    **_called("learning_rate", "lr", "lrate", "rate", "peak_lr", "max_lr", "peak_learning_rate", "step_size"),
    **_called("epochs", "epoch", "num_train_epochs", "num_epochs", "n_epochs", "max_epochs", "train_epochs"),
    **_called("steps", "max_steps", "num_steps", "n_steps", "max_train_steps", "num_train_steps", "updates"),
    **_called("batch_size", "bs", "batch", "train_bs", "train_batch_size", "per_device_batch_size"),
    **_called("batch_size", "per_device_train_batch_size", "per_gpu_train_batch_size"),
    **_called("weight_decay", "wd", "decay", "l2", "weightdecay"),
    **_called("epsilon", "eps", "adam_epsilon", "adam_eps"),
    **_called("beta1", "adam_beta1", "beta_1", "b1"),
    **_called("beta2", "adam_beta2", "beta_2", "b2"),
    **_called("clip_norm", "max_grad_norm", "grad_clip", "clip", "gradient_clip_val", "grad_norm"),
    **_called("clip_norm", "gradient_clipping", "clip_grad", "clip_grad_norm", "max_norm"),
    **_called("max_length", "max_seq_length", "max_seq_len", "max_len", "seq_len", "sequence_length"),
    **_called("max_length", "model_max_length", "seq_length", "block_size", "maxlen"),
    **_called("bias_correction", "correct_bias", "adam_bias_correction"),
    **_called("hidden_dropout", "hidden_dropout_prob", "hidden_dropout_rate"),
    **_called("attention_dropout", "attention_probs_dropout_prob", "attn_dropout", "attention_dropout_prob"),
    **_called("classifier_dropout", "cls_dropout", "head_dropout", "seq_classif_dropout"),
    **_called("warmup_ratio", "warmup", "warmup_proportion", "warmup_fraction", "warmup_percent"),
    **dict.fromkeys(
        ("warmup_steps", "num_warmup_steps", "warmup_updates"),
        "the warm-up is a share of all updates: set warmup_ratio (0.1 of 468 updates is 46).",
    ),
    **dict.fromkeys(("betas", "adam_betas"), "set beta1 and beta2."),
    **dict.fromkeys(("dropout", "dropout_rate", "dropout_prob", "p_dropout"), _DROPOUT),
    **dict.fromkeys(("bf16", "bfloat16"), "set precision=bf16."),
    "tf32": "set precision=tf32.",
    "fp32": "set precision=fp32.",
    **dict.fromkeys(
        ("fp16", "amp", "half", "float16", "mixed_precision", "dtype", "torch_dtype"),
        "set precision to fp32, tf32 or bf16: half precision with loss scaling is not known here.",
    ),
    **dict.fromkeys(
        ("gradient_accumulation_steps", "gradient_accumulation", "accumulate_grad_batches", "grad_accum"),
        _WHOLE_BATCH,
    ),
    **dict.fromkeys(("accumulation", "accumulation_steps", "auto_find_batch_size"), _WHOLE_BATCH),
    **dict.fromkeys(("seed", "seeds", "random_seed", "data_seed", "rng_seed", "random_state"), _SEEDS),
    **dict.fromkeys(
        ("lr_scheduler_type", "lr_scheduler", "scheduler", "schedule", "lr_schedule", "lr_scheduler_kwargs"),
        _SCHEDULE,
    ),
    **dict.fromkeys(("optim", "optimizer", "optimiser", "adafactor", "optim_args", "momentum"), _OPTIMIZER),
    **dict.fromkeys(
        (
            "eval_steps",
            "evaluation_strategy",
            "eval_strategy",
            "logging_steps",
            "evals_per_epoch",
            "eval_freq",
        ),
        _EVALUATION,
    ),
    **dict.fromkeys(("save_steps", "save_strategy", "save_total_limit", "output_dir"), _STORE),
    **dict.fromkeys(
        ("per_device_eval_batch_size", "eval_batch_size", "per_gpu_eval_batch_size"),
        "it changes no score, so it is fixed.",
    ),
    **dict.fromkeys(
        ("load_best_model_at_end", "metric_for_best_model", "early_stopping", "greater_is_better"),
        "each record has the last and the best score: --stab-checkpoint best judges the best.",
    ),
    **dict.fromkeys(
        ("label_smoothing", "label_smoothing_factor", "loss"),
        "the loss is a strategy's: write one with a hook loss(model, batch, step).",
    ),
    **dict.fromkeys(("device", "no_cuda", "use_cpu", "gpu", "gpus"), "choose devices with --stab-devices."),
    **dict.fromkeys(("model", "model_name", "model_name_or_path"), "choose models with --stab-model."),
    **dict.fromkeys(("strategy", "method"), "choose strategies with --strategy."),
    **dict.fromkeys(
        ("train_size", "max_train_samples", "n_train"),
        "rows are sampled by the suite: Suite(train_size=1000, ...).",
    ),
}
"""What other trainers call it, or what else may be meant -> what to do here."""
