"""The hyperparameters of a fine-tuning run, all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.registry import suggest
from stabbench.stored import Stored

Precision = Literal["fp32", "tf32", "bf16"]


class Recipe(Stored):
    """Every hyperparameter of one fine-tuning run.

    The defaults are those of BERT-large in Mosbach et al. (2021), Table 3, as coded by the authors,
    with bias correction.

    Attributes:
        learning_rate: peak learning rate.
        epochs: passes over the training set, unless ``steps`` is set.
        steps: number of updates; overrides ``epochs``.
        batch_size: rows per update; the last batch of an epoch may be smaller.
        warmup_ratio: share of all updates in which the learning rate rises linearly from 0;
            afterwards it falls linearly to 0.
        beta1: decay of Adam's first moment.
        beta2: decay of Adam's second moment.
        epsilon: Adam's epsilon.
        epsilon_placement: ``before_correction`` adds epsilon to sqrt(v) and then corrects the bias
            (TensorFlow's BERT, transformers' former AdamW, the code of Mosbach et al.);
            ``after_correction`` adds it to the corrected sqrt(v) (torch's AdamW). The two are the
            same without bias correction.
        bias_correction: whether Adam's moments are corrected for their start at zero.
        weight_decay: decoupled weight decay, not applied to biases and normalisation weights.
        clip_norm: largest gradient norm; ``None`` does not clip.
        clipping: ``global`` clips the norm over all parameters, ``per_tensor`` that of each
            parameter (BertAdam).
        max_length: longest sequence in tokens; what is longer is cut.
        hidden_dropout: dropout of hidden states; ``None`` keeps the checkpoint's own.
        attention_dropout: dropout of attention weights; ``None`` keeps the checkpoint's own.
        classifier_dropout: dropout before the classifier; ``None`` keeps the checkpoint's own.
        evaluations_per_epoch: evaluations on the dev set per epoch, evenly spaced, the last one at
            the epoch's end.
        precision: ``fp32`` (IEEE), ``tf32`` (fp32 with TF32 matrix products) or ``bf16`` (autocast).
    """

    always: ClassVar[frozenset[str]] = frozenset(
        {
            "learning_rate",
            "epochs",
            "steps",
            "batch_size",
            "warmup_ratio",
            "beta1",
            "beta2",
            "epsilon",
            "epsilon_placement",
            "bias_correction",
            "weight_decay",
            "clip_norm",
            "clipping",
            "max_length",
            "hidden_dropout",
            "attention_dropout",
            "classifier_dropout",
            "evaluations_per_epoch",
            "precision",
        }
    )

    learning_rate: float = Field(default=2e-5, gt=0)
    epochs: int = Field(default=3, ge=1)
    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=1)
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    epsilon: float = Field(default=1e-6, gt=0)
    epsilon_placement: Literal["before_correction", "after_correction"] = "before_correction"
    bias_correction: bool = True
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float | None = Field(default=1.0, gt=0)
    clipping: Literal["global", "per_tensor"] = "global"
    max_length: int = Field(default=128, ge=4)
    hidden_dropout: float | None = Field(default=None, ge=0, lt=1)
    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    classifier_dropout: float | None = Field(default=None, ge=0, lt=1)
    evaluations_per_epoch: int = Field(default=1, ge=1)
    precision: Precision = "fp32"

    def updates_per_epoch(self, n_train: int) -> int:
        """Return the number of updates in one pass over ``n_train`` rows, the last batch included."""
        return math.ceil(n_train / self.batch_size)

    def total_updates(self, n_train: int) -> int:
        """Return the number of updates of the whole run on ``n_train`` rows."""
        return self.steps if self.steps is not None else self.epochs * self.updates_per_epoch(n_train)

    def warmup_updates(self, n_train: int) -> int:
        """Return the number of warm-up updates: the ratio of the total, truncated."""
        return int(self.warmup_ratio * self.total_updates(n_train))

    def change(self, **changes: Any) -> Recipe:
        """Return a validated copy with ``changes`` made.

        Raises:
            pydantic.ValidationError: on an unknown hyperparameter or a value out of range (``explained``
                says it in our words).
        """
        return Recipe.model_validate({**self.model_dump(), **changes})


def explained(error: ValidationError) -> StabbenchError:
    """Return what is wrong with a recipe's values, and what to write instead."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "recipe"
    if name not in Recipe.model_fields:
        return UnknownNameError(f"a recipe has no {name!r}.", advice(name))
    return StabbenchError(
        f"{name}={first['input']!r} is not possible in a recipe: {first['msg']}.", "change the value."
    )


def advice(name: str) -> str:
    """Return what to write in place of a name that no recipe has."""
    known = name.strip().lower().lstrip("-").replace("-", "_")
    if known in Recipe.model_fields:
        return f"write {known}."
    return OTHER_NAMES.get(known) or suggest(name, Recipe.model_fields)


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
    **_called("batch_size", "bs", "batch", "train_batch_size", "per_device_train_batch_size"),
    **_called("batch_size", "per_gpu_train_batch_size", "per_device_batch_size", "train_bs"),
    **_called("weight_decay", "wd", "decay", "l2", "weightdecay"),
    **_called("epsilon", "eps", "adam_epsilon", "adam_eps"),
    **_called("beta1", "adam_beta1", "beta_1", "b1"),
    **_called("beta2", "adam_beta2", "beta_2", "b2"),
    **_called(
        "clip_norm", "max_grad_norm", "grad_clip", "clip", "gradient_clip_val", "grad_norm", "clip_grad"
    ),
    **_called("clip_norm", "gradient_clipping", "clip_grad_norm", "max_norm"),
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
    **dict.fromkeys(
        ("accumulation", "accumulation_steps", "auto_find_batch_size"),
        _WHOLE_BATCH,
    ),
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
