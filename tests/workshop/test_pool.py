"""Many runs without pytest: all trained, none twice, errors told at the end."""

from __future__ import annotations

import pytest

from stabbench.errors import RunError
from stabbench.runs import Store
from stabbench.workshop.pool import train_all

BROKEN = """
from dataclasses import dataclass
from stabbench.strategies import Strategy

@dataclass
class Broken(Strategy):
    def loss(self, model, batch, step):
        raise KeyError("oops")
"""


def test_all_are_trained_and_what_is_there_is_not_trained_again(toy, tmp_path) -> None:
    requests = toy.group("devlin", 3, max_steps=2).requests
    train_all(requests[:1], tmp_path, 1)
    first = Store(tmp_path).read(requests[0].spec.key)
    train_all(requests, tmp_path, 2)
    assert set(Store(tmp_path).keys()) == {request.spec.key for request in requests}
    assert Store(tmp_path).read(requests[0].spec.key) == first


def test_runs_that_start_from_one_intermediate_run_wait_for_it(toy, tmp_path) -> None:
    requests = toy.group("intermediate:task=toy,epochs=1", 3, max_steps=2).requests
    train_all(requests, tmp_path, 2)
    keys = set(Store(tmp_path).keys())
    assert keys == {request.spec.key for request in requests} | {requests[0].start.spec.key}


def test_a_run_that_errors_harms_no_other_and_is_told_at_the_end(toy, tmp_path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(BROKEN)
    good = toy.group("devlin", 2, max_steps=2).requests
    bad = toy.group(f"{file}:Broken", 1, max_steps=2).requests
    with pytest.raises(RunError, match=r"1 of 3 runs errored.*hook loss"):
        train_all([*bad, *good], tmp_path / "store", 1)
    assert set(Store(tmp_path / "store").keys()) == {request.spec.key for request in good}
