"""Rules that hold in every artifact, counted batch by batch.

No check turns Python values into Arrow: that would import pandas, half a second. What a check
remembers takes some 12 bytes per id or author.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

Check = Callable[[pa.RecordBatch], int]


@dataclass(frozen=True)
class Invariant:
    """One rule, and how to start counting the entries that break it.

    Attributes
    ----------
    rule
        What always holds, as the end of a sentence.
    start
        Makes a check that sees the batches in order; it may remember ids and authors, never texts.
    """

    rule: str
    start: Callable[[], Check]


def _trues(mask: pa.BooleanArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def complete(*columns: str) -> Invariant:
    """Rule out nulls in these columns."""

    def check(batch: pa.RecordBatch) -> int:
        return sum(batch.column(name).null_count for name in columns)

    return Invariant(f"{', '.join(columns)} always given", lambda: check)


def ids_unique() -> Invariant:
    """Rule out an id that is there twice, over all files of the artifact."""

    def start() -> Check:
        from src.data.numbered import Numbered, keys_of

        seen = Numbered()

        def check(batch: pa.RecordBatch) -> int:
            before = seen.count
            seen.number(keys_of(batch.column("id").to_pylist()))
            return int(batch.num_rows) - (seen.count - before)

        return check

    return Invariant("every id there once", start)


def no_empty_text() -> Invariant:
    """Rule out texts of nothing but whitespace."""

    def check(batch: pa.RecordBatch) -> int:
        trimmed = pc.utf8_trim_whitespace(batch.column("text").drop_null())
        return len(trimmed) - _trues(pc.binary_length(trimmed).cast(pa.bool_()))

    return Invariant("no empty text", lambda: check)


def within(column: str, words: tuple[str, ...]) -> Invariant:
    """Allow nothing but these words, and nulls."""

    def check(batch: pa.RecordBatch) -> int:
        found = pc.value_counts(batch.column(column)).to_pylist()
        return sum(f["counts"] for f in found if f["values"] not in {*words, None})

    return Invariant(f"{column} one of {', '.join(words)}", lambda: check)


def authors_are_pseudonyms() -> Invariant:
    """Rule out names: an author is 16 hex digits."""

    def check(batch: pa.RecordBatch) -> int:
        authors = batch.column("author").drop_null()
        matching = pc.match_substring_regex(authors, r"^[0-9a-f]{16}$")
        return len(authors) - _trues(matching)

    return Invariant("authors are pseudonyms", lambda: check)


def authors_on_one_side() -> Invariant:
    """Rule out an author on two sides, unless the schema's metadata say `author_rule=waived`."""

    def start() -> Check:
        from src.data.numbered import UNKNOWN, Numbered, keys_of

        on = dict[str, Numbered]()

        def check(batch: pa.RecordBatch) -> int:
            if (batch.schema.metadata or {}).get(b"author_rule") == b"waived":
                return 0
            broken = 0
            for side in pc.unique(batch.column("split")).to_pylist():
                here = batch.column("author").filter(pc.equal(batch.column("split"), side))
                keys = keys_of(here.drop_null().to_pylist())
                for other, authors in on.items():
                    if other != side:
                        broken += int((authors.find(keys) != UNKNOWN).sum())
                on.setdefault(side, Numbered()).number(keys)
            return broken

        return check

    return Invariant("an author's entries on one side only", start)


def scores_sum_to_one(column: str, tolerance: float = 1e-3) -> Invariant:
    """Rule out scores that are no distribution: below 0, above 1, or not summing to 1.

    The column is a struct of one score per class. The tolerance lets scores be rounded.
    """

    def check(batch: pa.RecordBatch) -> int:
        rows = (row for row in batch.column(column).to_pylist() if row is not None)
        return sum(
            not all(s is not None and 0 <= s <= 1 for s in row.values())
            or not abs(sum(row.values()) - 1) <= tolerance
            for row in rows
        )

    return Invariant(f"{column} sum to 1", lambda: check)
