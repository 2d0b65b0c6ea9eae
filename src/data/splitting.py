"""Entries to train, valid and test: nobody and nothing that was trained on is tested on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.data import LABELS, SIDES
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


@dataclass(frozen=True)
class SplitParams:
    """How entries are parted."""

    valid: float = param(0.15, "Share of the entries that models are chosen on", low=0.01, high=0.4)
    test: float = param(0.2, "Share of the entries that models are judged on", low=0.01, high=0.4)
    split_by: str = param(
        "random",
        "random: whole authors at random; time: the newest entries",
        choices=("random", "time"),
    )
    seed: int = param(7, "Seed of everything random", low=0)


@dataclass(frozen=True)
class SplitReport:
    """How many of what are on which side.

    Attributes
    ----------
    entries
        Entries by side and label, "none" for those without.
    authors
        Authors by side.
    near_duplicates
        Entries by the side that they left, because a side held out from it has nearly the same.
    waived
        Why an author's entries may be on several sides, as a sentence; empty where they are not.
    """

    entries: Mapping[str, Mapping[str, int]]
    authors: Mapping[str, int]
    near_duplicates: Mapping[str, int]
    waived: str

    @property
    def sentence(self) -> str:
        """The whole in a line."""
        sides = ", ".join(f"{side} {sum(n.values()):,}" for side, n in self.entries.items())
        left = sum(self.near_duplicates.values())
        near = f"; {left:,} near-duplicates of held-out entries left out" if left else ""
        return f"{sides}{near}" + (f". {self.waived}" if self.waived else "")

    @property
    def metrics(self) -> dict[str, float]:
        """All counts as metrics."""
        metrics = dict[str, float]()
        for side, labels in self.entries.items():
            metrics[f"{side}_entries"] = sum(labels.values())
            metrics |= {f"{side}_{label}": count for label, count in labels.items()}
            metrics[f"{side}_authors"] = self.authors[side]
        for side, count in self.near_duplicates.items():
            metrics[f"{side}_near_duplicates"] = count
        return {name: float(count) for name, count in metrics.items()}


def split(
    entries: pa.Table, *, valid: float, test: float, split_by: str, seed: int
) -> tuple[pa.Table, SplitReport]:
    """Part entries into train, valid and test.

    Parameters
    ----------
    entries
        As the entries artifact has them.
    valid, test
        Shares of the entries; train is the rest.
    split_by
        "random" puts whole authors on one side, at random within each label; where they are too
        few for the shares, that is waived. "time" tests on the newest entries.
    seed
        Of what is random.

    Returns
    -------
    splits
        The entries with their `split`, in their order, without those of train that are nearly
        the same as one of valid or test, and those of valid that are as one of test.
    report
        What went where.

    Raises
    ------
    UserError
        A side would have no entries of a class, or dates are missing.
    """
    import pyarrow as pa

    from src.data.assignment import by_author, by_time

    shares = {"train": 1 - valid - test, "valid": valid, "test": test}
    if split_by == "time":
        sides, waived = by_time(entries, shares)
    else:
        sides, waived = by_author(entries, shares, seed)
    kept, near_duplicates = _without_near_duplicates(entries["text"].to_pylist(), sides)
    column = pa.array([SIDES[code] for code in sides], pa.string())
    table = entries.append_column("split", column).filter(pa.array(kept))
    said = (entries.schema.metadata or {}) | ({b"author_rule": b"waived"} if waived else {})
    table = table.replace_schema_metadata(said or None)
    report = _report(table, near_duplicates, waived)
    _check_classes(report, entries)
    return table, report


def _without_near_duplicates(
    texts: list[str], sides: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Tell which entries stay, `(n_entries,)`, and count by side those that do not."""
    import numpy as np

    from src.data.near_duplicates import NearDuplicates

    kept = np.ones(len(texts), dtype=np.bool_)
    index = NearDuplicates()
    index.add([texts[i] for i in np.flatnonzero(sides == SIDES.index("test"))])
    removed = dict[str, int]()
    for side in ("valid", "train"):
        places = np.flatnonzero(sides == SIDES.index(side))
        near = index.near([texts[i] for i in places])
        kept[places[near]] = False
        removed[side] = int(near.sum())
        if side == "valid":
            index.add([texts[i] for i in places[~near]])
    return kept, removed


def _report(table: pa.Table, near_duplicates: dict[str, int], waived: str) -> SplitReport:
    import pyarrow.compute as pc

    entries, authors = dict[str, dict[str, int]](), dict[str, int]()
    for side in SIDES:
        rows = table.filter(pc.equal(table["split"], side))
        found = Counter(label or "none" for label in rows["label"].to_pylist())
        entries[side] = {label: found[label] for label in (*LABELS, "none")}
        authors[side] = pc.count_distinct(rows["author"]).as_py()
    return SplitReport(entries, authors, near_duplicates, waived)


def _check_classes(report: SplitReport, entries: pa.Table) -> None:
    """Make sure that every class that there is can be learned, chosen on and judged."""
    import numpy as np

    from src.data.assignment import groups, label_codes

    labels = label_codes(entries)
    group = np.arange(len(labels)) if report.waived else groups(entries)
    for code, label in enumerate(LABELS):
        there = len(np.unique(group[labels == code]))
        for side in SIDES:
            if there and not report.entries[side][label]:
                raise UserError(
                    f"no {label} entries are left for {side}: {there:,} authors or entries by "
                    f"nobody have any, and near-duplicates left {report.near_duplicates}.",
                    "Ingest more of them, map the label to another by -P labels=…, "
                    "or set -P split_by=random.",
                )
    for side, found in report.entries.items():
        if not sum(found.values()):
            raise UserError(
                f"{entries.num_rows:,} entries are too few: none are left for {side}.",
                "Ingest more: -P source=NAME",
            )
