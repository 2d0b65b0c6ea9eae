"""A loaded model that answers part after part, in this process or in one of its own."""

from __future__ import annotations

import gc
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from src.errors import UserError
from src.scoring.parts import Record, write_part
from src.scoring.scores import Counts, artifact, columns

if TYPE_CHECKING:
    from src.engines.spark import Spark

AT_ONCE = 4_096  # texts that a model is asked about
MARK_BYTES = 8


@dataclass(frozen=True)
class Answering:
    """What a process needs to answer; cheap to hand to one.

    Attributes
    ----------
    model
        The folder of a model that was verified.
    version
        What the rows name it by.
    key
        Of the marks of texts.
    folder
        Where finished parts are kept.
    engine
        What answers instead of this process.
    """

    model: Path
    task: str
    version: str
    key: bytes
    folder: Path
    engine: Spark | None = None

    @cached_property
    def loaded(self) -> Any:
        """The model, loaded as a service would."""
        if self.engine:
            return self.engine.model(self.model, self.task)
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(self.model))

    def answers(self, texts: pa.Array) -> list[pa.Array]:
        """Ask the model about texts; gives the columns of `ANSWERS`.

        Raises
        ------
        UserError
            An answer is not as the contract has it.
        """
        import pandas as pd

        found = [columns(self.task, [])]
        at_once = max(len(texts), 1) if self.engine else AT_ONCE
        for start in range(0, len(texts), at_once):
            some = texts.slice(start, at_once).to_pylist()
            frame = pd.DataFrame({"text": pd.Series(some, dtype=object)})
            try:
                rows = self.loaded.predict(frame)
                if len(rows) != len(some):
                    raise ValueError("not one answer per text")
                found.append(columns(self.task, rows))
            except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
                # What it says may quote a text.
                raise UserError(
                    f"{self.version} does not answer as the contract has it "
                    f"({type(error).__name__}).",
                    "Name a version that this project registered: -P version=N",
                ) from None
        return [pa.concat_arrays(same) for same in zip(*found, strict=True)]

    def rows(
        self, batch: pa.RecordBatch, answers: list[pa.Array], marks: list[str]
    ) -> pa.RecordBatch:
        """Put a part's answers and marks into rows of the scores artifact."""
        schema = artifact(self.task).schema
        version = pa.array([self.version] * batch.num_rows, pa.string())
        cells = [batch["id"], batch["author"], *answers, version, pa.array(marks, pa.string())]
        return pa.RecordBatch.from_arrays(cells, schema=schema)

    def write(self, number: int, batch: pa.RecordBatch, carried: Carried | None) -> Record:
        """Answer a part and keep it."""
        if carried is None:
            answers, taken = self.answers(batch["text"]), 0
            marks = text_marks(batch["text"], self.key)
        else:
            fresh = self.answers(batch["text"].filter(carried.new))
            answers, taken, marks = carried.joined(fresh), carried.n, carried.marks
        rows = self.rows(batch, answers, marks)
        counts = Counts.of(self.task, rows)
        return write_part(self.folder, artifact(self.task), number, batch, rows, taken, counts)


@dataclass(frozen=True)
class Carried:
    """Answers of a part that an earlier scoring gave.

    Attributes
    ----------
    new
        Whether a row is still to be answered.
    answers
        Of the others, in their order: the columns of `ANSWERS`.
    marks
        Of all texts of the part.
    """

    new: pa.BooleanArray
    answers: list[pa.Array]
    marks: list[str]

    @property
    def n(self) -> int:
        """How many rows were taken over."""
        return len(self.answers[0])

    def joined(self, fresh: list[pa.Array]) -> list[pa.Array]:
        """Put fresh answers and earlier ones in the order of the rows."""
        import numpy as np

        new = np.asarray(self.new.to_pylist(), np.bool_)
        places = np.where(new, np.cumsum(new) - 1, np.cumsum(~new) - 1 + int(new.sum()))
        both = (pa.concat_arrays(pair) for pair in zip(fresh, self.answers, strict=True))
        return [column.take(pa.array(places)) for column in both]


def text_marks(texts: pa.Array, key: bytes) -> list[str]:
    """Give each text's mark: 16 hex digits, by keyed BLAKE2b (RFC 7693)."""
    words = texts.cast(pa.binary()).to_pylist()
    return [hashlib.blake2b(word, key=key, digest_size=MARK_BYTES).hexdigest() for word in words]


_ready: Answering | None = None  # of a process that does nothing else


def make_ready(answering: Answering) -> None:
    """Load the model in a process that is to answer, and let it end with the one it works for."""
    global _ready
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    threading.Thread(target=_follow, daemon=True).start()
    _ = answering.loaded
    gc.freeze()  # what was loaded stays: nobody needs to look through it again and again
    _ready = answering


def _follow() -> None:
    """End this process when the one that started it is gone, however it went."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    if parent := parent_process():
        wait([parent.sentinel])
        os._exit(1)


def answer(number: int, batch: pa.RecordBatch, carried: Carried | None) -> Record:
    """Answer a part in a process that was made ready."""
    assert _ready is not None  # noqa: S101 - for the type checker
    return _ready.write(number, batch, carried)
