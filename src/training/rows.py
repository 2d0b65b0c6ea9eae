"""What families read from the tables of entries, always in the same order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from src.data import LABELS
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

JOURNAL = "journal"  # what its entries have for a source
LEAST_PER_CLASS = 5  # labelled training entries


def texts(entries: pa.Table) -> list[str]:
    """Give the texts, sorted by id: a fit must not depend on the order of rows."""
    found: list[str] = entries.sort_by("id")["text"].to_pylist()
    return found


def labelled(entries: pa.Table) -> tuple[list[str], list[str]]:
    """Give texts and labels of the entries that have a label, sorted by id."""
    kept = entries.filter(entries["label"].is_valid())
    return texts(kept), kept.sort_by("id")["label"].to_pylist()


def labelled_for_training(entries: pa.Table) -> tuple[list[str], list[str]]:
    """Give texts and labels as `labelled` does, where there are enough of each class.

    Raises
    ------
    UserError
        A class has fewer than 5 labelled entries.
    """
    found, labels = labelled(entries)
    counts = {label: labels.count(label) for label in LABELS}
    if min(counts.values()) < LEAST_PER_CLASS:
        have = ", ".join(f"{count:,} {label}" for label, count in counts.items())
        raise UserError(
            f"training needs at least {LEAST_PER_CLASS} labelled entries of each class; "
            f"the training side has {have}.",
            "Give a source with more labels: -P source=…",
        )
    return found, labels


def balance_param(searched: bool = True) -> Any:
    """Declare how much rare classes count."""
    return param(
        0.5,
        "Weight of rare classes: 0 as they come, 1 as if all were as frequent",
        low=0,
        high=1,
        search=(0.0, 1.0) if searched else (),
    )


def journal_param(default: float = 8.0) -> Any:
    """Declare how much the project's own journal counts."""
    return param(
        default,
        "How many other entries one of the project's own journal counts for",
        low=1,
        high=100,
    )


def class_weights(labels: Sequence[str], balance: float) -> dict[str, float]:
    """Weigh a class of n entries `(n_entries / (n_classes * n)) ** balance`.

    Examples
    --------
    >>> class_weights(["a", "a", "a", "b"], 1)["b"]
    2.0
    """
    counts = Counter(labels)
    return {
        label: float((len(labels) / (len(counts) * count)) ** balance)
        for label, count in counts.items()
    }


def source_weights(
    entries: pa.Table, weight: float, labelled_only: bool = True
) -> npt.NDArray[np.float64]:
    """Weigh the entries, sorted by id: the project's own journal's so much, others 1."""
    import numpy as np

    return np.where(from_journal(entries, labelled_only), weight, 1.0)


def from_journal(entries: pa.Table, labelled_only: bool = True) -> list[bool]:
    """Tell which entries, sorted by id, are the project's own journal's."""
    kept = entries.filter(entries["label"].is_valid()) if labelled_only else entries
    kept = kept.sort_by("id")
    if "source" not in kept.column_names:
        return [False] * len(kept)
    return [source == JOURNAL for source in kept["source"].to_pylist()]


def draw(labels: Sequence[str], most: int, seed: int, least: int = LEAST_PER_CLASS) -> list[int]:
    """Draw entries class by class, in the shares of the classes but at least `least` of each.

    Returns
    -------
    The places of about `most` entries, in order; all where there are no more.

    Examples
    --------
    >>> draw(["a", "a", "a", "b", "a"], 2, seed=7, least=1)
    [0, 2, 3]
    """
    if len(labels) <= most:
        return list(range(len(labels)))
    chance = random.Random(seed)  # noqa: S311 - no secret
    chosen = list[int]()
    for label, count in sorted(Counter(labels).items()):
        places = [place for place, other in enumerate(labels) if other == label]
        share = max(least, round(most * count / len(labels)))
        chosen += chance.sample(places, min(share, count))
    return sorted(chosen)
