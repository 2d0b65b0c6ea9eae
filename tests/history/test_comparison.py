"""Two runs side by side: what counts as a difference, and the page that shows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.cards.compare_card import compare_page
from src.errors import UserError
from src.history.comparison import compare
from src.pipeline.answers import CompareAnswer, fits
from steps.compare import written
from tests.cards.test_cards import HOSTILE, check

pytestmark = pytest.mark.unit


def thing(name: str, params: dict[str, str], commit: str = "", **metrics: float) -> Any:
    tags = {"pipeline.step": "train"} | ({"mlflow.source.git.commit": commit} if commit else {})
    run = SimpleNamespace(data=SimpleNamespace(params=params, tags=tags, metrics=metrics))
    return SimpleNamespace(name=name, runs={"train x": run})


def found(**more: str) -> CompareAnswer:
    a = thing("a", {"seed": "7"}, f1=0.5, f1_low=0.4, f1_high=0.6, kept_equal=1.0)
    b = thing("b", {"seed": "8", **more}, f1=0.8, f1_low=0.7, f1_high=0.9, kept_equal=1.0)
    return compare(a, b)


def test_who_started_a_step_is_no_difference() -> None:
    alone = thing("a", {"seed": "7", "entries": "runs:/1/entries"})
    driven = thing("b", {"seed": "7", "parent": "abc", "force": "true"}, commit="1" * 40)
    for pair in ((alone, driven), (driven, alone)):
        answer = compare(*pair)
        assert answer["settings"] == []
        assert answer["code"] == []


def test_settings_and_commits_that_differ_are_named() -> None:
    answer = compare(thing("a", {"seed": "7"}, "1"), thing("b", {"c": "1"}, "2"))
    named = [(d["name"], d["a"], d["b"]) for d in answer["settings"] + answer["code"]]
    assert named == [("c", None, "1"), ("seed", "7", None), ("git commit", "1", "2")]


def test_a_page_shows_both_sides_with_intervals_and_settings() -> None:
    answer = found()
    assert fits(answer, CompareAnswer)
    read = check(compare_page(answer, False, ("a", "b")))
    for words in (
        "The intervals of 1 of 1 figures do not overlap",
        "0.500 [0.400, 0.600]",
        "0.800 [0.700, 0.900]",
        "+0.3",
        "seed",
        "python -m steps compare a b",
    ):
        assert words in read.text
    names = [row.text for row in (read, check(compare_page(answer, True, ("a", "b"))))]
    assert ["kept equal" in text for text in names] == [False, True]


def test_a_page_of_equal_runs_says_so() -> None:
    a = thing("a", {"seed": "7"}, f1=0.5)
    read = check(compare_page(compare(a, a), False, ("a", "a")))
    assert read.text.count("The same on both sides.") == 4


def test_what_runs_are_called_is_shown_as_text() -> None:
    answer = found(backbone=HOSTILE)
    answer["b"] = HOSTILE
    read = check(compare_page(answer, False, ("a", HOSTILE)))
    assert read.text.count(HOSTILE) >= 2


def test_a_page_is_written_where_the_caller_is(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("src.pipeline.caller.caller_folder", lambda: tmp_path)
    assert written("out.html", "page") == tmp_path / "out.html"
    assert (tmp_path / "out.html").read_text() == "page"
    with pytest.raises(UserError, match="cannot be written"):
        written("nowhere/out.html", "page")
