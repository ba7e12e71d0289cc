"""``stabbench validate STRATEGY``: is a strategy sound? Short runs on the mini world."""

from __future__ import annotations

import argparse

from stabbench.text import terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("strategy", help="NAME[:k=v,...] or path.py[:Name]")


def run(arguments: argparse.Namespace) -> int:
    """Check a strategy and print what was found."""
    import torch

    from stabbench.training.validation import Validator, report

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return report(Validator(arguments.strategy).checks(), lambda line: print(terminal(line)))
