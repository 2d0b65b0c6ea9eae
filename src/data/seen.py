"""Which texts a model was trained on, kept as digests: to leave them out of comparisons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from src.data.invariants import complete
from src.data.schema import Artifact

TRAINED_ON = Artifact(
    "trained_on", pa.schema([pa.field("text_digest", pa.string())]), (complete("text_digest"),)
)


def text_digest(text: str) -> str:
    """Digest a text to 16 hex digits; nothing leads back from it.

    >>> text_digest("A long day")
    'a72fe212b786cdcf'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_trained_on(folder: Path, texts: Iterable[str]) -> None:
    """Write which texts a model has seen."""
    digests = pa.array(sorted({text_digest(text) for text in texts}), pa.string())
    TRAINED_ON.write(folder, [pa.table({"text_digest": digests})])


def read_trained_on(folder: Path) -> frozenset[str]:
    """Read the digests of the texts that a model has seen."""
    return frozenset(TRAINED_ON.read(folder)["text_digest"].to_pylist())
