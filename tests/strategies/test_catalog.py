"""How a strategy is named: reading, writing, and what is said when neither works."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stabbench.errors import StabbenchError, UnknownNameError
from stabbench.models.families import BERT, FAMILIES
from stabbench.strategies import REGISTRY
from stabbench.strategies.catalog import (
    label_of,
    parameters_of,
    parse_strategy,
    resolve_recipe,
    support_of,
)

HEAD = "from dataclasses import dataclass\nfrom stabbench.strategies import Strategy\n"
ONE = "@dataclass\nclass {0}(Strategy):\n    base: str | None = {1!r}\n    width: float = 2.0\n"


def label(text: str, **overrides: object) -> str:
    strategy, reference = parse_strategy(text)
    return label_of(strategy, reference, overrides)


def file(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.py"
    path.write_text(HEAD + text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mixout", "mixout"),
        ("mixout:p=0.9", "mixout"),  # the default, in words
        ("mixout:p=.5", "mixout:p=0.5"),
        ("mixout:p=0.50,head=include", "mixout:head=include,p=0.5"),  # sorted
        ("mixout:head=include,p=5e-1", "mixout:head=include,p=0.5"),
        ("reinit:pooler=FALSE", "reinit:pooler=false"),
        ("llrd:base=none", "llrd:base=none"),
        ("pretrained-decay:lambda=1", "pretrained-decay:lambda=1.0"),
        ("reinit:layers=2+llrd:decay=0.95", "reinit:layers=2+llrd"),
    ],
)
def test_equal_things_have_equal_labels(text: str, expected: str) -> None:
    assert label(text) == expected


def test_overrides_stand_behind_the_label() -> None:
    assert label("ours", learning_rate=3e-5, epochs=10) == "ours@epochs=10,learning_rate=3e-05"


@given(
    st.floats(0, 1),
    st.sampled_from(["all", "dropout_owners", "after_dropout"]),
    st.sampled_from(["reference", "exact"]),
    st.booleans(),
)
def test_what_is_written_is_read_as_the_same(p: float, layers: str, gradient: str, combined: bool) -> None:
    text = f"mixout:p={p!r},layers={layers},gradient={gradient}" + ("+llrd" if combined else "")
    strategy, reference = parse_strategy(text)
    again, other = parse_strategy(reference.text)
    assert again == strategy
    assert other == reference
    assert parameters_of(again) == parameters_of(strategy)


@pytest.mark.parametrize("name", REGISTRY.names())
def test_each_shipped_strategy_says_what_it_is(name: str) -> None:
    strategy, reference = parse_strategy(name)
    assert (reference.name, reference.text, label(name)) == (name, name, name)
    assert type(strategy).summary
    assert "\n" not in type(strategy).summary
    assert any(year in type(strategy).paper for year in map(str, range(2015, 2025)))
    for key in parameters_of(strategy):  # each is described
        assert f" {key.replace('lambda', 'lambda_')}: " in (type(strategy).__doc__ or "") or key == "base"
    assert resolve_recipe(strategy, resolve_recipe(parse_strategy("devlin")[0], BERT)) is not None
    reasons = support_of(strategy)
    assert list(reasons) == [family.label for family in FAMILIES]
    assert reasons["BERT"] is None
    assert all(reason is None or "\n" not in reason for reason in reasons.values())


def test_only_albert_is_refused_and_only_where_layers_must_be_told_apart() -> None:
    refused = {
        (name, kind)
        for name in REGISTRY.names()
        for kind, reason in support_of(parse_strategy(name)[0]).items()
        if reason is not None
    }
    assert refused == {("reinit", "ALBERT"), ("llrd", "ALBERT")}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot be read"),
        ("llrd+", "cannot be read"),
        ("+llrd", "cannot be read"),
        ("mixout:", "not a parameter of mixout"),
        ("mixout:p", "'p' is not a parameter"),
        ("mixout:p=", "mixout: p='' is not float"),
        ("mixout:p=half", "p='half' is not float"),
        ("mixout:layers=some", "not one of all, dropout_owners, after_dropout"),
        ("mixout:p=0.1,p=0.2", "given 'p' twice"),
        ("reinit:pooler=yes", "not bool"),
        ("reinit:layers=2.5", "layers='2.5' is not int"),
        ("no_such_file.py", "does not exist"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, cause: str) -> None:
    with pytest.raises(StabbenchError, match=cause):
        parse_strategy(text)


@pytest.mark.parametrize(
    ("text", "near"),
    [("mixot", "'mixout'"), ("re-init", "'reinit'"), ("mixout:gradiant=exact", "'gradient'")],
)
def test_near_names_are_suggested(text: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"did you mean {near}"):
        parse_strategy(text)


def test_from_a_file(tmp_path: Path) -> None:
    path = file(tmp_path, ONE.format("Mine", "ours"))
    for text in (f"{path}", f"{path}:Mine"):
        strategy, reference = parse_strategy(f"{text}:width=3")
        assert parameters_of(strategy) == {"base": "ours", "width": 3.0}
        assert (reference.name, reference.text) == ("Mine", f"{path}:Mine:width=3.0")
        assert label(f"{text}:width=3") == "Mine:width=3.0"
    both, reference = parse_strategy(f"reinit:layers=1+{path}:Mine:width=4+llrd")
    assert reference.name == "reinit+Mine+llrd"
    assert parse_strategy(reference.text)[0] == both


@pytest.mark.parametrize(
    ("text", "ending", "cause"),
    [
        (ONE.format("A", None) + ONE.format("B", None), "", "defines 2 strategies: A, B"),
        ("", "", "defines 0 strategies: none"),
        ("A = 3\n", ":A", "is not a strategy"),
        ("class A(Strategy):\n    width: float = 2.0\n", "", "looks like a parameter"),
        (
            "@dataclass\nclass A(Strategy):\n    width: float = 2.0\n"
            "    def __post_init__(self):\n        raise ValueError('too wide')\n",
            "",
            "A: too wide",
        ),
    ],
)
def test_a_file_that_holds_no_usable_strategy(tmp_path: Path, text: str, ending: str, cause: str) -> None:
    with pytest.raises(StabbenchError, match=cause):
        parse_strategy(f"{file(tmp_path, text)}{ending}")


def test_a_base_gives_its_recipe_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(StabbenchError, match=r"reinit cannot be a base.*prepare(.|\n)*reinit\+NAME"):
        resolve_recipe(parse_strategy("mixout:base=reinit")[0], BERT)
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    file(tmp_path, ONE.format("One", f"{two}:Two"), "one")
    file(tmp_path, ONE.format("Two", f"{one}:One"), "two")
    with pytest.raises(StabbenchError, match="form a cycle"):
        resolve_recipe(parse_strategy(f"{one}")[0], BERT)


def test_a_base_of_none_is_the_models_own_recipe() -> None:
    assert resolve_recipe(parse_strategy("llrd:base=none")[0], BERT) == BERT


@pytest.mark.parametrize(
    ("body", "cause"), [("raise KeyError('x')", "raised KeyError"), ("return 3", "returned 3")]
)
def test_a_recipe_hook_that_fails_is_named(tmp_path: Path, body: str, cause: str) -> None:
    path = file(tmp_path, f"@dataclass\nclass A(Strategy):\n    def recipe(self, base):\n        {body}\n")
    with pytest.raises(StabbenchError, match=f"recipe hook of A {cause}"):
        resolve_recipe(parse_strategy(str(path))[0], BERT)
