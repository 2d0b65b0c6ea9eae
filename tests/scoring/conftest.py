"""A model that answers at once, and rows to score."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from src.data.raw import RAW
from src.scoring.answering import Answering
from src.scoring.scores import artifact

Row = dict[str, Any]


class Model:
    """Answers by the text alone, and counts how many it was asked about."""

    def __init__(self, task: str = "sentiment") -> None:
        self.task, self.asked = task, list[str]()

    def predict(self, frame: Any) -> list[Row]:
        texts = list(frame["text"])
        self.asked += texts
        return [self.answer(text) for text in texts]

    def answer(self, text: str) -> Row:
        drawn = hashlib.sha256(text.encode()).digest()
        if self.task == "topics":
            topics = [
                {"topic_id": n, "topic_name": f"topic {n}", "confidence": 0.5 / (n + 1)}
                for n in range(drawn[0] % 3)
            ]
            return {"topics": [t["topic_name"] for t in topics], "topic_details": topics}
        sure = 0.5 + drawn[0] / 512
        scores = {"positive": sure, "negative": (1 - sure) / 4, "neutral": (1 - sure) * 3 / 4}
        level = "high" if sure >= 0.7 else "medium"
        return {
            "sentiment": "positive",
            "confidence": sure,
            "confidence_level": level,
            "all_scores": scores,
            "mixed": 0.0,
        }


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests off the key of whoever runs them."""
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")


def raw(rows: Sequence[Row]) -> pa.Table:
    """Write rows as a source hands them on."""
    return pa.Table.from_pylist([{"source": "made"} | row for row in rows], schema=RAW)


def batch(rows: Sequence[tuple[str, str]]) -> pa.RecordBatch:
    """Write pairs of id and text as what is to be scored."""
    ids, texts = [name for name, _ in rows], [text for _, text in rows]
    return pa.RecordBatch.from_pydict(
        {
            "id": pa.array(ids, pa.string()),
            "author": pa.nulls(len(rows), pa.string()),
            "text": pa.array(texts, pa.string()),
        }
    )


@pytest.fixture
def answering(tmp_path: Path) -> Callable[..., Answering]:
    """Make what answers in this process, with a model that is at hand."""

    def make(folder: Path, model: Model | None = None) -> Answering:
        model = model or Model()
        made = Answering(tmp_path, model.task, "models:/made/1", b"key", folder)
        vars(made)["loaded"] = model
        return made

    return make


def table(folder: Path, task: str = "sentiment") -> list[Row]:
    """Read scores, with their invariants checked."""
    found: list[Row] = artifact(task).read(folder).to_pylist()
    return found
