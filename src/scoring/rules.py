"""Rules of columns that hold shares, counted batch by batch."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from src.data.invariants import Invariant


def _count(mask: pa.Array) -> int:
    return int(pc.sum(mask).as_py() or 0)


def shares(*columns: str) -> Invariant:
    """Rule out numbers below 0 or above 1, also in lists; nulls are left to `complete`."""

    def check(batch: pa.RecordBatch) -> int:
        broken = 0
        for name in columns:
            column = batch.column(name)
            column = pc.list_flatten(column) if pa.types.is_list(column.type) else column
            column = column.drop_null()
            fits = pc.and_(pc.greater_equal(column, 0.0), pc.less_equal(column, 1.0 + 1e-9))
            broken += len(column) - _count(fits)
        return broken

    return Invariant(f"{', '.join(columns)} from 0 to 1", lambda: check)


def distribution(*columns: str, tolerance: float = 1e-3) -> Invariant:
    """Rule out columns that are no distribution: below 0, or not summing to 1."""

    def check(batch: pa.RecordBatch) -> int:
        total = fits = None
        for name in columns:
            column = batch.column(name)
            good = pc.greater_equal(column, 0.0)
            fits = good if fits is None else pc.and_(fits, good)
            total = column if total is None else pc.add(total, column)
        near = pc.less_equal(pc.abs(pc.subtract(total, 1.0)), tolerance)
        return int(batch.num_rows) - _count(pc.and_(fits, near))

    return Invariant(f"{', '.join(columns)} sum to 1", lambda: check)


def of_one_length(first: str, *others: str) -> Invariant:
    """Rule out lists of different lengths in one row."""

    def check(batch: pa.RecordBatch) -> int:
        length = pc.list_value_length(batch.column(first))
        same = None
        for name in others:
            equal = pc.equal(length, pc.list_value_length(batch.column(name)))
            same = equal if same is None else pc.and_(same, equal)
        return int(batch.num_rows) - _count(same)

    return Invariant(f"{', '.join((first, *others))} of one length", lambda: check)
