from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.digest import Digest
from src.data.schema import ENTRIES, tables_digest

pytestmark = pytest.mark.unit

TYPES = {
    "word": pa.string(),
    "number": pa.int64(),
    "share": pa.float64(),
    "flag": pa.bool_(),
    "day": pa.timestamp("us", tz="UTC"),
    "topics": pa.list_(pa.string()),
    "scores": pa.struct([("negative", pa.float64()), ("positive", pa.float64())]),
    "pair": pa.list_(pa.float32(), 2),
    "details": pa.list_(pa.struct([("name", pa.string()), ("rank", pa.int32())])),
}
SCHEMA = pa.schema(list(TYPES.items()))

words = st.text(max_size=4)
ranks = st.integers(0, 3)
cells = {
    "word": words,
    "number": st.integers(-(2**63), 2**63 - 1),
    "share": st.floats(allow_nan=False),
    "flag": st.booleans(),
    "day": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    "topics": st.lists(st.none() | words, max_size=3),
    "scores": st.fixed_dictionaries({"negative": st.floats(0, 1), "positive": st.floats(0, 1)}),
    "pair": st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)).map(list),
    "details": st.lists(st.fixed_dictionaries({"name": words, "rank": ranks}), max_size=2),
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | cell for name, cell in cells.items()}), max_size=8
)


def digest(table: pa.Table, size: int = 1_000) -> str:
    total = Digest(table.schema)
    for batch in table.to_batches(max_chunksize=size):
        total.update(batch)
    return total.hexdigest()


@settings(max_examples=60, deadline=None)
@given(rows=rows, size=st.integers(1, 9))
def test_chunks_leave_no_trace(rows: list[dict[str, object]], size: int) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    in_pieces = pa.concat_tables([table.slice(i, size) for i in range(0, max(1, len(rows)), size)])
    assert digest(table) == digest(table, size) == digest(in_pieces)


@settings(max_examples=150, deadline=None)
@given(one=rows, other=rows)
def test_only_equal_tables_have_equal_digests(one: list, other: list) -> None:
    # What Arrow holds, not what Python compares: 0.0 and -0.0 are two values.
    a, b = (pa.Table.from_pylist(each, schema=SCHEMA) for each in (one, other))
    assert (digest(a) == digest(b)) == (repr(a.to_pylist()) == repr(b.to_pylist()))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), rows=rows.filter(bool))
def test_every_cell_counts(data: st.DataObject, rows: list[dict[str, object]]) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(list(cells)))
    new = data.draw((st.none() | cells[name]).filter(lambda c: repr(c) != repr(rows[place][name])))
    changed = [*rows[:place], rows[place] | {name: new}, *rows[place + 1 :]]
    assert digest(pa.Table.from_pylist(rows, schema=SCHEMA)) != digest(
        pa.Table.from_pylist(changed, schema=SCHEMA)
    )


def test_null_differs_from_what_stands_in_for_it() -> None:
    for values, kind in (
        ([["", None], [None, ""]], pa.string()),
        ([[0, None], [None, 0]], pa.int64()),
        ([[[], None], [None, []]], pa.list_(pa.string())),
        ([["ab", "c"], ["a", "bc"]], pa.string()),
        ([[["a"], ["b"]], [["a", "b"], []]], pa.list_(pa.string())),
    ):
        one, other = (pa.table({"x": pa.array(column, kind)}) for column in values)
        assert digest(one) != digest(other)


def test_names_types_and_order_count() -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int64()), "b": pa.array([1, 2], pa.int64())})
    variants = [
        table,
        table.slice(0, 1),
        table.rename_columns(["a", "c"]),
        table.select(["b", "a"]),
        table.take([1, 0]),
        table.set_column(1, "b", pa.array([1, 2], pa.int32())),
        table.set_column(1, "b", pa.array([1.0, 2.0])),
    ]
    assert len({digest(variant) for variant in variants}) == len(variants)


def test_the_key_behind_pseudonyms_leaves_no_trace(make_entries) -> None:
    def entries(*authors: str | None) -> pa.Table:
        return make_entries([{"author": author} for author in authors])

    same = {
        digest(entries("f" * 16, "0" * 16, None, "f" * 16)),
        digest(entries("1" * 16, "9" * 16, None, "1" * 16), size=1),
    }
    assert len(same) == 1
    assert digest(entries("1" * 16, "9" * 16, None, "9" * 16)) not in same
    assert digest(entries("1" * 16, None, "9" * 16, "1" * 16)) not in same


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    compression=st.sampled_from(["zstd", "snappy", "none"]),
    row_group=st.integers(1, 12),
    cut=st.integers(0, 12),
)
def test_how_it_is_stored_leaves_no_trace(
    tmp_path_factory: pytest.TempPathFactory, make_entries, compression, row_group, cut
) -> None:
    table = make_entries([{"author": "ab"[i % 2] * 16, "topics": ["x"] * i} for i in range(12)])
    plain, other = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("other")
    ENTRIES.write(plain, [table])
    described = table.replace_schema_metadata({"written": "by another tool"})
    for name, piece in (("part-0", described.slice(0, cut)), ("part-1", described.slice(cut))):
        file = other / f"{name}.parquet"
        pq.write_table(piece, file, compression=compression, row_group_size=row_group)
    assert ENTRIES.digest(plain) == ENTRIES.digest(other) == tables_digest(plain / "part.parquet")


def test_known_value(tmp_path: Path, make_entries) -> None:
    """A digest that changes without need makes everybody's results run again."""
    ENTRIES.write(tmp_path, [make_entries([{"author": "a" * 16}, {"score": 0.5}])])
    known = "85d47b548f656c4e5358d730f4a98b49419866106bff5eea635d4a9485bb34c5"
    assert ENTRIES.digest(tmp_path) == known
