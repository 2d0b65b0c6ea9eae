"""Going on from an earlier reading: rows that are the same since are taken over by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from src.data.invariants import complete
from src.data.schema import Artifact

# Which version of each row was read, in the order of the ids: a hash that changes with the row.
VERSIONS = Artifact(
    "versions",
    pa.schema([pa.field("id", pa.string()), pa.field("version", pa.int64())]),
    (complete("id", "version"),),
)


class Spool:
    """Batches on disk, written once and read in the same order.

    Attributes
    ----------
    distinct
        Whether every row has an id that no row beside it has; rows come in the order of their ids.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.distinct = path, True
        self._writer: Any = None
        self._last: str | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next batch, with a column `id`."""
        if self._writer is None:
            self._writer = pa.ipc.new_stream(str(self.path), batch.schema)
        self._writer.write_batch(batch)
        ids = batch["id"]
        if len(ids):
            repeats = pc.any(pc.equal(ids[1:], ids[:-1])).as_py() or ids[0].as_py() == self._last
            self.distinct = self.distinct and not ids.null_count and not repeats
            self._last = ids[-1].as_py()

    def read(self, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read all from the start, once it is written."""
        if self._writer is None:
            return
        self._writer.close()
        with pa.OSFile(str(self.path)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                yield batch.select(columns) if columns else batch


class Earlier:
    """One column of an earlier reading, looked up by ids that come in the same order.

    Holds one of its batches at a time. Were the order another, values would be missed, never
    mistaken.

    Parameters
    ----------
    batches
        With columns `id` and `column`, in the order of the ids.
    order
        Makes of an id what sorts as the ids do.
    """

    def __init__(
        self, batches: Iterable[pa.RecordBatch], column: str, order: Callable[[str], Any]
    ) -> None:
        self._batches = (batch for batch in batches if batch.num_rows)
        self._column, self._order = column, order
        self._held = next(self._batches, None)

    def find(self, ids: pa.Array) -> pa.Array:
        """Give the value of each id, null where there is none.

        The ids of a call come after those of the call before.
        """
        last = self._order(ids[-1].as_py())
        places, values = list[pa.Array](), list[pa.Array]()
        while self._held is not None:
            held = self._held
            rows = pc.index_in(ids, value_set=held["id"])
            there = pc.is_valid(rows)
            places.append(pa.array(range(len(ids)), pa.int64()).filter(there))
            values.append(held[self._column].take(rows.filter(there)))
            if self._order(held["id"][-1].as_py()) > last:
                break
            self._held = next(self._batches, None)
        if not values:
            return pa.nulls(len(ids))
        everywhere = pa.array(range(len(ids)), pa.int64())
        order = pc.index_in(everywhere, value_set=pa.concat_arrays(places))
        return pa.concat_arrays(values).take(order)
