"""Which entry goes to which side: by author and label, or by time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from src.data import LABELS, SIDES
from src.data.numbered import UNKNOWN, Numbered, keys_of
from src.errors import UserError

Codes = npt.NDArray[np.integer]  # of sides, places in SIDES; of labels, places in LABELS, or 3

TRAIN, VALID, TEST = range(len(SIDES))
TOLERANCE = 0.05  # by how much a side's share may miss what was asked for
DRAWS = 50  # until authors, some of whom wrote much, come out within it


@dataclass(frozen=True)
class Outline:
    """What decides where entries go, without their texts.

    Attributes
    ----------
    labels
        Of each entry: its place in LABELS, or 3 where it has none: `(n_entries,)`.
    groups
        The number of its author, or one of its own without. Authors are numbered in the order of
        their first entries, whatever their pseudonyms are: `(n_entries,)`.
    by_nobody
        Whether it has no author: `(n_entries,)`.
    dates
        Its microseconds since 1970: `(n_entries,)`; empty where an entry has no date.
    undated
        Entries without a date.
    """

    labels: Codes
    groups: Codes
    by_nobody: npt.NDArray[np.bool_]
    dates: Codes
    undated: int

    def __len__(self) -> int:
        """Give the number of entries."""
        return len(self.labels)

    def n_authors(self, of: npt.NDArray[np.bool_] | None = None) -> int:
        """Count authors, of all entries or of those that are marked."""
        marked = ~self.by_nobody if of is None else of & ~self.by_nobody
        return len(np.unique(self.groups[marked]))


def outline(batches: Iterable[pa.RecordBatch]) -> Outline:
    """Read what decides where entries go: some 30 bytes of each stay in memory."""
    classes = pa.array(LABELS)
    authors, undated = Numbered(), 0
    labels, groups, dates = list[Codes](), list[Codes](), list[Codes]()
    for batch in batches:
        places = pc.fill_null(pc.index_in(batch["label"], classes), len(LABELS))
        labels.append(np.asarray(places).astype(np.int8))
        there = np.asarray(batch["author"].is_valid())
        numbers = np.full(batch.num_rows, UNKNOWN, dtype=np.int32)
        numbers[there] = authors.number(keys_of(batch["author"].drop_null().to_pylist()))
        groups.append(numbers)
        undated += batch["created_at"].null_count
        if not undated:
            dates.append(np.asarray(batch["created_at"].cast(pa.int64())))
    group = np.concatenate(groups) if groups else np.zeros(0, dtype=np.int32)
    by_nobody = group == UNKNOWN
    group[by_nobody] = authors.count + np.arange(by_nobody.sum(), dtype=np.int32)
    return Outline(
        np.concatenate(labels) if labels else np.zeros(0, dtype=np.int8),
        group,
        by_nobody,
        np.concatenate(dates) if dates and not undated else np.zeros(0, dtype=np.int64),
        undated,
    )


def by_author(entries: Outline, shares: Mapping[str, float], seed: int) -> tuple[Codes, str]:
    """Put whole authors on one side, in each label's stratum as near to the shares as they allow.

    Returns
    -------
    sides
        `(n_entries,)`, places in SIDES.
    waived
        Why authors are on several sides after all, as a sentence; empty where they are not.
    """
    rng = np.random.default_rng(seed)
    labels, group, n_authors = entries.labels, entries.groups, entries.n_authors()
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


def by_time(entries: Outline, shares: Mapping[str, float]) -> tuple[Codes, str]:
    """Put the newest entries into test, the next into valid; returns as `by_author`.

    Raises
    ------
    UserError
        An entry has no date.
    """
    if entries.undated:
        raise UserError(
            f"split_by=time needs the date of every entry; {entries.undated:,} of "
            f"{len(entries):,} have none in created_at.",
            "-P split_by=random",
        )
    oldest_first = np.argsort(entries.dates, kind="stable")
    sides = np.full(len(entries), TRAIN, dtype=np.int8)
    n_test = round(shares["test"] * len(sides))
    n_valid = round(shares["valid"] * len(sides))
    sides[oldest_first[len(sides) - n_test - n_valid :]] = VALID
    sides[oldest_first[len(sides) - n_test :]] = TEST
    return sides, "Sides follow each other in time, so entries of one author may be on several."


def _counts(labels: Codes, group: Codes) -> Codes:
    """Count each group's entries by label: `(n_groups, n_labels + 1)`."""
    n_groups, n_labels = int(np.max(group, initial=-1)) + 1, len(LABELS) + 1
    cells = group.astype(np.int64) * n_labels + labels
    counts = np.bincount(cells, minlength=n_groups * n_labels).astype(np.int32)
    return counts.reshape(n_groups, n_labels)


def _assign(counts: Codes, shares: Mapping[str, float], rng: np.random.Generator) -> Codes:
    """Shuffle the groups of each stratum and cut them where their entries reach the shares.

    A group's stratum is the label that most of its entries have.
    """
    sizes, stratum = counts.sum(axis=1), counts.argmax(axis=1)
    side_of = np.full(len(counts), TRAIN, dtype=np.int8)
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
