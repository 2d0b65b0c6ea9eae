from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.data.schema import ENTRIES, ROW_GROUP, SPLITS, predictions
from src.errors import UserError

pytestmark = pytest.mark.unit

ANNA, BEN = "a" * 16, "b" * 16


def as_splits(table: pa.Table, sides: list[str]) -> pa.Table:
    return table.append_column("split", pa.array(sides))


def test_what_is_written_is_read(tmp_path: Path, make_entries) -> None:
    day = datetime(2024, 2, 29, 12, tzinfo=UTC)
    table = make_entries(
        [{"author": ANNA, "created_at": day, "label": "neutral", "score": 0.5, "topics": ["a"]}, {}]
    )
    assert ENTRIES.write(tmp_path, [table]) == 2
    assert ENTRIES.read(tmp_path).equals(table)
    assert [p.name for p in tmp_path.iterdir()] == ["part.parquet"]


def test_row_groups_are_full_whatever_the_batches(tmp_path: Path, make_entries) -> None:
    table = make_entries([{}] * 10)
    rows = ROW_GROUP + 100
    many = pa.table({"id": [str(i) for i in range(rows)]}).append_column(
        "text", pa.array(["some words"] * rows)
    )
    for field in list(ENTRIES.schema)[2:]:
        values = pa.array(["made"] * rows) if field.name == "source" else pa.nulls(rows, field.type)
        many = many.append_column(field.name, values)
    many = many.select(table.schema.names)
    assert ENTRIES.write(tmp_path, many.to_batches(max_chunksize=999)) == rows
    stored = pq.ParquetFile(tmp_path / "part.parquet").metadata
    assert [stored.row_group(i).num_rows for i in range(stored.num_row_groups)] == [ROW_GROUP, 100]
    assert stored.row_group(0).column(0).compression == "ZSTD"
    assert max(batch.num_rows for batch in ENTRIES.batches(tmp_path)) <= ROW_GROUP


def test_an_artifact_may_be_empty_but_not_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no \*\.parquet"):
        ENTRIES.read(tmp_path)
    assert ENTRIES.write(tmp_path, []) == 0
    assert ENTRIES.read(tmp_path).num_rows == 0


@pytest.mark.parametrize(
    ("rows", "rule", "count"),
    [
        ([{"id": "x"}, {"id": "x"}, {"id": "x"}, {}], "every id there once", 2),
        ([{"text": " \n\u2003"}, {}], "no empty text", 1),
        ([{"text": None}, {"text": None}], "id, text, source always given", 2),
        ([{"label": "SECRET"}, {"label": None}, {"label": "neutral"}], "label one of", 1),
        ([{"author": "SECRET Name"}, {"author": ANNA}, {}], "authors are pseudonyms", 1),
    ],
)
def test_broken_rules_are_named_and_counted(
    tmp_path: Path, make_entries, rows, rule, count
) -> None:
    table = make_entries(rows)
    with pytest.raises(UserError, match=rule) as on_write:
        ENTRIES.write(tmp_path / "new", table.to_batches(max_chunksize=1))
    assert "entries" in str(on_write.value)
    assert f"; {count} do" in str(on_write.value)
    assert "SECRET" not in str(on_write.value)
    assert not list((tmp_path / "new").iterdir())
    pq.write_table(table, tmp_path / "part.parquet")
    with pytest.raises(UserError, match=rule) as on_read:
        ENTRIES.read(tmp_path)
    assert str(on_read.value) == str(on_write.value)


def test_no_broken_batch_is_handed_on(tmp_path: Path, make_entries) -> None:
    table = make_entries([{}] * 5 + [{"label": "odd"}] + [{}] * 5)
    pq.write_table(table, tmp_path / "part.parquet", row_group_size=1)
    seen = []
    with pytest.raises(UserError):
        seen.extend(ENTRIES.batches(tmp_path))
    assert all("odd" not in batch["label"].to_pylist() for batch in seen)


