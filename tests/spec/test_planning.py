"""From options to runs: which seeds, which streams, which replicates, whose share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stabbench import Suite
from stabbench.planning import PlanOptions, planned_runs
from stabbench.spec import STREAMS, Seeds


def test_streams_that_do_not_vary_are_held(toy) -> None:
    group = toy.group(seeds=[3, 5], streams=("order", "dropout"), held_seed=9)
    assert group.seeds == (3, 5)
    assert [request.spec.seeds for request in group.requests] == [
        Seeds(head=9, order=seed, dropout=seed, strategy=9) for seed in (3, 5)
    ]


def test_replicates_come_after_all_seeds_and_only_the_first_is_the_sample(toy) -> None:
    group = toy.group(seeds=2, replicates=2)
    assert list(group.runs) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [request.spec.replicate for request in group.requests] == [0, 0, 1, 1]
    assert list(group.sample.values()) == list(group.requests[:2])
    assert len({request.spec.key for request in group.requests}) == 4
    assert len({request.spec.group for request in group.requests}) == 1


def test_plain_options_plan_plain_runs(toy) -> None:
    plain, spelt_out = toy.group(seeds=2), toy.group(seeds=2, streams=STREAMS, replicates=1)
    assert [r.spec.key for r in plain.requests] == [r.spec.key for r in spelt_out.requests]
    assert [r.spec.seeds for r in plain.requests] == [Seeds.all(0), Seeds.all(1)]


@given(st.integers(1, 7), st.integers(1, 3))
def test_shares_are_disjoint_and_together_everything(count: int, replicates: int) -> None:
    suite = Suite(task="toy", models=["m"], seeds=7)
    whole = planned_runs(suite, PlanOptions(replicates=replicates))
    shares = [
        planned_runs(suite, PlanOptions(replicates=replicates, shard=(i + 1, count))) for i in range(count)
    ]
    assert sorted(run for share in shares for run in share) == sorted(whole)
    assert len(set(whole)) == len(whole) == 7 * replicates


def test_a_copy_with_other_seeds_has_a_key_of_its_own(toy) -> None:
    spec = toy.request(seed=1).spec
    key, group = spec.key, spec.group
    other = spec.model_copy(update={"seeds": Seeds.all(2)})
    assert other.key != key
    assert other.group == group
    assert other.key == toy.request(seed=2).spec.key
