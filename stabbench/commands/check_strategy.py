"""``stabbench check-strategy NAME``: may its steps be captured on a GPU? Needs none."""

from __future__ import annotations

import argparse

from stabbench.commands.validate import say, shown_output
from stabbench.training import capturing
from stabbench.training.validation import Validator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", help="a strategy: NAME[:k=v,...] or path.py[:Name]")


def run(arguments: argparse.Namespace) -> int:
    """Check and print what was found; 1 when something was."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    with shown_output():  # it imports a file
        validator = Validator(arguments.name)
    return say(capturing.checks(arguments.name, validator.request))