def test_another_schema_is_refused(tmp_path: Path, make_entries) -> None:
    table = make_entries([{}])
    with pytest.raises(UserError, match="lack columns: score"):
        ENTRIES.write(tmp_path, [table.drop_columns("score")])
    with pytest.raises(UserError, match="have unknown columns: mood"):
        ENTRIES.write(tmp_path, [table.append_column("mood", pa.array([1]))])
    with pytest.raises(UserError, match="column score is int64, not double"):
        ENTRIES.write(tmp_path, [table.set_column(5, "score", pa.array([1]))])
    with pytest.raises(UserError, match="order"):
        ENTRIES.write(tmp_path, [table.select(table.schema.names[::-1])])


@pytest.mark.parametrize("cut", [0, 10, -10])
def test_a_cut_file_is_refused(tmp_path: Path, make_entries, cut: int) -> None:
    ENTRIES.write(tmp_path, [make_entries([{}] * 50)])
    file = tmp_path / "part.parquet"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(UserError, match="cut or not a parquet file"):
        ENTRIES.read(tmp_path)


def test_sides_are_files_of_their_own(tmp_path: Path, make_entries) -> None:
    table = as_splits(make_entries([{}] * 4), ["valid", "train", "test", "train"])
    assert SPLITS.write(tmp_path, [table]) == 4
    assert {p.name for p in tmp_path.iterdir()} == {
        "train.parquet",
        "valid.parquet",
        "test.parquet",
    }
    assert SPLITS.read(tmp_path, "train")["id"].to_pylist() == ["e1", "e3"]
    assert SPLITS.read(tmp_path).num_rows == 4


def test_an_author_on_two_sides_must_be_waived(tmp_path: Path, make_entries) -> None:
    table = make_entries([{"author": ANNA}, {"author": BEN}, {"author": ANNA}, {}])
    table = as_splits(table, ["train", "valid", "test", "test"])
    with pytest.raises(UserError, match="one side only; 1 do"):
        SPLITS.write(tmp_path, [table])
    waived = table.replace_schema_metadata({"author_rule": "waived", "pandas": "of no interest"})
    SPLITS.write(tmp_path, [waived])
    assert SPLITS.read(tmp_path).schema.metadata == {b"author_rule": b"waived"}


def test_an_entry_on_two_sides_is_refused(tmp_path: Path, make_entries) -> None:
    table = as_splits(make_entries([{"id": "x"}, {"id": "y"}]), ["train", "test"])
    SPLITS.write(tmp_path, [table])
    again = as_splits(make_entries([{"id": "x"}]), ["valid"])
    pq.write_table(again, tmp_path / "valid.parquet")
    with pytest.raises(UserError, match="every id there once; 1 do"):
        SPLITS.read(tmp_path)


def test_scores_of_predictions_sum_to_one(tmp_path: Path) -> None:
    def table(*scores: tuple[float, float] | None) -> pa.Table:
        rows = [
            {"id": str(i), "truth": None, "all_scores": s and {"negative": s[0], "positive": s[1]}}
            for i, s in enumerate(scores)
        ]
        kind = pa.struct([("negative", pa.float64()), ("positive", pa.float64())])
        schema = {"id": pa.string(), "truth": pa.string(), "all_scores": kind}
        return pa.Table.from_pylist(rows, schema=pa.schema(list(schema.items())))

    good = table((0.25, 0.75), (0.3334, 0.6667), None)
    artifact = predictions(list(good.schema)[2:])
    assert artifact.write(tmp_path, [good], "predictions") == 3
    assert artifact.read(tmp_path, "predictions").equals(good)
    bad = table((0.2, 0.7), (1.5, -0.5), (float("nan"), 0.5), (0.5, 0.5))
    with pytest.raises(UserError, match="all_scores sum to 1; 3 do"):
        artifact.write(tmp_path, [bad], "predictions")


def test_predictions_of_other_tasks_have_other_truths(tmp_path: Path) -> None:
    words = pa.list_(pa.string())
    artifact = predictions([pa.field("topics", words)], truth=words)
    table = pa.table({"id": ["a"], "truth": [["sleep"]], "topics": [["sleep", "work"]]})
    artifact.write(tmp_path, [table])
    assert artifact.read(tmp_path).to_pylist() == table.to_pylist()
