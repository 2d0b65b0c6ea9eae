"""Which entries a model was trained on, kept as digests: to leave them out of comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from src.data.invariants import complete
from src.data.schema import Artifact

TRAINED_ON = Artifact(
    "trained_on", pa.schema([pa.field("digest", pa.string())]), (complete("digest"),)
)


def text_digest(text: str) -> str:
    """Digest a text to 16 hex digits; nothing leads back from it.

    >>> text_digest("A long day")
    'a72fe212b786cdcf'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def entry_digests(entries: pa.Table) -> list[tuple[str, str]]:
    """Give two digests for each entry: of its text, and of its id with its source.

    An entry is the same when either is: its text may have been cleaned in another way since.
    """
    columns = (entries[name].to_pylist() for name in ("text", "source", "id"))
    return [
        (text_digest(text), text_digest(f"{source}\0{name}"))
        for text, source, name in zip(*columns, strict=True)
    ]


def write_trained_on(folder: Path, entries: Iterable[pa.Table]) -> None:
    """Write which entries a model has seen."""
    found = {digest for table in entries for pair in entry_digests(table) for digest in pair}
    TRAINED_ON.write(folder, [pa.table({"digest": pa.array(sorted(found), pa.string())})])


def read_trained_on(folder: Path) -> frozenset[str]:
    """Read the digests of the entries that a model has seen."""
    return frozenset(TRAINED_ON.read(folder)["digest"].to_pylist())
