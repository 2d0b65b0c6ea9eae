"""What the card says of journals and of minimal pairs."""

from __future__ import annotations

import pytest

from src.evaluation.behaviour import Failures
from src.evaluation.bootstrap import Estimate
from src.evaluation.cards.journal_card import on_abstaining, on_journals, on_pairs
from src.evaluation.journal import Journal

pytestmark = pytest.mark.unit

F1 = {"journal_f1_macro": Estimate(0.5, 0.4, 0.6)}
AUC = {"journal_mixed_auc": Estimate(0.8, 0.7, 0.9)}


def test_figures_on_journals_are_named_and_counted() -> None:
    plain = on_journals(Journal(571, 69, 0, F1))
    assert plain.startswith("## On journals it never saw\n\nOn 571 journal entries")
    assert "| macro-F1 | 0.500 [0.400, 0.600] |" in plain
    assert "left out" not in plain
    assert "Mixed" not in plain
    whole = on_journals(Journal(500, 60, 80, F1 | AUC))
    assert "80 are left out" in whole
    assert "| ROC AUC of mixed | 0.800 [0.700, 0.900] |\n\nMixed are 60 more entries." in whole


def test_what_abstaining_gains_is_one_sentence() -> None:
    of = {"coverage_confident": 0.785, "accuracy_confident": 0.759, "accuracy": 0.683}
    figures = {name: Estimate(value, 0.0, 1.0) for name, value in of.items()}
    sentence = (
        "\n\nAnswers flagged low-confidence: 21.5% of entries; of the others 75.9% are right "
        "(68.3% without abstaining)."
    )
    assert on_abstaining(figures) == sentence
    ours = {f"journal_{name}": figure for name, figure in figures.items()}
    said = on_journals(Journal(571, 69, 0, F1 | ours))
    assert said.endswith(sentence)
    assert "| coverage" not in said, "they are in the sentence, not in the table"
    for missing in of:
        assert on_abstaining({n: f for n, f in figures.items() if n != missing}) == ""


def test_failures_stand_by_kind_with_all_of_them_last() -> None:
    found = {"name": Failures(25, 2, 0.125), "neutral_report": Failures(28, 14)}
    said = on_pairs(found)
    assert "16 of 53 (30%) are not answered" in said
    assert "name 2 of 25, neutral report 14 of 28." in said
    assert "swapped: name 0.125." in said
