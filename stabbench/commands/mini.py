"""``stabbench mini``: make the mini world's encoder, find its learning rate, calibrate, write its card."""

from __future__ import annotations

import argparse
import importlib

ACTIONS = {
    "pretrain": ("stabbench.workshop.pretraining", "pre-train an encoder on the mini world's language"),
    "search": ("stabbench.workshop.search", "find where Devlin's recipe breaks on an encoder"),
    "calibrate": ("stabbench.workshop.calibration", "train every strategy on every mini task"),
    "card": ("stabbench.workshop.card", "write the encoder's model card from what the others left"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, (module, text) in ACTIONS.items():
        importlib.import_module(module).add_arguments(actions.add_parser(name, help=text, description=text))


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says."""
    status: int = importlib.import_module(ACTIONS[arguments.action][0]).run(arguments)
    return status
