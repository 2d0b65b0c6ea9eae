from __future__ import annotations

import csv
import json
import re
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.raw import RAW
from src.data.sources import check, find
from src.data.sources.columns import USUAL_NAMES
from src.data.sources.formats import FileParams
from src.errors import UserError

pytestmark = pytest.mark.unit


def read(path: Path, **params: str) -> list[dict[str, Any]]:
    given = FileParams(source=str(path), **params)
    check(given)
    tables = list(find(str(path)).read(given))
    assert all(table.schema.equals(RAW) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


def fingerprint(path: Path) -> str:
    return find(str(path)).fingerprint(FileParams(source=str(path)))


def problem(path: Path, **params: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read(path, **params)
    assert "SECRET" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FULL = {
    "id": "7",
    "text": "a day",
    "author": "Anna",
    "created_at": "2024-01-02",
    "label": "neutral",
    "score": "5",
    "topics": ["work", "sleep"],
}


@pytest.mark.parametrize("usual", [0, 1, -1])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_have_usual_names_in_any_case(tmp_path: Path, kind: str, usual: int) -> None:
    names = {role: USUAL_NAMES[role][usual].title() for role in FULL}
    file = tmp_path / f"diary.{kind}"
    row = {names[role]: value for role, value in FULL.items()} | {"other": "x"}
    if kind == "csv":
        cells = [";".join(v) if isinstance(v, list) else v for v in row.values()]
        write(file, ",".join(row) + "\n" + ",".join(cells) + "\n")
    elif kind == "jsonl":
        write(file, json.dumps(row) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), file)
    assert read(file) == [FULL | {"source": file.name}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_columns_can_be_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"diary.{kind}"
    row = {"text": "not this", "Notes": "but this", "mood": "good", "sentiment": "positive"}
    if kind == "csv":
        write(file, ",".join(row) + "\n" + ",".join(row.values()) + "\n")
    elif kind == "jsonl":
        write(file, json.dumps(row) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), file)
    (found,) = read(file, text_column="notes", label_column="mood")
    assert (found["text"], found["label"]) == ("but this", "good")
    error = problem(file, label_column="feeling")
    assert "label_column=feeling" in error.message
    assert "text, Notes, mood, sentiment" in error.message


def test_the_preferred_of_usual_names_wins(tmp_path: Path) -> None:
    file = write(tmp_path / "diary.csv", "content,journal_text,rating,score\nc,j,1,2\n")
    (row,) = read(file)
    assert (row["text"], row["score"]) == ("j", "2")


def test_csv_with_a_mark_quotes_and_line_breaks(tmp_path: Path) -> None:
    content = '\ufefftext,label\r\n"one, ""two""\r\nthree",positive\r\n\r\nfour,\r\n'
    rows = read(write(tmp_path / "diary.csv", content))
    assert [(row["text"], row["label"]) for row in rows] == [
        ('one, "two"\r\nthree', "positive"),
        ("four", None),
    ]


@pytest.mark.parametrize(("ending", "mark"), [("csv", ";"), ("csv", "\t"), ("TSV", "\t")])
def test_csv_parted_otherwise(tmp_path: Path, ending: str, mark: str) -> None:
    content = f"id{mark}text{mark}label\n1{mark}one, two{mark}neutral\n"
    assert read(write(tmp_path / f"diary.{ending}", content))[0]["text"] == "one, two"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=12))
def test_all_formats_read_the_same_texts(tmp_path: Path, texts: list[str]) -> None:
    rows = [{"text": text, "id": str(i)} for i, text in enumerate(texts)]
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, ["text", "id"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows) or '{"text":""}')
    schema = pa.schema({"text": pa.string(), "id": pa.string()})
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "a.parquet")
    for kind in ("csv", "jsonl", "parquet"):
        found = [row["text"] or "" for row in read(tmp_path / f"a.{kind}")]
        assert found == texts or (kind == "jsonl" and not texts)


def test_json_lines_may_leave_columns_out(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "one"},
        {"Text": "two", "score": 3, "user_id": 12, "topics": ["a", 1, None]},
        {"text": None, "label": True, "tags": "a, b"},
    ]
    content = "\n\n".join(json.dumps(row) for row in rows)
    found = read(write(tmp_path / "diary.json", content))
    assert [row["text"] for row in found] == ["one", "two", None]
    assert [row["score"] for row in found] == [None, "3", None]
    assert [row["author"] for row in found] == [None, "12", None]
    assert [row["topics"] for row in found] == [[], ["a", "1"], ["a", "b"]]
    assert found[2]["label"] == "true"


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    content = '{"text": "a \\ud83d\\ude00 b \\ud83d c"}\n'
    assert read(write(tmp_path / "diary.jsonl", content))[0]["text"] == "a 😀 b \ufffd c"


def test_parquet_types_become_words(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array(["one", None]).dictionary_encode(),
            "id": [1, 2],
            "score": pa.array([Decimal("7.5"), None]),
            "label": pa.array([1.0, -1.0]),
            "created_at": pa.array(
                [datetime(2024, 1, 2, 3, tzinfo=UTC), None], pa.timestamp("ns", "UTC")
            ),
            "tags": pa.array(["a;b", None]),
        }
    )
    pq.write_table(table, tmp_path / "diary.parquet")
    one, two = read(tmp_path / "diary.parquet")
    assert (one["text"], one["id"], float(one["score"])) == ("one", "1", 7.5)
    assert float(one["label"]) == 1
    assert one["created_at"].startswith("2024-01-02 03:00:00")
    assert (one["topics"], two["topics"]) == (["a", "b"], [])
    assert two["text"] is None


