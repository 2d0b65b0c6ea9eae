"""What is to be scored: every row of a source under the id that its entry has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from src.data.cleaning import REMEMBERED, Names, normalise
from src.data.numbered import UNKNOWN, Numbered, keys_of

TO_SCORE = pa.schema([("id", pa.string()), ("author", pa.string()), ("text", pa.string())])

ROWS = 32_768  # of a part
BYTES = 16 * 2**20  # of text in a part, so that long entries do not fill the memory


class Entries:
    """Names raw rows and leaves out those that have no row of their own, counted by the reason.

    A row keeps its text as it came, whatever that is: the model answers what a service would send
    it. It stands under the id that ingest gives its entry. Of equal ids the first row stays;
    equal texts under different ids all do. A row without an id and without a text is nothing that
    anybody could ask for. Memory holds one table, and some 12 bytes for each entry.

    Parameters
    ----------
    names
        Gives ids.
    pseudonym
        Gives an author's pseudonym.
    forgotten
        Tells by pseudonym and id which entries are to be forgotten: they are only counted. None
        where nobody is.
    clean
        Makes of a raw text the one that an entry without an id is named by.
    """

    def __init__(
        self,
        names: Names,
        pseudonym: Callable[[str], str],
        forgotten: Callable[[str | None, str], bool] | None = None,
        clean: Callable[[str], str] = normalise,
    ) -> None:
        self.names, self.forgotten, self.clean = names, forgotten, clean
        self.pseudonym = lru_cache(REMEMBERED)(pseudonym)
        self.rows = self.entries = 0
        self.dropped = Counter[str]()
        self._ids = Numbered()

    def read(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Turn tables of `src.data.raw.RAW` into batches of `TO_SCORE`."""
        for table in tables:
            batch = self._entries(table)
            if batch.num_rows:
                yield batch

    def _entries(self, table: pa.Table) -> pa.RecordBatch:
        ids = self._named(table)
        cells = table["author"].to_pylist()
        people = {cell: (cell or "").strip() for cell in set(cells)}
        known_as = {cell: self.pseudonym(one) if one else None for cell, one in people.items()}
        authors = [known_as[cell] for cell in cells]
        keys = keys_of(name or "" for name in ids)
        known = self._ids.find(keys) != UNKNOWN
        self.rows += len(ids)
        if not (self.forgotten or known.any() or None in ids) and len(set(ids)) == len(ids):
            stay = list(range(len(ids)))  # as nearly always
        else:
            stay = self._staying(ids, authors, known.tolist())
        self._ids.number(keys[stay])
        self.entries += len(stay)
        rows = pa.RecordBatch.from_arrays(
            [
                pa.array(ids, pa.string()),
                pa.array(authors, pa.string()),
                pc.fill_null(whole(table["text"]), ""),
            ],
            names=TO_SCORE.names,
        )
        some = rows if len(stay) == len(ids) else rows.take(pa.array(stay, pa.int64()))
        return some.cast(TO_SCORE)

    def _staying(
        self, ids: list[str | None], authors: list[str | None], known: list[bool]
    ) -> list[int]:
        """Find the rows that stay, and count the others."""
        stay, new = list[int](), set[str]()
        for place, name in enumerate(ids):
            if name is None:
                self.dropped["no id and no text"] += 1
            elif self.forgotten and self.forgotten(authors[place], name):
                self.dropped["forgotten people"] += 1
            elif known[place] or name in new:
                self.dropped["repeated id"] += 1
            else:
                new.add(name)
                stay.append(place)
        return stay

    def _named(self, table: pa.Table) -> list[str | None]:
        """Give each row's id; None where there is neither an id nor a text to make one from."""
        found: list[str | None] = table["id"].to_pylist()
        # Most ids need no look in Python.
        plain = pc.fill_null(pc.match_substring_regex(table["id"], "^[0-9A-Za-z_]+$"), False)
        for place in (place for place, fine in enumerate(plain.to_pylist()) if not fine):
            found[place] = self.names.given(found[place])
            if found[place]:
                continue
            text = self.clean(table["text"][place].as_py() or "")
            found[place] = self.names.made(text) if text else None
        return found


def in_parts(
    batches: Iterable[pa.RecordBatch], rows: int = ROWS, size: int = BYTES
) -> Iterator[pa.RecordBatch]:
    """Cut a stream into parts: the same ones, whatever batches the rows came in.

    Parameters
    ----------
    rows, size
        A part ends with so many rows, or with the one whose text fills so many bytes.
    """
    waiting, there, filled = list[pa.RecordBatch](), 0, 0
    for batch in batches:
        # From the buffer: values that leave Arrow for NumPy would import pandas.
        lengths = pc.binary_length(batch["text"])
        sizes = np.frombuffer(lengths.buffers()[1] or b"", np.int32)[lengths.offset :][
            : len(lengths)
        ]
        sizes = sizes.astype(np.int64)
        start = 0
        while start < batch.num_rows:
            ends = np.cumsum(sizes[start : start + rows - there])
            more = min(int(np.searchsorted(ends, size - filled)) + 1, len(ends))
            waiting.append(batch.slice(start, more))
            start, there, filled = start + more, there + more, filled + int(ends[more - 1])
            if there == rows or filled >= size:
                yield _joined(waiting)
                waiting, there, filled = [], 0, 0
    if waiting:
        yield _joined(waiting)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Put the chunks of a column into one array, whatever version of pyarrow does it."""
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return batch
