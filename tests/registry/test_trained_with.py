"""Which models have seen entries of forgotten people, themselves or through another model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from src.evaluation.cards.forget_card import render
from src.forgetting.trained_with import Proof, ancestry, goes_on_from
from src.pipeline.keys import Key
from src.pipeline.results import key_tags, seal_tags

pytestmark = pytest.mark.unit

MADE_BY = {"models:/sentiment/1": "old", "models:/sentiment/2": "middle", "models:/topics/1": "old"}
STORE: Any = SimpleNamespace(made_by=MADE_BY.__getitem__)


def run(run_id: str, details: dict[str, Any] | None = None, **params: str) -> Any:
    key = Key("train", {}, {}, {n: v for n, v in params.items() if n == "teacher"}, {})
    tags = key_tags(key) | seal_tags(key, {}, details or {})
    info = SimpleNamespace(run_id=run_id)
    return SimpleNamespace(info=info, data=SimpleNamespace(params=params, tags=tags))


def test_a_student_is_as_free_as_its_teacher() -> None:
    runs = {"new": run("new", teacher="models:/sentiment/1"), "old": run("old")}
    assert ancestry(STORE, "new", runs, {"old": 3}) == ("models:/sentiment/1", "")
    assert ancestry(STORE, "new", runs, {"old": 0}) == ("", "")


def test_it_is_followed_through_several_models() -> None:
    runs = {
        "new": run("new", backbone="models:/sentiment/2"),
        "middle": run("middle", teacher="models:/sentiment/1"),
        "old": run("old"),
    }
    assert ancestry(STORE, "new", runs, {"old": 3}) == ("models:/sentiment/1", "")


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"update": "True"}, ["models:/topics/1"]),
        ({"merge": "3+7"}, ["models:/topics/1"]),
        ({"update": "False", "merge": "''"}, []),
        ({}, []),
    ],
)
def test_topics_go_on_from_a_version_when_told_so(more: dict[str, str], found: list[str]) -> None:
    followed = run("new", {"follows": "models:/topics/1"}, **more)
    assert list(goes_on_from(followed)) == found
    rests, follows = ancestry(STORE, "new", {"new": followed}, {"old": 3})
    assert (rests, follows) == (("models:/topics/1", "") if found else ("", "models:/topics/1"))


def told(stage: str, trained_with: int | None, rests_on: str = "", version: int = 1) -> Any:
    proof = Proof("m", "sentiment", version, stage, "r", "models:/m-1", trained_with, rests_on)
    return vars(proof) | {"free": proof.free}


def test_the_report_says_what_to_do() -> None:
    text = render({"versions": [told("Production", 3)], "entries": 3, "rows": {"r/entries": 3}})
    assert "**3 of their entries**" in text
    assert "delete_model_version('m', '1')" in text
    assert "delete_logged_model('m-1')" in text
    both = render({"versions": [told("Archived", 0, version=2), told("Production", 3)]})
    assert "promote -P model=sentiment -P version=2" in both
    assert "free of them" in both
    assert "goes on from `models:/m/1`" in render({"versions": [told("None", 0, "models:/m/1")]})
    assert "nobody knows" in render({"versions": [told("None", None)]})
    assert "There is none." in render({})
