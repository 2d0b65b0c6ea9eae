"""The columns that every source hands to cleaning, not yet cleaned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

# Whatever types a source has, it hands on words: cleaning reads numbers and dates from them.
RAW = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("text", pa.string()),
        pa.field("author", pa.string()),
        pa.field("created_at", pa.string()),
        pa.field("label", pa.string()),
        pa.field("score", pa.string()),
        pa.field("topics", pa.list_(pa.string())),
        pa.field("source", pa.string()),
    ]
)

# A column that a source may add: whether a row's text was cleaned before, in the same way.
CLEANED = "cleaned"

ROWS = 8_192
CHARACTERS = 16 * 2**20  # of text in one table, so that long entries do not fill the memory

# In the metadata of a table's schema.
NOTE, PLACE = b"note", b"place"

Row = dict[str, str | list[str] | None]


def tables(rows: Iterable[Row]) -> Iterator[pa.Table]:
    """Gather rows, by role, into tables of a bounded size."""
    waiting, characters = list[Row](), 0
    for row in rows:
        waiting.append(row)
        characters += len(row.get("text") or "")
        if len(waiting) == ROWS or characters >= CHARACTERS:
            yield pa.Table.from_pylist(waiting, schema=RAW)
            waiting, characters = [], 0
    if waiting:
        yield pa.Table.from_pylist(waiting, schema=RAW)


def noted(table: pa.Table, note: str) -> pa.Table:
    """Write a note on a table that people are to read about its source."""
    return _with(table, NOTE, note)


def note_of(table: pa.Table) -> str:
    """Give the note on a table, "" where there is none."""
    return str((table.schema.metadata or {}).get(NOTE, b"").decode())


def placed(table: pa.Table, share: float) -> pa.Table:
    """Write on a table how much of its source is read with it, from 0 to 1."""
    return _with(table, PLACE, repr(share))


def place_of(table: pa.Table) -> float | None:
    """Give how much of its source is read with a table; None where the source does not know."""
    share = (table.schema.metadata or {}).get(PLACE)
    return float(share) if share else None


def _with(table: pa.Table, name: bytes, value: str) -> pa.Table:
    return table.replace_schema_metadata({**(table.schema.metadata or {}), name: value})


def topic_list(words: str) -> list[str]:
    """Cut words between semicolons, or else between commas.

    >>> topic_list("sleep; work, stress")
    ['sleep', 'work, stress']
    """
    cut = words.split(";" if ";" in words else ",")
    return [word for word in (piece.strip() for piece in cut) if word]
