"""A small sample of the data to look at: lengths, labels and counts; text only if public."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from src.data.schema import PRIVACY
from src.data.sources import discover

SNIPPET = 80  # characters of a de-identified text that may be shown
NOT_DEIDENTIFIED = {b"", b"none"}
DESCRIBED = ("split", "source", "label", "characters", "words", "n_topics")


def sample(entries: pa.Table, n: int, seed: int, snippets: bool = False) -> dict[str, list[Any]]:
    """Draw n entries and describe each, as columns.

    The text of an entry is shown only where it comes from a built-in public corpus. With
    `snippets` the beginning of others is shown too, where the table's metadata say that they were
    de-identified when they were read.
    """
    drawn = np.random.default_rng(seed).permutation(entries.num_rows)[:n]
    rows = entries.take(pa.array(np.sort(drawn), pa.int64())).to_pylist()
    public = tuple(f"{source.name}/" for source in discover().values() if source.public)
    level = (entries.schema.metadata or {}).get(PRIVACY, b"")
    shown = snippets and level not in NOT_DEIDENTIFIED

    def text(row: Mapping[str, Any]) -> str:
        if row["source"].startswith(public):
            return str(row["text"])
        return snippet(row["text"]) if shown else "(private)"

    described = [description(row) for row in rows]
    columns = {name: [one[name] for one in described] for name in DESCRIBED}
    return columns | {"text": [text(row) for row in rows]}


def description(row: Mapping[str, Any]) -> dict[str, Any]:
    """Describe an entry without its text."""
    return {
        "split": row["split"],
        "source": row["source"],
        "label": row["label"],
        "characters": len(row["text"]),
        "words": len(row["text"].split()),
        "n_topics": len(row["topics"] or ()),
    }


def snippet(text: str) -> str:
    r"""Give the first words of a text, at most 80 characters on one line.

    >>> snippet("A long day.\nThen home.")
    'A long day. Then home.'
    """
    line = " ".join(text.split())
    if len(line) <= SNIPPET:
        return line
    cut = line[: SNIPPET - 1]
    return (cut.rpartition(" ")[0] or cut) + "…"
