"""The card's sections on the held-out journal and on minimal pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from src.evaluation.behaviour import overall
from src.evaluation.gates import spelled
from src.evaluation.journal import PREFIX

if TYPE_CHECKING:
    from src.evaluation.behaviour import Failures
    from src.evaluation.bootstrap import Estimate
    from src.evaluation.journal import Journal

# In the evaluation, not on the card, or in its sentence on abstaining.
SELECTIVE = ("aurc", "accuracy_at_80", "coverage_confident", "accuracy_confident")
LEFT_OUT = {
    f"{PREFIX}{name}" for name in ("accuracy", "brier", "reversed", "reversed_neutral", *SELECTIVE)
}


def on_journals(journal: Journal) -> str:
    """Write the figures on the held-out journal with its interval."""
    left_out = f" Of more it was, and {journal.n_left_out:,} are left out." * bool(
        journal.n_left_out
    )
    rows = "\n".join(
        f"| {spelled(name.removeprefix('journal_'))} | {figure} |"
        for name, figure in journal.metrics.items()
        if name not in LEFT_OUT
    )
    auc = f"\n\nMixed are {journal.n_mixed:,} more entries." * (
        "journal_mixed_auc" in journal.metrics
    )
    return (
        f"## On journals it never saw\n\nOn {journal.n_entries:,} journal entries of invented "
        f"people, written for this project; it was trained on none of them.{left_out} No gate "
        "rests on these figures; two ask only whether good and bad are taken for each other.\n\n"
        f"| metric | this model |\n|---|---|\n{rows}{auc}" + on_abstaining(journal.metrics, PREFIX)
    )


def on_abstaining(metrics: Mapping[str, Estimate], prefix: str = "") -> str:
    """Say in a paragraph of its own what leaving out answers flagged low gains; "" if none are."""
    coverage, confident, accuracy = (
        metrics.get(f"{prefix}{name}")
        for name in ("coverage_confident", "accuracy_confident", "accuracy")
    )
    if coverage is None or confident is None or accuracy is None:
        return ""
    return (
        f"\n\nAnswers flagged low-confidence: {1 - coverage.value:.1%} of entries; of the others "
        f"{confident.value:.1%} are right ({accuracy.value:.1%} without abstaining)."
    )


def on_pairs(behaviour: Mapping[str, Failures]) -> str:
    """Write for each kind of minimal pairs how many failed."""
    found = ", ".join(
        f"{kind.replace('_', ' ')} {of.failures} of {of.pairs}" for kind, of in behaviour.items()
    )
    total = overall(behaviour)
    swaps = ", ".join(
        f"{kind} {of.largest_change:.3f}"
        for kind, of in behaviour.items()
        if of.largest_change is not None
    )
    return (
        "## Behaviour\n\nOf pairs of texts that differ in one thing (after Ribeiro et al., 2020) "
        f"{total.failures} of {total.pairs} ({total.rate:.0%}) are not answered as they must be: "
        f"{found}. Largest change of positive minus negative where only one thing is swapped: "
        f"{swaps or 'not measured'}. No gate rests on these figures."
    )
