"""The card's sections on the held-out journal and on minimal pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from src.evaluation.behaviour import overall
from src.evaluation.gates import spelled

if TYPE_CHECKING:
    from src.evaluation.behaviour import Failures
    from src.evaluation.journal import Journal

NO_GATE = "No gate rests on these figures."


def on_journals(journal: Journal) -> str:
    """Write every figure on the held-out journal with its interval."""
    left_out = f" Of more it was, and {journal.n_left_out:,} are left out." * bool(
        journal.n_left_out
    )
    rows = "\n".join(
        f"| {spelled(name.removeprefix('journal_'))} | {figure} |"
        for name, figure in journal.metrics.items()
    )
    auc = f"\n\nMixed are {journal.n_mixed:,} more entries." * (
        "journal_mixed_auc" in journal.metrics
    )
    return (
        f"## On journals it never saw\n\nOn {journal.n_entries:,} journal entries of invented "
        f"people, written for this project; it was trained on none of them.{left_out} {NO_GATE}\n\n"
        f"| metric | this model |\n|---|---|\n{rows}{auc}"
    )


def on_pairs(behaviour: Mapping[str, Failures]) -> str:
    """Write for each kind of minimal pairs how many failed."""
    rows = "\n".join(
        f"| {kind.replace('_', ' ')} | {found.pairs} | {found.failures} ({found.rate:.0%}) | "
        + ("|" if found.largest_change is None else f"{found.largest_change:.3f} |")
        for kind, found in {**behaviour, "all": overall(behaviour)}.items()
    )
    return (
        "## Behaviour\n\nPairs of texts that differ in one thing (after Ribeiro et al., 2020), and "
        "how many are not answered as they must be. Where only a name, a place, a gender or a "
        "dialect is swapped, the largest change of the score of positive minus that of negative "
        f"stands beside it. {NO_GATE}\n\n"
        f"| kind | pairs | failures | largest change |\n|---|---|---|---|\n{rows}"
    )
