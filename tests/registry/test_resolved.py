"""Versions by what people call them."""

from __future__ import annotations

import pytest

from src import registry
from src.errors import UserError
from src.registry import Version
from steps import score

pytestmark = pytest.mark.unit

NAME = "journal_sentiment_analyzer"
STAGES = {4: "None", 3: "Staging", 2: "Production", 1: "Archived"}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Version(NAME, n, stage, "", "", "", "", {}) for n, stage in STAGES.items()]
    monkeypatch.setattr(registry, "versions", lambda name: there if name == NAME else [])


@pytest.mark.parametrize(
    ("wanted", "number"),
    {
        "latest": 4,
        "Production": 2,
        "production": 2,
        "PRODUCTION": 2,
        "champion": 2,
        "challenger": 3,
        "archived": 1,
        "Latest": 4,
        "1": 1,
        "02": 2,
    }.items(),
)
def test_what_people_call_a_version(wanted: str, number: int) -> None:
    assert registry.resolved(NAME, wanted).number == number
    score.check(score.ENTRY.params(version=wanted))


@pytest.mark.parametrize("wanted", ["none", "newest", "-1", "", "²", "1.0", "@champion"])
def test_what_nobody_calls_a_version_is_refused_before_anything_is_read(wanted: str) -> None:
    with pytest.raises(UserError, match="is no version"):
        score.check(score.ENTRY.params(version=wanted))


@pytest.mark.parametrize("wanted", ["7", "none", "newest", "-1", ""])
def test_a_version_that_is_not_there_is_named_with_those_that_are(wanted: str) -> None:
    with pytest.raises(UserError, match=f"{NAME} has no version {wanted}") as caught:
        registry.resolved(NAME, wanted)
    assert caught.value.hint == "There is: 4, 3 (Staging), 2 (Production), 1 (Archived)."


def test_a_model_without_versions_says_how_to_make_one() -> None:
    with pytest.raises(UserError, match="has no version yet") as caught:
        registry.resolved("adaptive_journal_topics", "latest")
    assert "main -P model=topics" in caught.value.hint
