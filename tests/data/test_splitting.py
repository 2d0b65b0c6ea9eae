from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.data.near_duplicates import THRESHOLD, jaccard, shingles
from src.data.schema import SPLITS
from src.data.splitting import SplitParams, SplitReport, split
from src.errors import UserError

pytestmark = pytest.mark.unit

LABELS = ("negative", "neutral", "positive")


def run(entries: pa.Table, **changed: Any) -> tuple[pa.Table, SplitReport]:
    params = {"valid": 0.15, "test": 0.2, "split_by": "random", "seed": 7} | changed
    batches, report = split(entries.to_batches, **params)
    return pa.Table.from_batches(batches), report


def sides_of(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


# Authors with 1 to 6 entries each, mostly of one label; some entries by nobody.
author = st.tuples(st.sampled_from(LABELS), st.integers(1, 6), st.integers(0, 2))
journals = st.tuples(st.lists(author, min_size=60, max_size=100), st.integers(0, 40))


def rows_of(journal: tuple[list[tuple[str, int, int]], int]) -> list[dict[str, Any]]:
    authors, alone = journal
    rows: list[dict[str, Any]] = [
        {"author": f"{who:016x}", "label": LABELS[(n * odd) % 3] if n == 2 else label}
        for who, (label, count, odd) in enumerate(authors)
        for n in range(count)
    ]
    rows += [{"label": LABELS[i % 3]} for i in range(alone)]
    rows += [{"author": f"{len(authors) + i:016x}", "label": LABELS[i % 3]} for i in range(9)]
    return rows


@settings(max_examples=40, deadline=None)
@given(journal=journals, seed=st.integers(0, 99))
@example(journal=([("negative", 1, 0)] * 59 + [("neutral", 5, 0)], 0), seed=0)
def test_what_always_holds(make_entries, journal, seed: int) -> None:
    entries = make_entries(rows_of(journal))
    table, report = run(entries, seed=seed)

    # Each entry once, in its place, unchanged.
    assert table.drop_columns("split").equals(entries)
    # An author on one side only.
    assert report.waived == ""
    sides = defaultdict(set)
    for who, side in zip(table["author"].to_pylist(), table["split"].to_pylist(), strict=True):
        sides[who].add(side)
    assert all(len(where) == 1 for who, where in sides.items() if who is not None)
    # The shares, and each label's, near to what was asked for.
    found = Counter(table["split"].to_pylist())
    for side, share in (("train", 0.65), ("valid", 0.15), ("test", 0.2)):
        assert abs(found[side] / len(table) - share) <= 0.05
    for label in LABELS:
        assert all(report.entries[side][label] for side in report.entries)
    # The same again, whoever the authors are.
    assert run(entries, seed=seed)[0].equals(table)
    other = [
        row | {"author": row.get("author") and row["author"][::-1]} for row in rows_of(journal)
    ]
    assert sides_of(run(make_entries(other), seed=seed)[0]) == sides_of(table)


def test_the_seed_decides(make_entries) -> None:
    entries = make_entries([{"label": LABELS[i % 3]} for i in range(300)])
    assert len({str(sides_of(run(entries, seed=seed)[0])) for seed in range(5)}) == 5


def test_labels_are_parted_evenly(make_entries) -> None:
    entries = make_entries([{"label": LABELS[min(i % 10, 2)]} for i in range(1_000)])
    _, report = run(entries)
    assert report.entries["test"] == {"negative": 20, "neutral": 20, "positive": 160, "none": 0}
    assert report.entries["valid"] == {"negative": 15, "neutral": 15, "positive": 120, "none": 0}


def test_entries_without_labels_are_a_stratum(make_entries) -> None:
    _, report = run(make_entries([{} for _ in range(200)]))
    assert [report.entries[side]["none"] for side in ("train", "valid", "test")] == [130, 30, 40]
    assert report.entries["train"]["positive"] == 0


def test_a_great_author_goes_where_there_is_room(make_entries) -> None:
    rows = [{"author": "a" * 16}] * 120 + [{"author": f"{i:016x}"} for i in range(180)]
    for seed in range(10):
        table, report = run(make_entries(rows), seed=seed)
        assert set(table["split"].to_pylist()[:120]) == {"train"}
        assert report.waived == ""


@pytest.mark.parametrize("n_authors", [1, 2, 3])
def test_few_authors_waive_their_rule(make_entries, tmp_path, n_authors: int) -> None:
    rows = [{"author": f"{i % n_authors:016x}", "label": LABELS[i % 3]} for i in range(300)]
    table, report = run(make_entries(rows))
    assert f"{n_authors} author" in report.waived
    assert report.waived.endswith(".")
    assert sum(report.entries["test"].values()) == 60
    assert table.schema.metadata == {b"author_rule": b"waived"}
    assert SPLITS.write(tmp_path, [table]) == 300


def test_a_class_that_few_authors_have_is_on_each_side(make_entries) -> None:
    rows = [{"author": f"{i // 4:016x}", "label": "positive"} for i in range(400)]
    for place in (0, 4, 8):
        rows[place] |= {"label": "negative"}
    for seed in range(20):
        _, report = run(make_entries(rows), seed=seed)
        assert {side: found["negative"] for side, found in report.entries.items()} == {
            "train": 1,
            "valid": 1,
            "test": 1,
        }


def test_a_class_in_too_few_groups_is_an_error(make_entries) -> None:
    rows = [{"author": f"{i:016x}", "label": "positive"} for i in range(60)]
    rows += [{"author": f"{i % 2:016x}", "label": "negative"} for i in range(6)]
    with pytest.raises(UserError, match=r"no negative entries .* 2 ") as caught:
        run(make_entries(rows))
    assert "-P labels=" in caught.value.hint


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_entries_are_an_error(make_entries, n: int) -> None:
    with pytest.raises(UserError, match=f"{n} entries are too few"):
        run(make_entries([{}] * n))


def test_time_puts_the_newest_into_test(make_entries) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    days = [(i * 37) % 100 for i in range(100)]
    rows = [
        {"created_at": start + timedelta(days=day), "label": LABELS[day % 3], "author": "a" * 16}
        for day in days
    ]
    table, report = run(make_entries(rows), split_by="time")
    by_day = [side for _, side in sorted(zip(days, table["split"].to_pylist(), strict=True))]
    assert by_day == ["train"] * 65 + ["valid"] * 15 + ["test"] * 20
    assert report.waived
    assert table.schema.metadata == {b"author_rule": b"waived"}


def test_time_needs_every_date(make_entries) -> None:
    rows = [{"created_at": datetime(2024, 1, 1, tzinfo=UTC)}] * 8 + [{}, {}]
    with pytest.raises(UserError, match="2 of 10") as caught:
        run(make_entries(rows), split_by="time")
    assert caught.value.hint == "-P split_by=random"


@settings(max_examples=25, deadline=None)
@given(copies=st.lists(st.integers(0, 30), min_size=150, max_size=200), by_time=st.booleans())
def test_near_duplicates_never_cross(make_entries, copies: list[int], by_time: bool) -> None:
    # Copies of a few long texts, each with another last word; each of the first 31 by itself.
    rows = [
        {
            "text": " ".join(f"word{c}of{k}" for k in range(12)) + f" end{i}",
            "created_at": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=i * 61 % 199),
        }
        for i, c in enumerate([*range(31), *copies])
    ]
    entries = make_entries(rows + [{"created_at": datetime(2024, 1, 1, tzinfo=UTC)}] * 9)
    try:
        table, report = run(entries, split_by="time" if by_time else "random")
    except UserError as error:
        assert "are left for" in str(error)
        return
    by_side = {
        side: [
            shingles(text)
            for text, where in zip(
                table["text"].to_pylist(), table["split"].to_pylist(), strict=True
            )
            if where == side
        ]
        for side in ("train", "valid", "test")
    }
    for held_out, others in (("test", ("train", "valid")), ("valid", ("train",))):
        distinct = set(by_side[held_out])
        for side in others:
            near = [a for a in set(by_side[side]) for b in distinct if jaccard(a, b) >= THRESHOLD]
            assert not near
    removed = report.near_duplicates
    assert len(entries) - len(table) == removed["train"] + removed["valid"]
    assert set(table["id"].to_pylist()) <= set(entries["id"].to_pylist())


def test_the_report_is_metrics(make_entries) -> None:
    rows = [{"author": f"{i:016x}", "label": LABELS[i % 3]} for i in range(90)]
    rows.append({"text": make_entries(rows)["text"][0].as_py() + "!"})
    table, report = run(make_entries(rows))
    metrics = report.metrics
    assert sum(metrics[f"{side}_entries"] for side in ("train", "valid", "test")) == len(table)
    assert sum(metrics[f"{side}_authors"] for side in ("train", "valid", "test")) in {89, 90}
    assert metrics["train_near_duplicates"] + metrics["valid_near_duplicates"] == 91 - len(table)
    assert all(isinstance(value, float) for value in metrics.values())


def test_defaults_are_within_their_ranges() -> None:
    params = SplitParams()
    assert (params.valid, params.test, params.split_by, params.seed) == (0.15, 0.2, "random", 7)


@pytest.mark.performance
def test_time_grows_with_the_number_of_entries(make_entries) -> None:
    def seconds(n: int) -> float:
        entries = make_entries([{"label": LABELS[i % 3]} for i in range(n)])
        start = time.process_time()
        run(entries)
        return time.process_time() - start

    seconds(500)
    assert seconds(16_000) < 8 * seconds(4_000) + 0.5
