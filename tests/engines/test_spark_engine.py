from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.data.cleaning import SAME_TEXT, Firsts
from src.data.forgotten import Forgotten, marks_of
from src.data.ingestion import IngestReport, ingest
from src.data.near_duplicates import NearDuplicates
from src.data.schema import ENTRIES, SPLITS
from src.data.sources import files
from src.data.sources.formats import FileParams
from src.data.splitting import split
from src.engines import opened
from src.errors import UserError
from tests.fakes import made_up_entries, write_csv

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PEOPLE = ("Anna Miller", "zoe@example.org", "+44 20 7946 0018")


def spark_at(master: str) -> Any:
    return opened(SimpleNamespace(engine="spark", spark_master=master))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")
    monkeypatch.setattr(files, "PIECE", 100)


@pytest.fixture
def local(spark_settings: Path) -> Iterator[Any]:
    with spark_at("local[2]") as spark:
        yield spark


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


def test_spark_gives_the_same_entries_and_splits(local, tmp_path: Path) -> None:
    params = FileParams(source=str(write_journal(tmp_path / "journal")))
    same_entries(local, params, tmp_path / "entries")
    same_splits(local, tmp_path / "entries" / "here", tmp_path / "splits")


def test_a_cluster_of_two_workers_gives_the_same(cluster, tmp_path, monkeypatch) -> None:
    # As of a source that only this process can read.
    monkeypatch.setattr(files, "SOURCE", replace(files.SOURCE, pieces=None))
    monkeypatch.setattr("src.engines.spark.WEIGHT", 100_000)
    params = FileParams(source=str(write_journal(tmp_path / "journal")), privacy="standard")
    with spark_at(cluster) as spark:
        same_entries(spark, params, tmp_path / "entries")
        same_splits(spark, tmp_path / "entries" / "here", tmp_path / "splits")


def test_a_cluster_on_one_machine_gives_the_same(spark_settings, tmp_path: Path) -> None:
    params = FileParams(source=str(write_journal(tmp_path / "journal")), languages="en,de")
    with spark_at("local-cluster[2,1,512]") as spark:
        here = ingest(params, tmp_path / "here")
        assert ingest(params, tmp_path / "there", engine=spark) == here
    assert ENTRIES.digest(tmp_path / "here") == ENTRIES.digest(tmp_path / "there")


def test_chains_of_repeats_are_followed_in_order(local) -> None:
    # Few texts and few ids in each of many worlds: rows that leave because others leave, and so on.
    draw = random.Random(1)
    rows = [
        {
            "place": place,
            "digest": world * 9 + draw.randrange(4),
            "id": f"{world}-{draw.choice('abcd')}",
        }
        for place, world in enumerate(n % 300 for n in range(3_000))
    ]
    rows += [
        {"place": 10_000 + n, "digest": 10_000 + n // 2, "id": f"c{(n + 1) // 2}"}
        for n in range(99)
    ]
    texts = np.array([row["digest"] for row in rows], dtype=np.uint64)
    why = Firsts().leave(texts, [str(row["id"]) for row in rows])
    shuffled = draw.sample(rows, len(rows))
    frame = local.session.createDataFrame(pa.Table.from_pylist(shuffled)).repartition(3)
    found = {row.place: row.why for row in local._leaving(frame).collect()}
    assert found == {row["place"]: reason for row, reason in zip(rows, why, strict=True) if reason}
    assert set(why) == {"", SAME_TEXT, "repeated id"}


def test_of_crowds_the_same_are_compared(local, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("src.data.near_duplicates", "src.engines.near_duplicates"):
        monkeypatch.setattr(f"{module}.CROWD", 2)
    words = [f"word{n}" for n in range(40)]
    draw = random.Random(2)
    texts = [
        " ".join(draw.choice("xyz") if draw.random() < 0.04 else word for word in words)
        for _ in range(120)
    ]
    texts += [" ".join(words) + "!" * n for n in range(5)] + ["…", "?!"]
    places = np.arange(len(texts))
    asked, others = places[::2], places[1::2][::-1]
    read = [texts[:50], texts[50:]]
    with NearDuplicates(lambda: read) as here, local.near_duplicates(lambda: read, print) as there:
        expected = here.near(asked, others)
        assert there.near(asked, others).tolist() == expected.tolist()
        assert not there.near(asked, others[:0]).any()
    assert 0 < expected.sum() < len(expected)


def test_what_is_wrong_with_a_file_is_said_as_ever(local, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,author\none,anna\ntwo\n")
    odd = tmp_path / "odd.csv"
    odd.write_text("text,label\none,happy\ntwo,neutral\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("id,text\n1,\n")
    for file in (bad, odd, empty):
        said = list[tuple[str, str]]()
        for engine in (None, local):
            with pytest.raises(UserError) as error:
                ingest(FileParams(source=str(file)), tmp_path / "out", engine=engine)
            said.append((error.value.message, error.value.hint))
        assert said[0] == said[1]
    assert not list((tmp_path / "out").iterdir())


def test_a_row_group_tells_its_rows_by_their_number_in_the_file(local, tmp_path: Path) -> None:
    rows = [{"text": f"day {n}", "label": "happy" if n > 700 else "neutral"} for n in range(800)]
    file = tmp_path / "odd.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=50)
    with pytest.raises(UserError, match=r"99 labels .* \(the first in odd\.parquet, row 702\)"):
        ingest(FileParams(source=str(file)), tmp_path / "out", engine=local)


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


@pytest.mark.filterwarnings("ignore:.*Add type hints to the")
def test_a_model_answers_the_same_on_spark(local, tmp_path: Path) -> None:
    import mlflow.pyfunc

    from src.scoring.answering import Answering

    (tmp_path / "answerer.py").write_text(ANSWERER)
    folder = tmp_path / "model"
    mlflow.pyfunc.save_model(
        folder, python_model=str(tmp_path / "answerer.py"), pip_requirements=["mlflow"]
    )
    texts = [row["journal_text"] for row in troubled(300)] + ["", "…", "\n"]
    ids = [f"e{n}" for n in range(len(texts))]
    schema = pa.schema([("id", pa.string()), ("author", pa.string()), ("text", pa.string())])
    batch = pa.RecordBatch.from_arrays(
        [pa.array(ids), pa.nulls(len(ids), pa.string()), pa.array(texts)], schema=schema
    )
    for task in ("sentiment", "topics"):
        records = list[Any]()
        for name, engine in (("here", None), ("there", local)):
            into = tmp_path / task / name
            (into / "writing").mkdir(parents=True)
            answering = Answering(folder, task, "models:/a/1", b"a key", into, engine)
            records.append(answering.write(0, batch, None))
        assert records[0] == records[1]
