"""A model's answers as a table: the predictions artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from src.data.schema import predictions

_SCORES = pa.struct([(label, pa.float64()) for label in ("negative", "neutral", "positive")])
_DETAIL = pa.struct(
    [("topic_id", pa.int64()), ("topic_name", pa.string()), ("confidence", pa.float64())]
)
# The columns of the contract; what else a model answers is not kept.
COLUMNS = {
    "sentiment": pa.schema(
        [
            ("sentiment", pa.string()),
            ("confidence", pa.float64()),
            ("confidence_level", pa.string()),
            ("all_scores", _SCORES),
        ]
    ),
    "topics": pa.schema([("topics", pa.list_(pa.string())), ("topic_details", pa.list_(_DETAIL))]),
}
TRUTH = {"sentiment": "label", "topics": "topics"}


def write_predictions(
    folder: Path, task: str, entries: pa.Table, rows: Sequence[dict[str, Any]]
) -> None:
    """Write one row per entry: its id, the truth where somebody said it, the model's answer."""
    truth = entries[TRUTH[task]]
    artifact = predictions(COLUMNS[task], truth.type)
    answers = pa.Table.from_pylist(list(rows), schema=COLUMNS[task])
    columns = [entries["id"], truth, *answers.columns]
    artifact.write(folder, [pa.table(columns, schema=artifact.schema)], stem="predictions")
