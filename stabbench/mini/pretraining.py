"""Pre-training of the mini encoder: BERT, on three losses, in well under an hour on one core.

Recipe: inputs of one length a batch (no padding), AdamW with beta2 0.98, linear warm-up and decay, no
dropout. A step sees a batch of pairs and one of single sentences:

- pairs, half of them with masked words: *does the second sentence restate the first?* (through the pooler,
  as BERT's next-sentence prediction) and the masked words;
- single sentences with masked and with replaced words: the masked words, and *was this word replaced?*
  for every word (ELECTRA's loss, Clark et al. 2020, section 2, with random replacements).

The network is written for speed; :func:`export` writes it as transformers' BERT, and a test compares the two.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from stabbench.errors import StabbenchError
from stabbench.mini.corpus import Batch, Batches
from stabbench.mini.tokenizer import LONGEST_INPUT, save_tokenizer, vocabulary

STEPS = 34_000
"""Steps of the shipped encoder."""

LOSSES = ("masked", "replaced", "restated")


@dataclass(frozen=True)
class PretrainingRecipe:
    """Everything that the encoder depends on beside its seed and its number of steps."""

    layers: int = 6
    hidden: int = 64
    heads: int = 2
    pairs: int = 120_000
    batch: int = 32
    learning_rate: float = 1.5e-3
    warmup_steps: int = 500
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip: float = 1.0
    pair_mask: float = 0.15
    single_mask: float = 0.10
    replaced: float = 0.10
    replaced_weight: float = 5.0
    restated_weight: float = 1.0


class Layer(nn.Module):
    """One post-layer-norm transformer layer; query, key and value are one matrix."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.attended = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.wide = nn.Linear(hidden, 4 * hidden)
        self.narrow = nn.Linear(4 * hidden, hidden)
        self.last_norm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[batch, length, hidden]`` to the same shape."""
        batch, length, hidden = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, hidden // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-1, -2) * (hidden // self.heads) ** -0.5).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, hidden)
        x = self.norm(x + self.attended(mixed))
        return self.last_norm(x + self.narrow(functional.gelu(self.wide(x))))  # type: ignore[no-any-return]


class Network(nn.Module):
    """The encoder with the three heads of its pre-training."""

    def __init__(self, recipe: PretrainingRecipe) -> None:
        super().__init__()
        hidden, words = recipe.hidden, len(vocabulary())
        self.words = nn.Embedding(words, hidden)
        self.places = nn.Embedding(LONGEST_INPUT, hidden)
        self.types = nn.Embedding(2, hidden)
        self.norm = nn.LayerNorm(hidden, eps=1e-12)
        self.layers = nn.ModuleList(Layer(hidden, recipe.heads) for _ in range(recipe.layers))
        self.pooler = nn.Linear(hidden, hidden)
        self.restated = nn.Linear(hidden, 1)
        self.replaced = nn.Linear(hidden, 1)
        self.transform = nn.Linear(hidden, hidden)
        self.transform_norm = nn.LayerNorm(hidden, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(words))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, types: Tensor) -> Tensor:
        """Encode ids and types ``[batch, length]`` as ``[batch, length, hidden]``."""
        x: Tensor = self.norm(self.words(ids) + self.places.weight[: ids.shape[1]] + self.types(types))
        for layer in self.layers:
            x = layer(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """BERT's pooler: the first position through a layer and tanh."""
        return torch.tanh(self.pooler(x[:, 0]))

    def guess(self, x: Tensor) -> Tensor:
        """Logits over the vocabulary for hidden states ``[n, hidden]``; the output embedding is tied."""
        x = self.transform_norm(functional.gelu(self.transform(x)))
        return functional.linear(x, self.words.weight, self.bias)


