"""Rows that are the same since an earlier reading, found by their ids batch by batch."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.postgresql.going_on import Earlier, Spool
from src.data.postgresql.relation import Relation, escaped, literal, quoted

pytestmark = pytest.mark.unit


def batches(ids: list[int], size: int) -> list[pa.RecordBatch]:
    cut = [ids[start : start + size] for start in range(0, len(ids), size)]
    return [
        pa.RecordBatch.from_pydict({"id": [str(i) for i in part], "text": [f"t{i}" for i in part]})
        for part in cut
    ]


numbers = st.lists(st.integers(-50, 50), unique=True).map(sorted)


@given(numbers, numbers, st.integers(1, 9), st.integers(1, 9))
def test_what_was_there_is_found_however_both_are_cut(
    before: list[int], now: list[int], size: int, step: int
) -> None:
    earlier = Earlier(batches(before, size), "text", int)
    found = list[str | None]()
    for start in range(0, len(now), step):
        ids = pa.array([str(i) for i in now[start : start + step]])
        found += earlier.find(ids).to_pylist()
    assert found == [f"t{i}" if i in before else None for i in now]


@given(st.permutations(range(12)), st.permutations(range(12)), st.integers(1, 5))
def test_in_another_order_a_value_is_missed_but_never_mistaken(
    before: list[int], now: list[int], size: int
) -> None:
    earlier = Earlier(batches(before, size), "text", int)
    for start in range(0, 12, 3):
        ids = [str(i) for i in now[start : start + 3]]
        for name, value in zip(ids, earlier.find(pa.array(ids)).to_pylist(), strict=True):
            assert value in {f"t{name}", None}


@pytest.mark.parametrize(
    ("ids", "distinct"),
    [
        ([["1", "2"], ["3"]], True),
        ([["1", "2"], ["2"]], False),
        ([["1", "1"], ["2"]], False),
        ([["1", None]], False),
        ([[], ["1"]], True),
        ([], True),
    ],
)
def test_a_spool_gives_back_what_it_took_and_sees_ids_that_repeat(
    ids: list[list[str | None]], distinct: bool, tmp_path: Path
) -> None:
    spool = Spool(tmp_path / "spool")
    for part in ids:
        data = {"id": pa.array(part, pa.string()), "n": pa.array([1] * len(part), pa.int64())}
        spool.write(pa.RecordBatch.from_pydict(data))
    assert spool.distinct is distinct
    found = [name for batch in spool.read(["id"]) for name in batch["id"].to_pylist()]
    assert found == [name for part in ids for name in part]


def test_names_and_words_stay_names_and_words() -> None:
    assert quoted('a"; DROP TABLE x; --') == 'q."a""; DROP TABLE x; --"'
    assert literal("it's") == "'it''s'"
    assert escaped('a"\\') == 'a\\"\\\\'
    columns = {"nr": "text", "text": "text"}
    found = Relation("t", "t AS q", columns, {"id": "nr", "text": "text"}, (), True)
    assert found.texts(["'; DROP TABLE x", 'b"']).endswith(
        'FROM t AS q WHERE q."nr" = ANY (\'{"\'\'; DROP TABLE x","b\\""}\'::text[])'
    )