def test_parquet_days_are_dates(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "date": [date(2024, 1, 2)]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet")[0]["created_at"] == "2024-01-02"


@pytest.fixture
def many(tmp_path: Path) -> Path:
    write(tmp_path / "b.csv", "text\nthree\n")
    write(tmp_path / "a.csv", "Text\none\ntwo\n")
    write(tmp_path / "c.jsonl", '{"journal_text": "four"}\n')
    write(tmp_path / "notes.txt", "not ours")
    return tmp_path


def test_a_folder_or_a_glob_is_many_files(many: Path) -> None:
    assert [row["text"] for row in read(many)] == ["one", "two", "three", "four"]
    rows = read(many / "*.csv")
    assert [(row["text"], row["source"]) for row in rows] == [
        ("one", "a.csv"),
        ("two", "a.csv"),
        ("three", "b.csv"),
    ]


def test_files_of_unlike_columns_are_refused(many: Path) -> None:
    write(many / "b.csv", "text,mood_score\nthree,3\n")
    assert "a.csv and b.csv do not have the same columns: score" in problem(many).message


def test_the_fingerprint_is_of_names_and_bytes(many: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("b.csv", "a.csv", "c.jsonl"):
        write(moved / name, (many / name).read_bytes())
    known = fingerprint(many)
    assert fingerprint(moved) == known
    assert fingerprint(many / "*.csv") != known
    (moved / "a.csv").rename(moved / "d.csv")
    assert fingerprint(moved) != known
    write(many / "a.csv", "text\none\nTwo\n")
    assert fingerprint(many) != known


SECRET = "SECRET words of somebody"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "\n\n", "a.csv has no columns"),
        ("a.jsonl", "\n", "a.jsonl has no columns"),
        ("a.txt", f"text\n{SECRET}\n", "ends in .txt; known are .csv"),
        ("diary", f"text\n{SECRET}\n", "ends in nothing"),
        ("a.csv", "title,body\na,b\n", "no column of texts: a.csv has the columns title, body"),
        ("a.jsonl", '{"body": "x"}\n', "no column of texts: a.jsonl has the columns body"),
        ("a.csv", b"text\nSECRET caf\xe9\n", "not UTF-8: byte 15 cannot"),
        ("a.csv", "text\nSECRET é\n".encode("utf-16-le"), "zero bytes: it is no text, or UTF-16"),
        (
            "a.csv",
            b"text\n" + b"SECRET \xc3\xa9\n" * 200_000 + b"\xff",
            "not UTF-8: byte 2,000,005",
        ),
        ("a.jsonl", b'{"text": "SECRET"}\n{"text": "\xff"}', "not UTF-8: byte 29 cannot"),
        ("a.csv", f"text,label\n{SECRET},neutral\n{SECRET}\n", "row 2: 1 cells where .* has 2"),
        ("a.csv", f"text,label\n{SECRET},a,b\n", "row 1: 3 cells"),
        ("a.csv", f'text,label\n{SECRET},a\n"{SECRET},b\n', "row 2: its quotes do not close"),
        ("a.csv", f'text,label\n"{SECRET}"x,a\n', "row 1: its quotes do not close"),
        ("a.jsonl", f'{{"text": "{SECRET}"}}\n{{"text": "{SECRET}\n', "row 2: not one JSON object"),
        ("a.jsonl", f'["{SECRET}"]\n', "row 1: not one JSON object"),
        ("a.jsonl", "[" * 100_000, "row 1: not one JSON object"),
        ("a.jsonl", f'{{"text": ["{SECRET}"]}}\n', "row 1: its text is not one value"),
        (
            "a.jsonl",
            f'{{"text": "x", "topics": {{"{SECRET}": 1}}}}',
            "row 1: its topics are neither",
        ),
        ("a.parquet", b"SECRET", "a.parquet is cut or not a parquet"),
    ],
)
def test_bad_input_is_named_without_its_words(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    assert re.search(message, problem(write(tmp_path / name, content)).message)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.csv", "there is no file /.*/none.csv"),
        ("*.parquet", r"no file matches /.*\*.parquet"),
        (".", "the folder .* holds no files that end in .csv"),
    ],
)
def test_missing_files_are_named(tmp_path: Path, source: str, message: str) -> None:
    assert re.search(message, problem(tmp_path / source).message)


def test_cut_parquet_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["SECRET"] * 99}), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    # The end, where the columns are described, is whole; the rows are not.
    write(tmp_path / "a.parquet", whole[:4] + b"\0" * 40 + whole[44:])
    assert "cut or not a parquet" in problem(tmp_path / "a.parquet").message


def test_parquet_of_other_types_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [{"a": "SECRET"}]}), tmp_path / "a.parquet")
    assert "column text holds struct" in problem(tmp_path / "a.parquet").message


def test_memory_is_bounded(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "text\n" + ("words " * 50 + "\n") * 60_000)
    tracemalloc.start()
    rows = 0
    for table in find(str(file)).read(FileParams(source=str(file))):
        rows += table.num_rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 60_000
    assert peak < file.stat().st_size
