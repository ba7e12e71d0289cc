"""Pre-training of the mini encoder: BERT, on three losses, in well under an hour on one core.

Recipe: inputs of one length a batch (no padding), AdamW with beta2 0.98, linear warm-up and decay, no
dropout. A step sees a batch of pairs and one of single sentences:

- pairs, half of them with masked words: *does the second sentence restate the first?* (through the pooler,
  as BERT's next-sentence prediction) and the masked words;
- single sentences with masked and with replaced words: the masked words, and *was this word replaced?*
  for every word (ELECTRA's loss, Clark et al. 2020, section 2, with random replacements).

Recipe, network and losses are in ``network.py``; ``export.py`` writes the network as transformers' BERT.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from stabbench.errors import StabbenchError
from stabbench.workshop.corpus import Batches
from stabbench.workshop.export import export
from stabbench.workshop.network import LOSSES, Network, PretrainingRecipe, losses

STEPS = 34_000
"""Steps of the shipped encoder."""


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
