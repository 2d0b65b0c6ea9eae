"""Rows with all that cleaning and parting have to tell apart, and how both engines are compared."""

from __future__ import annotations

import json
import random
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from src.data.forgotten import Forgotten, marks_of
from src.data.ingestion import IngestReport, ingest
from src.data.schema import ENTRIES, SPLITS
from src.data.sources.formats import FileParams
from src.data.splitting import split
from src.engines import opened
from tests.fakes import made_up_entries, write_csv

ANSWERER = """
import mlflow.pyfunc


class Answerer(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [self.answer(text) for text in model_input["text"]]

    def answer(self, text):
        share = len(text) % 7 / 7
        scores = {"positive": share, "negative": 1 - share, "neutral": 0.0}
        details = [
            {"topic_name": f"topic {n}", "topic_id": n, "confidence": share, "more": "of it"}
            for n in range(len(text) % 3)
        ]
        return {
            "sentiment": "positive" if share > 0.5 else "negative",
            "confidence": max(scores.values()),
            "confidence_level": "high",
            "all_scores": scores,
            "mixed": share,
            "topic_details": details,
            "topics": [],
        }


mlflow.models.set_model(Answerer())
"""
PEOPLE = ("Anna Miller", "zoe@example.org", "+44 20 7946 0018")


def spark_at(master: str) -> Any:
    return opened(SimpleNamespace(engine="spark", spark_master=master))


def troubled(n: int) -> list[dict[str, Any]]:
    """Make rows with all that cleaning and parting have to tell apart."""
    draw = random.Random(n)
    rows: list[dict[str, Any]] = [*made_up_entries(n)]
    for number, row in enumerate(rows):
        row["id"] = f"i{draw.randrange(2 * n)}"
        other = rows[draw.randrange(n)]["journal_text"]
        chance = draw.random()
        if chance < 0.1:
            row["journal_text"] = other
        elif chance < 0.3:
            long = rows[number % 7]["journal_text"] + rows[number % 11]["journal_text"]
            row["journal_text"] = f"{long} {number % 50} and then again"
        elif chance < 0.35:
            row["journal_text"] = f"I met {draw.choice(PEOPLE)} today, number {number}."
        elif chance < 0.37:
            row["journal_text"] = " "
        elif chance < 0.4:
            row["journal_text"] = f"Heute war ich mit dem Hund im Wald und es regnete {number} Mal."
        if number % 3 == 0:
            row["user_id"] = ""
        if number % 40 == 0:
            row["created_at"] = "soon"
        if number % 50 == 0:
            row["topics"] = "work; Anna Miller"
    return rows


def write_journal(folder: Path) -> Path:
    """Write a journal of three kinds of files."""
    folder.mkdir()
    rows = troubled(900)
    table = pa.Table.from_pylist(rows[:500])
    pq.write_table(table, folder / "a.parquet", row_group_size=60)
    write_csv(folder / "b.csv", rows[500:700])
    lines = (json.dumps(row) + "\n" for row in rows[700:])
    (folder / "c.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def read_by(
    spark: Any, params: FileParams, folder: Path, who: str = "person-7"
) -> tuple[IngestReport, Forgotten]:
    (marks,) = marks_of([{"author": who}])
    forgotten = Forgotten(marks)
    return ingest(params, folder, forgotten=forgotten, engine=spark), forgotten


def same_entries(spark: Any, params: FileParams, folder: Path) -> None:
    """Read in both ways and compare all that comes of it."""
    here, met_here = read_by(None, params, folder / "here")
    there, met_there = read_by(spark, params, folder / "there")
    assert there == here
    assert met_there.met == met_here.met != set()
    assert ENTRIES.digest(folder / "there") == ENTRIES.digest(folder / "here")
    assert ENTRIES.read(folder / "there").equals(ENTRIES.read(folder / "here"))
    assert min(here.dropped.values()) > 3
    assert here.dropped.keys() == {
        *("duplicate text", "repeated id", "empty text", "other language", "forgotten people")
    }


def same_splits(spark: Any, entries: Path, folder: Path, split_by: str = "random") -> None:
    read = partial(ENTRIES.batches, entries)
    reports = list[Any]()
    for engine, name in ((None, "here"), (spark, "there")):
        batches, report = split(
            read, valid=0.15, test=0.2, split_by=split_by, seed=7, engine=engine
        )
        SPLITS.write(folder / name, batches)
        reports.append(report)
    assert reports[0] == reports[1]
    assert min(reports[0].near_duplicates.values()) > 0
    assert SPLITS.digest(folder / "here") == SPLITS.digest(folder / "there")


def same_scores(spark: Any, folder: Path) -> None:
    """Let a model answer in both ways and compare the rows that are written."""
    import mlflow.pyfunc

    from src.scoring.answering import Answering
    from src.scoring.parts import Work
    from src.scoring.score import score

    (folder / "answerer.py").write_text(ANSWERER)
    model = folder / "model"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Add type hints to the")
        mlflow.pyfunc.save_model(
            model, python_model=str(folder / "answerer.py"), pip_requirements=["mlflow"]
        )
    texts = [row["journal_text"] for row in troubled(300)] + ["", "…", "\n"]
    ids = [f"e{n}" for n in range(len(texts))]
    schema = pa.schema([("id", pa.string()), ("author", pa.string()), ("text", pa.string())])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(ids), pa.nulls(len(ids), pa.string()), pa.array(texts)], schema=schema
    )
    for task in ("sentiment", "topics"):
        found = list[Any]()
        for name, engine in (("here", None), ("there", spark)):
            into = folder / task / name
            with Work(into, "work", into) as work:
                answering = Answering(model, task, "models:/a/1", b"a key", work.folder, engine)
                parts = (batch.slice(start, 150) for start in range(0, len(texts), 150))
                found.append(score(parts, answering, work, 1 + bool(engine)))
        assert found[0] == found[1]
        assert len(found[0][0]) == 3
