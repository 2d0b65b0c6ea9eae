"""Figures on the held-out journal: which entries count where, and what is asked of answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from src.data.journal import JournalEntry, held_out
from src.data.seen import text_digest
from src.errors import UserError
from src.evaluation.bootstrap import bootstrap_weights
from src.evaluation.gates import JOURNAL_GATES, judge
from src.evaluation.journal import KEPT, ask_journal, measure_journal, roc_auc
from src.evaluation.sentiment import CLASSES

pytestmark = pytest.mark.unit

ENTRIES = held_out()
TRUTH = {entry.text: entry for entry in ENTRIES}


def row(label: str, **more: object) -> dict[str, object]:
    return {"sentiment": label, "all_scores": dict.fromkeys(CLASSES, 0.05) | {label: 0.9}, **more}


def all_knowing(texts):
    return [row(TRUTH[text].sentiment or "neutral") for text in texts]


def aware_of_mixed(texts):
    return [
        row(TRUTH[text].sentiment or "neutral", mixed=float(TRUTH[text].is_mixed)) for text in texts
    ]


def measured(predict, entries=ENTRIES, seen=()):
    answered = ask_journal(entries, predict, "d1ge57", set(seen))
    return answered and measure_journal(answered, seed=0, n_resamples=100)


def test_a_model_that_knows_all_is_right_everywhere() -> None:
    found = measured(all_knowing)
    assert (found.n_entries, found.n_mixed, found.n_left_out) == (571, 69, 0)
    assert found.metrics.keys() == {f"journal_{n}" for n in KEPT if not n.endswith("confident")}
    assert found.metrics["journal_aurc"].value == 0.0
    assert found.metrics["journal_f1_macro"].low == 1.0
    assert found.metrics["journal_recall_neutral"].value == 1.0
    assert found.metrics["journal_ece"].value == pytest.approx(0.1)


def test_mixed_entries_change_no_figure_of_classes() -> None:
    def other(texts):
        return [row(TRUTH[text].sentiment or "positive") for text in texts]

    assert measured(other).metrics == measured(all_knowing).metrics


def test_who_says_how_mixed_an_entry_is_gets_a_figure_for_it() -> None:
    assert measured(aware_of_mixed).metrics["journal_mixed_auc"].value == 1.0

    def turned(texts):
        return [given | {"mixed": -given["mixed"]} for given in aware_of_mixed(texts)]

    def half(texts):
        return [aware_of_mixed(texts)[0], *all_knowing(texts)[1:]]

    assert measured(turned).metrics["journal_mixed_auc"].value == 0.0
    assert "journal_mixed_auc" not in measured(half).metrics


def test_answers_flagged_low_are_counted_among_entries_of_the_three_classes() -> None:
    def unsure_of_half(texts):
        flags = ("low", "high", "medium", "low")
        return [
            given | {"confidence_level": flags[i % 4]} for i, given in enumerate(all_knowing(texts))
        ]

    answered = ask_journal(ENTRIES, unsure_of_half, "d1ge57", set())
    assert len(answered.judged.right) == 571
    found = measured(unsure_of_half).metrics
    share = 1 - answered.judged.low.mean()
    assert found["journal_coverage_confident"].value == pytest.approx(share)
    assert 0.4 < found["journal_coverage_confident"].value < 0.6
    assert found["journal_accuracy_confident"].value == 1.0


@pytest.mark.parametrize(
    ("turned", "reversed_", "with_neutral", "failed"),
    [
        ({}, 0.0, 0.0, []),
        ({"positive": "neutral", "negative": "neutral"}, 0.5, 0.5, []),
        ({"positive": "negative", "negative": "positive"}, 1.0, 1.0, None),
        ({"positive": "neutral", "neutral": "positive"}, 0.0, 1.0, ["neutral-between"]),
    ],
)
def test_classes_that_are_taken_for_each_other_fail_a_gate_and_ignorance_does_not(
    turned, reversed_, with_neutral, failed
) -> None:
    def predict(texts):
        labels = [TRUTH[text].sentiment or "neutral" for text in texts]
        return [row(turned.get(label, label)) for label in labels]

    figures = measured(predict).metrics
    assert figures["journal_reversed"].value == reversed_
    assert figures["journal_reversed_neutral"].value == with_neutral
    codes = [gate.code for gate in JOURNAL_GATES if not judge(gate, figures, {}).passed]
    assert codes == ([gate.code for gate in JOURNAL_GATES] if failed is None else failed)


def test_entries_that_it_was_trained_on_count_nowhere() -> None:
    known = [text_digest(entry.text) for entry in ENTRIES[:100] if entry.agreed]
    found = measured(all_knowing, seen=known)
    assert found.n_left_out == len(known)
    assert found.n_entries + found.n_mixed + found.n_left_out == 640
    assert measured(all_knowing, seen=[text_digest(entry.text) for entry in ENTRIES]) is None


def test_entries_without_an_agreed_label_are_not_asked_about() -> None:
    torn = JournalEntry("a", "positive", "neutral", "nobody agrees")
    assert measured(all_knowing, entries=[*ENTRIES, torn]) == measured(all_knowing)


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda texts: all_knowing(texts)[1:], "639 answers for 640"),
        (lambda texts: [row("neutral", mixed="very")] * len(texts), "mixed is no number"),
        (lambda texts: [row("neutral", mixed=float("nan"))] * len(texts), "mixed is no number"),
        (lambda texts: [{"sentiment": "good"}] * len(texts), "break the contract"),
    ],
)
def test_broken_answers_are_refused(predict, message) -> None:
    with pytest.raises(UserError, match=message):
        measured(predict)


def test_the_area_is_the_usual_one_in_every_resample() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(60) < 0.3, rng.integers(0, 9, 60) / 8
    weights = bootstrap_weights(60, 20, seed=1)
    expected = [roc_auc_score(truth, scores, sample_weight=one) for one in weights]
    assert roc_auc(truth, scores, weights) == pytest.approx(expected)
    assert np.isnan(roc_auc(np.array([True]), np.array([0.5]), np.ones((1, 1), np.uint8))).all()
