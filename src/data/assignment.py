"""Which entry goes to which side: by author and label, or by time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from src.data import LABELS, SIDES
from src.errors import UserError

Codes = npt.NDArray[np.int64]  # of sides, places in SIDES; of labels, places in LABELS, or 3

TRAIN, VALID, TEST = range(len(SIDES))
TOLERANCE = 0.05  # by how much a side's share may miss what was asked for
DRAWS = 50  # until authors, some of whom wrote much, come out within it


def label_codes(entries: pa.Table) -> Codes:
    """Give each entry's label as its place in LABELS, and 3 where it has none: `(n_entries,)`."""
    places = pc.index_in(entries["label"], pa.array(LABELS))
    return np.asarray(pc.fill_null(places, len(LABELS)), dtype=np.int64)


def groups(entries: pa.Table) -> Codes:
    """Give each entry the number of its author, or one of its own without: `(n_entries,)`.

    Authors are numbered in the order of their first entries, whatever their pseudonyms are.
    """
    authors = entries["author"].combine_chunks().dictionary_encode()
    numbers = np.array(pc.fill_null(authors.indices, -1), dtype=np.int64)
    alone = np.flatnonzero(numbers < 0)
    numbers[alone] = len(authors.dictionary) + np.arange(len(alone))
    return numbers


def by_author(entries: pa.Table, shares: Mapping[str, float], seed: int) -> tuple[Codes, str]:
    """Put whole authors on one side, in each label's stratum as near to the shares as they allow.

    Returns
    -------
    sides
        `(n_entries,)`, places in SIDES.
    waived
        Why authors are on several sides after all, as a sentence; empty where they are not.
    """
    rng = np.random.default_rng(seed)
    labels, group = label_codes(entries), groups(entries)
    n_authors = pc.count_distinct(entries["author"]).as_py()
    counts = _counts(labels, group)
    for _ in range(DRAWS):
        side_of = _assign(counts, shares, rng)
        got = np.bincount(side_of, counts.sum(axis=1), len(SIDES)) / max(1, len(labels))
        missed = max(abs(got[code] - shares[side]) for code, side in enumerate(SIDES))
        if not n_authors or missed <= TOLERANCE:
            return side_of[group], ""
    waived = (
        f"{n_authors:,} author{'s' * (n_authors > 1)} cannot be parted in the shares asked for, so "
        "entries of one author may be on several sides."
    )
    return _assign(_counts(labels, np.arange(len(labels))), shares, rng), waived


def by_time(entries: pa.Table, shares: Mapping[str, float]) -> tuple[Codes, str]:
    """Put the newest entries into test, the next into valid; returns as `by_author`.

    Raises
    ------
    UserError
        An entry has no date.
    """
    undated = entries["created_at"].null_count
    if undated:
        raise UserError(
            f"split_by=time needs the date of every entry; {undated:,} of {entries.num_rows:,} "
            "have none in created_at.",
            "-P split_by=random",
        )
    oldest_first = np.argsort(entries["created_at"].cast(pa.int64()).to_numpy(), kind="stable")
    sides = np.full(entries.num_rows, TRAIN, dtype=np.int64)
    n_test = round(shares["test"] * len(sides))
    n_valid = round(shares["valid"] * len(sides))
    sides[oldest_first[len(sides) - n_test - n_valid :]] = VALID
    sides[oldest_first[len(sides) - n_test :]] = TEST
    return sides, "Sides follow each other in time, so entries of one author may be on several."


def _counts(labels: Codes, group: Codes) -> Codes:
    """Count each group's entries by label: `(n_groups, n_labels + 1)`."""
    counts = np.zeros((len(np.unique(group)), len(LABELS) + 1), dtype=np.int64)
    np.add.at(counts, (group, labels), 1)
    return counts


def _assign(counts: Codes, shares: Mapping[str, float], rng: np.random.Generator) -> Codes:
    """Shuffle the groups of each stratum and cut them where their entries reach the shares.

    A group's stratum is the label that most of its entries have.
    """
    sizes, stratum = counts.sum(axis=1), counts.argmax(axis=1)
    side_of = np.full(len(counts), TRAIN, dtype=np.int64)
    for each in range(counts.shape[1]):
        members = rng.permutation(np.flatnonzero(stratum == each))
        total = sizes[members].sum()
        middle = np.cumsum(sizes[members]) - sizes[members] / 2
        test = int(np.searchsorted(middle, shares["test"] * total))
        valid = int(np.searchsorted(middle, (shares["test"] + shares["valid"]) * total))
        if len(members) >= len(SIDES):
            test = min(max(test, 1), len(members) - 2)
            valid = min(max(valid, test + 1), len(members) - 1)
        side_of[members[:test]] = TEST
        side_of[members[test:valid]] = VALID
    _complete(side_of, counts)
    return side_of


def _complete(side_of: Codes, counts: Codes) -> None:
    """Move small groups until each class that three groups hold is on each side, if that goes.

    Strata follow the label that most of an author's entries have; this is for the others.
    """
    holds = counts[:, : len(LABELS)] > 0
    for _ in range(len(LABELS) * len(SIDES)):
        on = np.array([holds[side_of == side].sum(axis=0) for side in range(len(SIDES))])
        lacking = np.argwhere((on == 0) & (holds.sum(axis=0) >= len(SIDES)))
        if not len(lacking):
            return
        side, label = lacking[0]
        # Not the last of any class on its own side.
        last = (holds & (on[side_of] == 1)).any(axis=1)
        movable = np.flatnonzero(holds[:, label] & ~last)
        if not len(movable):
            return
        side_of[movable[np.argmin(counts[movable].sum(axis=1))]] = side
