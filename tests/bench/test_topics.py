"""Topic models are measured side by side: figures, tables, and a family from end to end."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import topic_figures, topic_growth, topic_texts, topics
from tests.models.corpus import ENTRIES

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("module", [topic_figures, topic_growth], ids=lambda m: m.__name__)
def test_examples_are_true(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def test_a_perfect_model_has_perfect_figures() -> None:
    gold = [["work"]] * 6 + [["sleep"]] * 6
    texts = ["desk boss"] * 6 + ["bed night"] * 6
    scores = np.repeat(np.eye(2), 6, axis=0)
    words = [["desk", "boss"], ["bed", "night"]]

    found = topic_figures.figures(words, texts, scores, scores.argmax(axis=1), gold)

    assert found == {
        "npmi": 1.0,
        "diversity": 1.0,
        "without": 0.0,
        "n_topics": 2.0,
        "nmi": pytest.approx(1.0),
        "nmi_forced": pytest.approx(1.0),
        "map": 1.0,
        "purity": 1.0,
    }


def test_texts_without_a_topic_lose_nmi_unless_they_are_forced() -> None:
    gold = [["work"]] * 6 + [["sleep"]] * 6
    scores = np.repeat(np.eye(2), 6, axis=0)
    first = np.array([0, 0, 0, -1, -1, -1, 1, 1, 1, -1, -1, -1])

    found = topic_figures.figures([["a", "b"]] * 2, ["a b"] * 12, scores, first, gold)

    assert found["without"] == 50.0
    assert found["nmi"] < found["nmi_forced"] == pytest.approx(1.0)
    assert found["map"] == 1.0  # all scores rank, whatever is named


def test_without_gold_topics_there_are_words_figures_alone() -> None:
    found = topic_figures.figures([["a", "b"]], ["a b"], np.ones((1, 1)), np.array([0]), None)

    assert set(found) == {"npmi", "diversity", "without", "n_topics"}


def test_who_leads_is_said_by_the_shown_figures() -> None:
    rows = {
        "ours: a": {"nmi": (0.5001, 0.0), "map": (0.2, 0.0), "memory": (100.0, 0.0)},
        "ours: b": {"nmi": (0.4, 0.0), "map": (0.3, 0.0), "memory": (200.0, 0.0)},
        "LDA": {"nmi": (0.5004, 0.0), "map": (0.4, 0.0), "memory": (150.0, 0.0)},
    }

    lines = topic_figures.who_leads(rows, ["ours: a", "ours: b"])

    assert lines == [
        "A peer is ahead in mAP (LDA 0.400, ours: b 0.300).",
        "Ours is ahead, or level, in NMI, peak memory, MB.",
    ]
    assert topic_figures.who_leads({"LDA": rows["LDA"]}, []) == []


def test_a_table_leaves_out_what_none_has() -> None:
    rows = {"a": {"npmi": (0.25, 0.01)}, "b": {"diversity": (1.0, 0.0)}}

    assert topic_figures.table(rows, topic_figures.QUALITY) == [
        "| model | NPMI | diversity |",
        "|---|---|---|",
        "| a | 0.250 ±.010 | – |",
        "| b | – | 1.000 |",
    ]


def test_texts_are_parted_alike_without_near_duplicates() -> None:
    same = "today we walked along the long river and fed the ducks there"
    texts = [f"{same} {'again ' * (i % 2)}".strip() for i in range(2)]
    texts += [f"entry number {i} tells of {i * i} things" for i in range(40)]
    rows = pd.DataFrame({"text": texts, "topics": ["river|food"] * 2 + [""] * 40})

    once, twice = (topic_texts.parted("some", rows) for _ in range(2))

    assert once == twice
    assert not set(once.train) & set(once.test)
    assert len({text for text in once.train + once.test if text.startswith(same)}) <= 2
    both = [side for side in (once.train, once.test) if any(same in text for text in side)]
    assert len(both) == 1
    named = (once.train_gold or []) + (once.gold or [])
    assert ["river", "food"] in named
    assert [] in named


def test_grown_entries_are_the_same_every_time() -> None:
    texts = ["One thing. Another thing!", "A third."]

    found = topic_growth.grown(texts, 9, seed=3)

    assert found.equals(topic_growth.grown(texts, 9, seed=3))
    assert found.num_rows == len(set(found["id"].to_pylist())) == 9
    assert set(found["text"].to_pylist()[1::2]) <= set(texts)


@pytest.mark.slow
def test_a_family_goes_through_and_is_not_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pd.DataFrame({"text": ENTRIES["text"].to_pylist(), "topics": "some"})
    corpus = topic_texts.parted("tiny", rows)
    vectors = np.ones((1, 2), np.float32)
    cost = {"seconds": 0.0, "latency": 0.0}
    monkeypatch.setattr(topic_texts, "encoded", lambda some: (vectors.repeat(len(some), 0), cost))
    monkeypatch.setattr(topics.Bench, "encoder", lambda self: tmp_path)
    monkeypatch.setattr(topics.Bench, "c_v", lambda self, words, texts: 0.5)
    bench = topics.Bench(tmp_path, "")
    model = topics.our_models()["ours: nmf"]

    cell = bench.cell(corpus, "ours: nmf", model, 2, 0, {"family": "nmf", "min_df": 1})

    assert cell.get("error") is None
    assert cell["figures"]["n_topics"] == 2
    assert cell["figures"]["fit"] > 0
    assert len(cell["topic_words"]) == 2
    monkeypatch.setattr(topics.Bench, "measured", None)
    assert bench.cell(corpus, "ours: nmf", model, 2, 0, {"family": "nmf", "min_df": 1}) == cell
    page = topics.report({("tiny", 2): {"ours: nmf": [cell]}}, {"ours: nmf": {}}, {"tiny": corpus})
    assert "| ours: nmf |" in page


@pytest.mark.slow
def test_a_model_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        topics.Bench,
        "written",
        lambda self, corpus: (dict.fromkeys(("train", "test"), "none"), {}),
    )
    corpus = topic_texts.Corpus("tiny", ["a"], ["b"], None)
    model = replace(topics.our_models()["ours: nmf"], fit="nowhere")

    cell = topics.Bench(tmp_path, "").cell(corpus, "x", model, 2, 0, {})

    assert "nowhere" in cell["error"]
    assert json.dumps(cell)
