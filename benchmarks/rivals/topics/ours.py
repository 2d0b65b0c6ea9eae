"""The families of this project, asked through the class that ships."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn.cluster
import sklearn.decomposition
import sklearn.feature_extraction.text  # noqa: F401 - as peers', libraries load before the clock runs
from child import Fitted, Given

from benchmarks.topic_growth import entries
from src.models.sentiment_analyzer import Encoder
from src.training.family import families, task_of

MODEL = importlib.import_module(task_of("topics").module).MODEL


def fit(given: Given, family: str, **params: Any) -> Fitted:
    """Fit a family on all entries to train on, with none to validate on."""
    chosen = families("topics")[family]
    spent = [0.0]
    encode = Encoder.vector

    def timed(self: Encoder, text: str) -> Any:
        start = time.thread_time()
        found = encode(self, text)
        spent[0] += time.thread_time() - start
        return found

    Encoder.vector = timed  # type: ignore[method-assign]
    train = entries(given.texts)
    with tempfile.TemporaryDirectory(prefix="bench-topics-") as kept:
        folder = Path(kept)
        settings = chosen.params(n_topics=given.k, **params)
        chosen.fit(train, train.slice(0, 0), settings, folder, given.seed, tell)
        Encoder.vector = encode  # type: ignore[method-assign]
        model = MODEL.from_folder(folder)
    topics = model.topics
    column = {topic["topic_id"]: i for i, topic in enumerate(topics)}

    def ask(texts: list[str], vectors: Any) -> Any:
        return model.predict(None, pd.DataFrame({"text": texts}))

    def read(texts: list[str], answer: Any) -> tuple[Any, Any]:
        details = [row["topic_details"] for row in answer]
        first = [column[own[0]["topic_id"]] if own else -1 for own in details]
        if hasattr(model, "scores"):
            return model.scores(texts), first
        scores = np.zeros((len(texts), len(topics)))
        for row, own in zip(scores, details, strict=True):
            for topic in own:
                row[column[topic["topic_id"]]] = topic["confidence"]
        return scores, first

    return Fitted([topic["words"][:10] for topic in topics], ask, read, spent[0])


def tell(line: str) -> None:
    """Show progress."""
    sys.stderr.write(f"    {line}\n")