def losses(network: Network, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the three losses: masked words, replaced words, restated sentences."""
    at = {name: torch.from_numpy(array) for name, array in vars(batch).items()}
    at = {name: tensor.to(network.bias.device) for name, tensor in at.items()}
    pairs = network(at["pairs"], at["pair_types"])
    singles = network(at["singles"], torch.zeros_like(at["singles"]))
    hidden = torch.cat([pairs[at["pair_masked"]], singles[at["single_masked"]]])
    words = torch.cat([at["pair_words"], at["single_words"]])
    masked = functional.cross_entropy(network.guess(hidden), words)
    judged, scored = network.replaced(singles).squeeze(-1), at["scored"]
    replaced = functional.binary_cross_entropy_with_logits(judged[scored], at["replaced"][scored])
    restated = functional.binary_cross_entropy_with_logits(
        network.restated(network.pooled(pairs)).squeeze(-1), at["restated"]
    )
    return masked, replaced, restated


def rate(recipe: PretrainingRecipe, step: int, steps: int) -> float:
    """Return a step's learning rate: linear warm-up, then linear decay to zero."""
    warm = (step + 1) / recipe.warmup_steps
    left = (steps - step) / max(1, steps - recipe.warmup_steps)
    return recipe.learning_rate * min(warm, left)


class State:
    """Network, optimizer and losses so far; saved and resumed as safetensors, bit for bit."""

    def __init__(self, recipe: PretrainingRecipe, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.network = Network(recipe).to(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=recipe.learning_rate,
            betas=(0.9, recipe.beta2),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []

    def save(self, path: Path, identity: str) -> None:
        """Write the state, in one piece or not at all."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        facts = {"identity": identity, "step": self.step, "seconds": self.seconds, "history": self.history}
        part = path.with_suffix(".part")
        save_file(tensors, part, metadata={"facts": json.dumps(facts)})
        part.replace(path)

    def load(self, path: Path, identity: str) -> None:
        """Continue a saved pre-training.

        Raises:
            StabbenchError: If the file is of a pre-training with another seed, length or recipe.
        """
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
        if facts["identity"] != identity:
            raise StabbenchError(
                f"{path} belongs to a pre-training with another seed, recipe or number of steps",
                "give another --out, or remove the file to start again",
            )
        tensors = load_file(path)
        self.network.load_state_dict(
            {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, kind = name.split(".")
                state.setdefault(int(index), {})[kind] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.step, self.seconds, self.history = facts["step"], facts["seconds"], facts["history"]


def pretrain(
    out: Path,
    seed: int,
    steps: int = STEPS,
    device: str = "cpu",
    recipe: PretrainingRecipe | None = None,
    save_every: int = 1000,
) -> None:
    """Pre-train an encoder and write it as a folder that transformers loads.

    Killed and called again with the same arguments it continues where it last saved, with the same result
    (on the same machine and with as many threads). The folder holds ``config.json``, ``model.safetensors``
    (encoder and pooler), the tokenizer and ``pretraining.json``: recipe, losses, time, machine, hash.

    Args:
        out: The folder to write.
        seed: Of the text, the first weights and the batches.
        steps: Optimizer steps.
        device: A torch device.
        recipe: The recipe; none is the shipped encoder's.
        save_every: Steps between two saved states, and over which the reported losses are averaged.

    Raises:
        StabbenchError: If ``out`` holds a state of another pre-training.
    """
    recipe = recipe or PretrainingRecipe()
    identity = json.dumps([seed, steps, asdict(recipe)])
    out.mkdir(parents=True, exist_ok=True)
    saved = out / "state.safetensors"
    state = State(recipe, seed, device)
    if saved.exists():
        state.load(saved, identity)
    batches = Batches(seed, recipe.pairs, recipe.batch, recipe.pair_mask, recipe.single_mask, recipe.replaced)
    weights = torch.tensor([1.0, recipe.replaced_weight, recipe.restated_weight], device=device)
    total = torch.zeros(3, device=device)
    count, started, before = 0, time.perf_counter(), state.seconds
    with tqdm(total=steps, initial=state.step, unit="step", desc="pre-training", mininterval=1.0) as bar:
        while state.step < steps:
            for group in state.optimizer.param_groups:
                group["lr"] = rate(recipe, state.step, steps)
            parts = torch.stack(losses(state.network, batches.at(state.step)))
            torch.autograd.backward((parts * weights).sum())
            nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip)
            state.optimizer.step()
            state.optimizer.zero_grad()
            total += parts.detach()
            count += 1
            state.step += 1
            bar.update()
            if state.step % save_every == 0 or state.step == steps:
                mean = [round(value, 4) for value in (total / count).tolist()]
                state.history.append({"step": state.step, **dict(zip(LOSSES, mean, strict=True))})
                state.seconds = before + time.perf_counter() - started
                bar.set_postfix(dict(zip(LOSSES, mean, strict=True)))
                state.save(saved, identity)
                total.zero_()
                count = 0
    export(state.network, recipe, out)
    report = {
        "seed": seed,
        "steps": steps,
        "recipe": asdict(recipe),
        "loss_weights": dict(zip(LOSSES, weights.tolist(), strict=True)),
        "losses": state.history,
        "wall_seconds": round(state.seconds),
        "machine": machine(device),
        "sha256": hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest(),
    }
    (out / "pretraining.json").write_text(json.dumps(report, indent=2) + "\n")
    saved.unlink()


def export(network: Network, recipe: PretrainingRecipe, folder: Path) -> None:
    """Write encoder and pooler under transformers' names, the configuration and the tokenizer."""
    names = {
        "words": "embeddings.word_embeddings",
        "places": "embeddings.position_embeddings",
        "types": "embeddings.token_type_embeddings",
        "norm": "embeddings.LayerNorm",
        "pooler": "pooler.dense",
    }
    inside = {
        "attended": "attention.output.dense",
        "norm": "attention.output.LayerNorm",
        "wide": "intermediate.dense",
        "narrow": "output.dense",
        "last_norm": "output.LayerNorm",
    }
    weights: dict[str, Tensor] = {}
    for name, value in network.state_dict().items():
        module, _, kind = name.rpartition(".")
        if module in names:
            weights[f"bert.{names[module]}.{kind}"] = value
        elif module.startswith("layers."):
            _, index, part = module.split(".")
            place = f"bert.encoder.layer.{index}."
            if part == "qkv":
                for role, block in zip(("query", "key", "value"), value.chunk(3), strict=True):
                    weights[f"{place}attention.self.{role}.{kind}"] = block
            else:
                weights[f"{place}{inside[part]}.{kind}"] = value
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": len(vocabulary()),
        "hidden_size": recipe.hidden,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "intermediate_size": 4 * recipe.hidden,
        "max_position_embeddings": LONGEST_INPUT,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.02,
        "pad_token_id": 0,
        "dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_tokenizer(folder)


def machine(device: str) -> dict[str, str | int]:
    """Name the machine: processor or accelerator, threads, versions."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        processor = lines[0].split(":", 1)[1].strip() if lines else processor
    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "processor": processor,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``stabbench mini pretrain``."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write the encoder to")
    parser.add_argument("--seed", type=int, default=0, help="seed of text, weights and batches (default 0)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"optimizer steps (default {STEPS})")
    parser.add_argument("--device", default="cpu", help="torch device (default cpu, one thread)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def run(args: argparse.Namespace) -> int:
    """Run ``stabbench mini pretrain``; returns the exit code."""
    torch.set_num_threads(args.threads)
    pretrain(args.out, args.seed, args.steps, args.device)
    print(f"wrote {args.out}; its recipe, losses and hash are in {args.out / 'pretraining.json'}")
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(
        prog="stabbench mini pretrain", description=(__doc__ or "").split("\n")[0]
    )
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))
