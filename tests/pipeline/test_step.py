"""Parameters: declared once, checked when typed."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.pipeline.step import (
    Nothing,
    Step,
    build,
    content_of,
    in_order,
    param,
    read_arguments,
    upstream,
)

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Params:
    share: float = param(0.2, "A share", low=0.0, high=0.5)
    seed: int = param(7, "A seed", low=0)
    how: str = param("random", "A way", choices=("random", "time"))
    fast: bool = param(False, "Hurry")
    path: str = param("", "A path", content=False)


def step(name: str, reads: tuple[str, ...], writes: tuple[str, ...]) -> Step:
    return Step(name, name, Nothing, lambda context: None, reads, writes)


@pytest.mark.parametrize("words", [["--seed", "8"], ["--seed=8"], ["-P", "seed=8"]])
def test_three_spellings_of_one_value(words: list[str]) -> None:
    assert build(Params, read_arguments(words)) == Params(seed=8)


@given(st.floats(0, 0.5))
def test_other_spellings_of_a_number_are_the_same_value(number: float) -> None:
    for spelled in (repr(number), f"{number:.20f}", f"0{number!r}"):
        assert build(Params, {"share": spelled}).share == pytest.approx(number, abs=1e-19)
    assert content_of(build(Params, {"share": ".20"})) == content_of(build(Params, {}))


def test_a_path_does_not_count() -> None:
    assert content_of(Params(path="/a")) == content_of(Params(path="/b"))


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"share": "0.7"}, "share=0.7 is not within 0.0 to 0.5"),
        ({"share": "nan"}, "share=nan is not within"),
        ({"share": "much"}, "share=much is not a number"),
        ({"seed": "1.5"}, "seed=1.5 is not a whole number"),
        ({"seed": "-1"}, "seed=-1 is not within 0 to inf"),
        ({"how": "tme"}, "unknown how 'tme'"),
        ({"fast": "maybe"}, "fast=maybe is neither true nor false"),
    ],
)
def test_a_wrong_value_is_named(typed: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        build(Params, typed)
    assert message in error.value.message
    assert error.value.hint


def test_a_wrong_word_gets_the_nearest_right_one() -> None:
    with pytest.raises(UserError) as error:
        build(Params, {"how": "tme"})
    assert error.value.hint == "Did you mean time?"


@pytest.mark.parametrize("words", [["seed"], ["--seed"], ["-P", "seed"], ["-P"], ["--=3"]])
def test_what_is_no_argument_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match="cannot read"):
        read_arguments(words)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="seed is given twice"):
        read_arguments(["--seed", "1", "-P", "seed=2"])


def test_a_value_may_hold_signs() -> None:
    assert read_arguments(["-P", "labels=a=positive", "--x", "--y"]) == {
        "labels": "a=positive",
        "x": "--y",
    }


def test_order_follows_from_artifacts() -> None:
    a, b, c = step("a", (), ("x",)), step("b", ("x",), ("y",)), step("c", ("x", "y"), ("z",))
    d = step("d", (), ("w",))
    ordered = in_order([c, b, a, d])
    assert [s.name for s in ordered] == ["a", "d", "b", "c"]
    steps = {s.name: s for s in ordered}
    assert [s.name for s in upstream(c, steps)] == ["a", "b"]
    assert upstream(d, steps) == []


def test_a_circle_is_refused() -> None:
    with pytest.raises(ValueError, match="read each other"):
        in_order([step("a", ("y",), ("x",)), step("b", ("x",), ("y",))])
