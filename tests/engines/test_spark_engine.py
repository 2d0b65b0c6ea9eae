"""Spark in this process's reach: what it has to do is done in the same way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.data.cleaning import SAME_TEXT, Firsts
from src.data.ingestion import ingest
from src.data.near_duplicates import NearDuplicates
from src.data.sources.formats import FileParams
from src.errors import UserError
from tests.engines.troubled import (
    same_entries,
    same_scores,
    same_splits,
    spark_at,
    write_journal,
)

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def local(spark_settings: Path) -> Iterator[Any]:
    with spark_at("local[2]") as spark:
        yield spark


def test_spark_gives_the_same_entries_and_splits(local, tmp_path: Path) -> None:
    params = FileParams(source=str(write_journal(tmp_path / "journal")))
    same_entries(local, params, tmp_path / "entries")
    same_splits(local, tmp_path / "entries" / "here", tmp_path / "splits")


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


def test_a_model_answers_the_same_on_spark(local, tmp_path: Path) -> None:
    same_scores(local, tmp_path)
