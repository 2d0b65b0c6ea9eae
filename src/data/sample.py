"""A small sample of the data to look at: lengths, labels and counts; text only if public."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from src.data.sources import discover


def sample(entries: pa.Table, n: int, seed: int) -> dict[str, list[Any]]:
    """Draw n entries and describe each, as columns.

    The text of an entry is shown only where it comes from a built-in public corpus.
    """
    drawn = np.random.default_rng(seed).permutation(entries.num_rows)[:n]
    rows = entries.take(pa.array(np.sort(drawn), pa.int64())).to_pylist()
    public = {f"{source.name}/" for source in discover().values() if source.public}
    return {
        "split": [row["split"] for row in rows],
        "source": [row["source"] for row in rows],
        "label": [row["label"] for row in rows],
        "characters": [len(row["text"]) for row in rows],
        "words": [len(row["text"].split()) for row in rows],
        "n_topics": [len(row["topics"] or ()) for row in rows],
        "text": [
            row["text"] if row["source"].startswith(tuple(public)) else "(private)" for row in rows
        ],
    }
