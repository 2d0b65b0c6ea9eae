"""Doubts about labels: noise is told from clean labels, and swapped classes from right ones."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from src.data import LABELS
from src.errors import UserError
from src.pipeline.code import Reader
from src.pipeline.step import ROOT, all_steps, build
from src.training import label_noise
from src.training import train_sentiment_analysis_semantic as views
from src.training.family import TASKS
from src.training.label_noise import Doubts, check_labels, doubts_about
from tests.models.corpus import ENTRIES, MOODS, made_up

pytestmark = pytest.mark.unit

LEXICON = dict.fromkeys(MOODS["positive"].split(), 2.5) | dict.fromkeys(
    MOODS["negative"].split(), -2.5
)
ROWS = [row for row in made_up(900, seed=3).to_pylist() if row["label"]]
TEXTS = [row["text"] for row in ROWS]
TRUE = [row["label"] for row in ROWS]


def found(labels: list[str], lexicon: dict[str, float] = LEXICON) -> Doubts:
    return doubts_about(TEXTS, labels, lexicon, seed=7)


def replaced(share: float) -> list[str]:
    draw = random.Random(1)
    return [
        draw.choice([other for other in LABELS if other != label])
        if draw.random() < share
        else label
        for label in TRUE
    ]


def exchanged(one: str, other: str) -> list[str]:
    return [{one: other, other: one}.get(label, label) for label in TRUE]


def test_clean_labels_give_no_warning() -> None:
    clean = found(TRUE)
    assert clean.contradicted < 0.01
    assert clean.reversed["negative", "positive"] < 0.01
    assert (clean.warning, clean.swapped, clean.noisy) == ("", None, False)


def test_of_plain_texts_the_share_is_nearly_that_of_wrong_labels() -> None:
    noisy = found(replaced(0.2))
    assert noisy.contradicted == pytest.approx(0.2, abs=0.06)
    assert noisy.noisy
    assert noisy.swapped is None
    assert f"cross-validation contradicts {noisy.contradicted:.0%} of {len(TEXTS)}" in noisy.warning
    assert "label_column, labels and cut_points" in noisy.warning


def test_shuffled_labels_are_noisy_and_show_no_order() -> None:
    shuffled = found(random.Random(2).sample(TRUE, len(TRUE)))
    assert shuffled.contradicted > 0.5
    assert shuffled.noisy
    assert shuffled.swapped is None
    assert shuffled.reversed["negative", "positive"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("low", "high"), [("negative", "positive"), ("neutral", "positive")])
def test_swapped_classes_are_named_with_the_way_back(low: str, high: str) -> None:
    swapped = found(exchanged(low, high))
    assert swapped.swapped == (low, high)
    assert swapped.contradicted < 0.01  # to cross-validation they are as good as right ones
    assert f"labels {low} and {high} look swapped" in swapped.warning
    assert f"-P labels={low}={high},{high}={low}" in swapped.warning


@pytest.mark.parametrize("lexicon", [{}, {"nobody": -1.0, "wrote": 1.0}])
def test_words_that_the_lexicon_does_not_know_say_nothing(lexicon: dict[str, float]) -> None:
    swapped = found(exchanged("negative", "positive"), lexicon)
    assert swapped.warning == ""
    assert ("labels_against_lexicon" in swapped.metrics) is bool(lexicon)


def test_of_many_entries_some_are_looked_at_and_always_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_noise, "MOST", 300)
    first, again = found(replaced(0.4)), found(replaced(0.4))
    assert first == again
    assert first.n_entries == 300


def told(train: Any = ENTRIES) -> tuple[list[str], dict[str, Any], dict[str, float]]:
    """Look at the labels of a table; give what was said, noted and logged."""
    said, details, logged = list[str](), dict[str, Any](), dict[str, float]()
    context: Any = SimpleNamespace(
        params=SimpleNamespace(seed=7), say=said.append, details=details, log_metrics=logged.update
    )
    own = object()
    assert check_labels(context, None, own, train, train) is own  # type: ignore[arg-type]
    return said, details, logged


def test_a_warning_is_one_line_without_text_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "read_lexicon", lambda: LEXICON)
    assert told()[:2] == ([], {})
    turned = {"negative": "positive", "positive": "negative", "neutral": "neutral", None: None}
    rows = [row | {"label": turned[row["label"]]} for row in ENTRIES.to_pylist()]
    said, details, logged = told(ENTRIES.from_pylist(rows, schema=ENTRIES.schema))
    assert said == [f"train: warning: {details['warning']}."]
    assert "\n" not in said[0]
    assert not [row["text"] for row in rows if row["text"].lower() in said[0].lower()]
    assert logged.keys() == {"labels_contradicted", "labels_against_lexicon"}
    assert logged["labels_against_lexicon"] > 0.9


def test_without_the_lexicon_the_rest_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise UserError("it cannot be fetched.", "Connect.")

    monkeypatch.setattr(views, "read_lexicon", away)
    said, details, logged = told()
    assert said == ["train: labels not compared with VADER's lexicon: it cannot be fetched."]
    assert details == {}
    assert logged.keys() == {"labels_contradicted"}


@pytest.mark.parametrize("n", [0, 30])
def test_of_few_entries_nothing_is_said_but_that(n: int) -> None:
    said, details, logged = told(ENTRIES.slice(0, n))
    assert said == ["train: labels not checked, which takes 30 labelled entries of each class"]
    assert (details, logged) == ({}, {})


def test_the_look_at_labels_counts_for_sentiment_alone() -> None:
    train, reader = all_steps()["train"], Reader(ROOT)
    for task in TASKS:
        parts = train.parts(build(train.params, {"model": task}))
        files = reader.reach([train.code, *(c for part in parts for c in part.code)]).files
        assert ("src/training/label_noise.py" in files) is (task == "sentiment")
