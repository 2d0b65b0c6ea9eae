"""The journal of invented people: its labels, and that its halves stay apart."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from src.data import journal
from src.data.cleaning import normalise
from src.data.journal import JournalEntry
from src.data.near_duplicates import near_others
from src.evaluation.behaviour import read_pairs, texts_of
from src.pipeline.code import Reader
from src.pipeline.step import all_steps, build

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
SPLIT = {"positive", "negative", "neutral", "mixed"}


def bare(text: str) -> str:
    """A text without what can make equal texts look different."""
    return " ".join(re.findall(r"\w+", normalise(text).casefold()))


@pytest.mark.parametrize(
    ("entries", "n", "people", "agreed"),
    [
        (journal.training(), 739, 55, [202, 217, 225, 82]),
        (journal.held_out(), 644, 46, [181, 189, 201, 69]),
    ],
    ids=["training", "held_out"],
)
def test_each_half_is_as_its_story_says(
    entries: list[JournalEntry], n: int, people: int, agreed: list[int]
) -> None:
    assert (len(entries), len({entry.author for entry in entries})) == (n, people)
    assert {label for entry in entries for label in (entry.label, entry.second_label)} == SPLIT
    counts = Counter(entry.agreed for entry in entries)
    assert [counts[label] for label in ("positive", "negative", "neutral", "mixed")] == agreed
    assert all(entry.text and normalise(entry.text) == entry.text for entry in entries)
    story = (ROOT / "src/data/journal/README.md").read_text()
    assert f"| {n} | {people} | {sum(agreed)} (" in story
    voices = (ROOT / "src/data/journal/voices.md").read_text()
    assert all(f"- {entry.author}: " in voices for entry in entries)


def test_labels_count_only_where_both_readers_agree() -> None:
    same, mixed, torn = (
        JournalEntry("a", *labels, "text")
        for labels in (("neutral", "neutral"), ("mixed", "mixed"), ("mixed", "positive"))
    )
    assert (same.agreed, same.sentiment, same.is_mixed) == ("neutral", "neutral", False)
    assert (mixed.agreed, mixed.sentiment, mixed.is_mixed) == ("mixed", None, True)
    assert (torn.agreed, torn.sentiment, torn.is_mixed) == (None, None, False)


def test_nothing_that_is_held_out_is_trained_on() -> None:
    training, held_out = journal.training(), journal.held_out()
    assert not {e.author for e in training} & {e.author for e in held_out}
    known = {bare(entry.text) for entry in training}
    pairs = texts_of(read_pairs())
    judged = [entry.text for entry in held_out] + pairs
    assert not [text for text in judged if bare(text) in known]
    assert not near_others(judged, [entry.text for entry in training]).any()


def test_no_step_but_evaluate_reaches_the_held_out_half() -> None:
    reader, reading = Reader(ROOT), set[str]()
    for step in all_steps().values():
        params = build(step.params, {"model": "sentiment"})
        starts = [step.code, *(start for part in step.parts(params) for start in part.code)]
        reached = reader.reach(starts).definitions
        reading |= {step.name} & {
            step.name for file, name in reached if "journal" in file and name == "held_out"
        }
    assert reading == {"evaluate"}


def test_a_text_may_hold_any_line_break_and_the_digest_is_of_bytes(tmp_path: Path) -> None:
    file = tmp_path / "half.jsonl"
    line = (
        '{"author": "a", "label": "neutral", "second_label": "neutral", "text": "one\u2028two"}\n'
    )
    file.write_text(line)
    assert [entry.text for entry in journal.read(file)] == ["one\u2028two"]
    before = journal.fingerprint(file)
    file.write_text(line + line)
    assert journal.fingerprint(file) != before
