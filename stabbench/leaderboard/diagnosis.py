"""Why a run is at chance, failed or not, as far as its record shows, and what the papers suggest trying."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

import numpy as np

from stabbench import statistics
from stabbench.runs import RunRecord
from stabbench.samples.collection import RunWithTraces
from stabbench.samples.failed import COLLAPSED_SHARE, has_learned, judged_score

VANISHED = 0.05
"""Gradients of the lowest layer have vanished when they are below this share of the head's.

Chosen on the runs of the mini world's calibration, so it describes them and is no test: 47 of its 100 failed
runs and 12 of its 935 other ones are below it.
"""

WINDOW = 5
"""Points of a thinned loss that are averaged, so that the noise of batches does not look like learning."""


class Cause(StrEnum):
    """The nearest cause of a run at chance, failed or not: the first that its record shows."""

    DIVERGED = "the loss became NaN or infinite"
    STUCK = "the training loss stayed at the entropy of the labels: nothing was learned"
    COLLAPSED = "one class is predicted almost always, though the training loss fell"
    NO_GAIN = "it fits the training data, but is not shown to be better than the constant classifier on dev"
    UNKNOWN = "the record has a score only, so it cannot tell"
    NONE = "it learned"


@dataclass(frozen=True)
class Diagnosis:
    """What a run's record shows.

    Attributes:
        cause: the nearest cause.
        since: update from which on it shows; 0 = from the start; ``None`` = the record cannot tell.
        bottom_share: gradient norm of the lowest layer over the head's, median of the second half.
        vanished_since: update from which on that share stays below ``VANISHED``; ``None`` if it does not.
        favourite: share of the dev set that is given the most frequent class, if known.
    """

    cause: Cause
    since: int | None
    bottom_share: float | None
    vanished_since: int | None
    favourite: float | None


def diagnose(run: RunWithTraces) -> Diagnosis:
    """Return what a run's record shows."""
    record, traces = run.record, run.traces
    confusion = judged_score(record).confusion
    predicted = None if confusion is None else np.asarray(confusion).sum(axis=0)
    favourite = None if predicted is None else float(predicted.max() / predicted.sum())
    share, vanished_since = _vanishing(run)
    cause, since = Cause.NONE, None
    if not has_learned(record):
        if record.status == "diverged":
            cause, since = Cause.DIVERGED, _bad_update(record)
        elif record.train_loss is None or record.label_entropy is None:
            cause = Cause.UNKNOWN
            if favourite is not None and favourite >= COLLAPSED_SHARE:
                cause = Cause.COLLAPSED
        elif statistics.stuck_at_entropy(record.train_loss, record.label_entropy):
            cause, since = Cause.STUCK, _since(_flat(traces.loss, record.label_entropy), traces.updates)
        elif favourite is not None and favourite >= COLLAPSED_SHARE:
            cause = Cause.COLLAPSED
        else:
            cause = Cause.NO_GAIN
    return Diagnosis(cause, since, share, vanished_since, favourite)


def _bad_update(record: RunRecord) -> int | None:
    """Return the update that the reason names."""
    found = re.search(r"update (\d+)", record.reason or "")
    return int(found[1]) if found else None


def _flat(losses: Sequence[float | None], entropy: float) -> list[bool]:
    """Return where the loss, averaged over the last ``WINDOW`` points, has not clearly left the entropy."""
    flags = []
    for end in range(1, len(losses) + 1):
        known = [loss for loss in losses[max(0, end - WINDOW) : end] if loss is not None]
        whole = len(known) == WINDOW
        flags.append(not whole or bool(statistics.stuck_at_entropy(fmean(known), entropy, tolerance=0.1)))
    return flags


def _since(flags: Sequence[bool], updates: Sequence[int]) -> int | None:
    """Return the update after which every flag is set, 0 if all are, ``None`` if the last is not."""
    if not flags or not flags[-1]:
        return None
    clear = [update for flag, update in zip(flags, updates, strict=True) if not flag]
    return clear[-1] if clear else 0


def _vanishing(run: RunWithTraces) -> tuple[float | None, int | None]:
    """Return the lowest layer's gradient over the head's late in training, and since when it is tiny."""
    layers, traces = run.record.layers, run.traces
    bottom = next((i for i, name in enumerate(layers) if name.startswith("layer.")), None)
    if bottom is None or "head" not in layers or not traces.layer_norms:
        return None, None
    head = layers.index("head")
    pairs = [(row[bottom], row[head]) for row in traces.layer_norms]
    shares = [low / high if low is not None and high else np.nan for low, high in pairs]
    late = np.asarray(shares[len(shares) // 2 :])
    if np.isnan(late).all():
        return None, None
    share = float(np.nanmedian(late))
    if share >= VANISHED:
        return share, None
    return share, _since([not value >= VANISHED for value in shares], traces.layer_updates)


def suggestions(runs: Sequence[RunWithTraces], found: Sequence[Diagnosis]) -> list[str]:
    """Return what to try for the runs at chance of a group, the likeliest first, each with its source."""
    causes = {diagnosis.cause for diagnosis in found} - {Cause.NONE}
    if not causes:
        return []
    work = runs[0].record.fine_tuning
    if work is None:
        return [
            "The runs were imported without their recipe. Mosbach et al. (2021) recommend bias correction, a "
            "small learning rate with warm-up, and 20 epochs on small tasks: strategy `ours`."
        ]
    recipe = work.recipe
    half = f"--stab-set learning_rate={recipe.learning_rate / 2:g}"
    length = f"{recipe.steps} updates" if recipe.steps is not None else f"{recipe.epochs} epochs"
    diverged = Cause.DIVERGED in causes
    early = bool(causes & {Cause.STUCK, Cause.COLLAPSED, Cause.UNKNOWN})
    tips = (
        (diverged, f"Lower the learning rate, since the loss overflowed ({half})."),
        (diverged and recipe.clip_norm is None, "Clip gradients (--stab-set clip_norm=1.0)."),
        (diverged and recipe.precision != "fp32", "Run in fp32 (--stab-set precision=fp32)."),
        (
            early and not recipe.bias_correction,
            "Turn bias correction on (--strategy bias-correction, or ours): without it Adam's first updates "
            "are too large; together with warm-up it bears larger learning rates (Mosbach et al. 2021, "
            "section 5.1; Zhang et al. 2021, section 4).",
        ),
        (
            early and recipe.warmup_ratio == 0,
            "Warm the learning rate up (--stab-set warmup_ratio=0.1; Mosbach et al. 2021, section 5.1).",
        ),
        (
            early and not diverged,
            f"Try a smaller learning rate ({half}): runs fail beyond some rate, which lies lower without "
            "bias correction (Mosbach et al. 2021, Fig. 5 and 9).",
        ),
        (
            recipe.steps is not None or recipe.epochs < 10,
            f"Train longer than {length} (--strategy ours trains 20 epochs): on small tasks it lowers the "
            "spread and does not overfit (Mosbach et al. 2021, sections 5.2 and 6; Zhang et al. 2021, "
            "section 6).",
        ),
        (
            early and work.strategy.name != "reinit",
            "Draw the pooler and the top layers anew before training (--strategy reinit; Zhang et al. 2021, "
            "section 5).",
        ),
    )
    return [tip for applies, tip in tips if applies]
