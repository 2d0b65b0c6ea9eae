"""Entries to train, valid and test: nobody and nothing that was trained on is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.data import LABELS, SIDES
from src.engines import engine_param, master_param
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from src.data.assignment import Codes, Outline
    from src.engines.spark import Spark

    Mask = npt.NDArray[np.bool_]
    Read = Callable[[], Iterable[pa.RecordBatch]]

TOLD = 409_600  # entries after which progress is said again


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
    engine: str = engine_param()
    spark_master: str = master_param()


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
        what = "near-duplicate" if left == 1 else "near-duplicates"
        near = f"; {left:,} {what} of held-out entries left out" if left else ""
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
    read: Read,
    *,
    valid: float,
    test: float,
    split_by: str,
    seed: int,
    say: Callable[[str], None] = lambda line: None,
    engine: Spark | None = None,
) -> tuple[Iterator[pa.RecordBatch], SplitReport]:
    """Part entries into train, valid and test.

    Memory holds what decides (some 100 bytes of each entry), and texts only where a few of them
    are compared: the entries are read several times.

    Parameters
    ----------
    read
        Gives batches of the entries artifact, each time from the beginning.
    valid, test
        Shares of the entries; train is the rest.
    split_by
        "random" puts whole authors on one side, at random within each label; where they are too
        few for the shares, that is waived. "time" tests on the newest entries.
    seed
        Of what is random.
    say
        Shows progress.
    engine
        What looks for near-duplicates instead of this process, and finds the same.

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
    from src.data.assignment import by_author, by_time, outline

    shares = {"train": 1 - valid - test, "valid": valid, "test": test}
    entries = outline(read())
    if split_by == "time":
        sides, waived = by_time(entries, shares)
    else:
        sides, waived = by_author(entries, shares, seed)
    kept, near_duplicates = _without_near_duplicates(read, sides, say, engine)
    report = _report(entries, sides, kept, near_duplicates, waived)
    _check_classes(report, entries)
    return _parted(read, sides, kept, waived), report


def _parted(read: Read, sides: Codes, kept: Mask, waived: str) -> Iterator[pa.RecordBatch]:
    """Stream the entries that stay, each with its side."""
    import pyarrow as pa

    start, names = 0, pa.array(SIDES)
    rule = {b"author_rule": b"waived"} if waived else {}
    for batch in read():
        here = slice(start, start := start + batch.num_rows)
        column = names.take(pa.array(sides[here]))
        parted = batch.append_column("split", column).filter(pa.array(kept[here]))
        said = (batch.schema.metadata or {}) | rule
        yield parted.replace_schema_metadata(said or None)


def _without_near_duplicates(
    read: Read, sides: Codes, say: Callable[[str], None], engine: Spark | None
) -> tuple[Mask, dict[str, int]]:
    """Tell which entries stay, `(n_entries,)`, and count by side those that do not."""
    import numpy as np

    from src.data.near_duplicates import NearDuplicates

    def texts() -> Iterator[list[str]]:
        return (batch["text"].to_pylist() for batch in read())

    def told(done: int) -> None:
        if done == len(sides) or done % TOLD == 0:
            say(f"split: {done:,} of {len(sides):,} entries sketched to find near-duplicates")

    kept, removed = np.ones(len(sides), dtype=np.bool_), dict[str, int]()
    finder = engine.near_duplicates if engine else NearDuplicates
    with finder(texts, told) as entries:
        others = np.flatnonzero(sides == SIDES.index("test"))
        for side in ("valid", "train"):
            places = np.flatnonzero(sides == SIDES.index(side))
            near = entries.near(places, others)
            kept[places[near]] = False
            removed[side] = int(near.sum())
            others = np.concatenate((others, places[~near]))
    return kept, removed


def _report(
    entries: Outline, sides: Codes, kept: Mask, near_duplicates: dict[str, int], waived: str
) -> SplitReport:
    import numpy as np

    counts, authors = dict[str, dict[str, int]](), dict[str, int]()
    for code, side in enumerate(SIDES):
        here = kept & (sides == code)
        found = np.bincount(entries.labels[here], minlength=len(LABELS) + 1).tolist()
        counts[side] = dict(zip((*LABELS, "none"), found, strict=True))
        authors[side] = entries.n_authors(here)
    return SplitReport(counts, authors, near_duplicates, waived)


def _check_classes(report: SplitReport, entries: Outline) -> None:
    """Make sure that every class that there is can be learned, chosen on and judged."""
    import numpy as np

    group = np.arange(len(entries)) if report.waived else entries.groups
    near = ", ".join(f"{count:,} from {side}" for side, count in report.near_duplicates.items())
    for code, label in enumerate(LABELS):
        there = len(np.unique(group[entries.labels == code]))
        for side in SIDES:
            if there and not report.entries[side][label]:
                raise UserError(
                    f"no {label} entries are left for {side}: {there:,} authors or entries by "
                    f"nobody have any, and near-duplicates of held-out entries left: {near}.",
                    "Ingest more of them, map the label to another by -P labels=…, "
                    "or set -P split_by=random.",
                )
    for side, found in report.entries.items():
        if not sum(found.values()):
            raise UserError(
                f"{len(entries):,} entries are too few: none are left for {side}.",
                "Ingest more: -P source=NAME",
            )
