"""Profiles: what data look like in counts, whatever the batches, without a text."""

from __future__ import annotations

import doctest
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data import profile as module
from src.data.profile import MOST_KINDS, OTHERS, Profile, Profiler, coarse
from src.data.schema import ENTRIES

pytestmark = pytest.mark.unit

TEXTS = ["A long day at work", "id-1234", "晴れた日", "ok", "x " * 400]
rows = st.fixed_dictionaries(
    {
        "text": st.sampled_from(TEXTS),
        "author": st.sampled_from([None, "0" * 16]),
        "created_at": st.sampled_from([None, *(datetime(y, 3, 1, tzinfo=UTC) for y in (1, 2024))]),
        "label": st.sampled_from([None, "positive", "negative"]),
        "score": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "source": st.sampled_from(["a.csv", "b.csv"]),
    }
)


def table(given: list[dict[str, Any]]) -> pa.Table:
    listed = [
        {"id": str(n), "topics": None, "author": None, "created_at": None, "label": None}
        | {"score": None, "source": "a.csv"}
        | row
        for n, row in enumerate(given)
    ]
    return pa.Table.from_pylist(listed, schema=ENTRIES.schema)


def profile(*batches: Any, rows: int = 0) -> Profile:
    profiler = Profiler()
    seen = list(profiler.watch(batches))
    assert all(one is other for one, other in zip(seen, batches, strict=True))
    return profiler.profile(rows, 0, {}, {})


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(module)
    assert (result.attempted, result.failed) == (1, 0)


def test_entries_are_counted() -> None:
    march, april = datetime(2024, 3, 31, 23, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    found = profile(
        table(
            [
                {"text": "A good day", "label": "positive", "created_at": march, "score": 8.0},
                {"text": "2024-01-01", "created_at": april, "score": 11.5, "author": "0" * 16},
                {"text": "いい日", "label": "positive", "source": "b.csv"},
                {"text": "ab c" * 50},
            ]
        ),
        rows=5,
    )
    assert (found.rows, found.entries, found.without_author) == (5, 4, 3)
    assert found.lengths == {3: 1, 10: 2, 200: 1}
    assert found.wordless == 1
    assert found.labels == {"none": 2, "positive": 2}
    assert found.months == {"2024-03": 1, "2024-04": 1}
    assert found.sources == {"a.csv": 3, "b.csv": 1}
    assert (found.lowest, found.highest, found.off_scale) == (8.0, 11.5, 1)
    assert found.languages == {}


@given(st.lists(rows, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_batches_make_no_difference(given: list[dict[str, Any]], cuts: list[int]) -> None:
    whole = table(given)
    ends = [0, *sorted(min(cut, len(given)) for cut in cuts), len(given)]
    pieces = [whole.slice(a, b - a) for a, b in pairwise(ends)]
    batches = [batch for piece in pieces for batch in piece.to_batches()]
    assert profile(whole) == profile(*pieces) == profile(*batches)


@given(st.lists(rows, min_size=1, max_size=10))
def test_a_profile_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, given: list[dict[str, Any]]
) -> None:
    path, found = tmp_path_factory.mktemp("profile") / "profile.json", profile(table(given))
    found.write(path)
    assert Profile.read(path) == found
    before = path.read_bytes()
    found.write(path)
    assert path.read_bytes() == before


def test_a_profile_of_another_format_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    profile(table([{"text": "one"}])).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 0}))
    assert Profile.read(path) is None


def test_no_text_id_or_author_is_in_a_profile(tmp_path: Path) -> None:
    rows = table([{"text": "SECRET words", "author": "feedfacefeedface"}])
    rows = rows.set_column(0, "id", [["SECRET-1"]])
    profile(rows).write(tmp_path / "profile.json")
    said = (tmp_path / "profile.json").read_text()
    assert "SECRET" not in said
    assert "feedface" not in said


def test_memory_is_bounded() -> None:
    draw = np.random.default_rng(0)
    lengths = coarse(draw.integers(0, 2**31, 200_000).astype(float))
    assert len(np.unique(lengths)) <= 128 + 64 * 24
    many = table([{"text": "a b", "source": f"{n}.csv"} for n in range(MOST_KINDS + 20)])
    found = profile(many, many.slice(MOST_KINDS))
    assert len(found.sources) == MOST_KINDS + 1
    assert found.sources[OTHERS] == 40


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_coarse_numbers_lose_less_than_a_64th(numbers: list[float]) -> None:
    given = np.array(numbers)
    found = coarse(given)
    assert (np.abs(found) <= np.abs(given)).all()
    normal = np.abs(given) > 1e-300
    assert (np.abs(given - found)[normal] <= np.abs(given)[normal] / 64).all()
    assert (coarse(found) == found).all()


def test_languages_come_from_those_who_tell_them() -> None:
    assert Profiler().profile(9, 0, {}, {}, {"fr": 1, "de": 2}).languages == {"de": 2, "fr": 1}
