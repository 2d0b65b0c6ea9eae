from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.data.cleaning import Cleaner, normalise, read_date, read_score
from src.data.labels import Labels
from src.data.raw import RAW, tables, topic_list
from src.data.schema import ENTRIES
from src.errors import UserError

pytestmark = pytest.mark.unit


def raw(*rows: dict[str, Any]) -> Iterator[pa.Table]:
    return tables({"source": "made.csv"} | row for row in rows)


def cleaner(cut_points: tuple[float, float] | None = (-1, 1)) -> Cleaner:
    return Cleaner(Labels({}, cut_points), lambda author: f"{abs(hash(author)):016x}"[:16])


def clean(*rows: dict[str, Any]) -> tuple[list[dict[str, Any]], Cleaner]:
    used = cleaner()
    batches = list(used.clean(raw(*rows)))
    assert all(batch.schema.equals(ENTRIES.schema) for batch in batches)
    return [entry for batch in batches for entry in batch.to_pylist()], used


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=30))
@example("e\x00\u0301")
@example("\u0958 \u2028\u2029 \r\r\n\n")
@example(" \n \u0301")
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in once.replace("\n", ""))
    assert "  " not in once


@given(st.lists(st.text("ab é😀", min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_words_and_lines_survive(lines: list[str]) -> None:
    once = normalise("\r\n".join(lines))
    assert [line.split() for line in once.split("\n")] == [line.split() for line in lines]


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        ("Cafe\u0301", "Café"),
        ("a\tb \u00a0 c", "a b c"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("one  \n\n  two", "one\n\ntwo"),
        ("\ufeffzero\u200bwidth\u202e", "zerowidth"),
        ("👩\u200d👧 and ❤\ufe0f", "👩\u200d👧 and ❤\ufe0f"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("\u200b\ufeff \n", ""),
    ],
)
def test_known_texts(text: str, clean_text: str) -> None:
    assert normalise(text) == clean_text


@pytest.mark.parametrize(
    ("words", "date"),
    [
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2024-02-29 23:30:00", datetime(2024, 2, 29, 23, 30, tzinfo=UTC)),
        ("2024-02-29T23:30:00.123456Z", datetime(2024, 2, 29, 23, 30, 0, 123456, tzinfo=UTC)),
        ("2024-02-29 23:30:00+00", datetime(2024, 2, 29, 23, 30, tzinfo=UTC)),
        ("2024-02-29T23:30:00-05:30", datetime(2024, 3, 1, 5, 0, tzinfo=UTC)),
        ("2024-02-29 23:30:00.123456789", datetime(2024, 2, 29, 23, 30, 0, 123456, tzinfo=UTC)),
        ("2023-02-29", None),
        ("03/04/2024", None),
        ("1709164800", None),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
    ],
)
def test_dates(words: str, date: datetime | None) -> None:
    assert read_date(words) == date


@pytest.mark.parametrize(
    ("words", "score"),
    [("7", 7.0), (" -0.5 ", -0.5), ("1e3", 1000.0), ("nan", None), ("inf", None), ("good", None)],
)
def test_scores(words: str, score: float | None) -> None:
    assert read_score(words) == score


def test_every_column_is_read() -> None:
    (entry,), used = clean(
        {
            "id": " 12 ",
            "text": " a  day ",
            "author": " Anna ",
            "created_at": "2024-01-02",
            "label": "POS",
            "score": "-3",
            "topics": ["work ", "sleep", "work", "", None],
        }
    )
    assert entry.pop("author") == used.pseudonym("Anna")
    assert entry == {
        "id": "12",
        "text": "a day",
        "created_at": datetime(2024, 1, 2, tzinfo=UTC),
        "label": "positive",
        "score": -3.0,
        "topics": ["work", "sleep"],
        "source": "made.csv",
    }


def test_what_is_missing_is_null_and_what_cannot_be_read_is_counted() -> None:
    entries, used = clean(
        {"text": "one"},
        {"text": "two", "created_at": "soon", "score": "high", "author": "  ", "topics": []},
    )
    for entry in entries:
        assert {entry[name] for name in ("author", "created_at", "label", "score")} == {None}
        assert entry["topics"] is None
    assert dict(used.unreadable) == {"created_at": 1, "score": 1}
    assert dict(used.labelled) == {"none": 2}


def test_rows_leave_by_reason_and_the_first_stays() -> None:
    entries, used = clean(
        {"id": "1", "text": "same words", "label": "pos"},
        {"id": "2", "text": " same\u00a0words", "label": "neg"},
        {"id": "1", "text": "other words"},
        {"id": "3", "text": " \t"},
        {"id": "4"},
        {"id": "5", "text": "other words"},
    )
    assert [(e["id"], e["label"]) for e in entries] == [("1", "positive"), ("5", None)]
    assert used.rows == 6
    assert used.entries == 2
    assert used.dropped == {"empty text": 2, "duplicate text": 1, "repeated id": 1}


def test_an_entry_without_id_is_named_by_its_text() -> None:
    (one, other), _ = clean({"text": "hello"}, {"text": "world"})
    assert one["id"] == "2cf24dba5fb0a30e"  # printf hello | sha256sum
    assert len(other["id"]) == 16


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ab \n", max_size=3), min_size=1, max_size=30))
def test_ids_and_texts_are_unique_and_rows_add_up(texts: list[str]) -> None:
    used = cleaner()
    rows = [{"text": text} for text in texts]
    try:
        entries = [entry for batch in used.clean(raw(*rows)) for entry in batch.to_pylist()]
    except UserError:
        entries = []
    assert [entry["text"] for entry in entries] == list(
        dict.fromkeys(filter(None, map(normalise, texts)))
    )
    assert len({entry["id"] for entry in entries}) == len(entries) == used.entries
    assert used.rows == len(texts) == used.entries + used.dropped.total()


def test_no_usable_rows_is_an_error_that_counts() -> None:
    used = cleaner()
    with pytest.raises(UserError, match="no usable rows: 2 read, 2 dropped as empty text"):
        list(used.clean(raw({"text": " "}, {"id": "SECRET"})))
    with pytest.raises(UserError, match="no usable rows: 0 read"):
        list(cleaner().clean(raw()))


def test_an_unknown_label_is_an_error_also_in_a_duplicate() -> None:
    with pytest.raises(UserError, match=r"1 labels .* \(the first in made\.csv, row 3\): happy"):
        clean({"text": "a"}, {"text": "b"}, {"text": "a", "label": "Happy"})


def test_rows_are_counted_in_their_own_file() -> None:
    rows = [{"text": "a"}, {"text": "b", "source": "b.csv"}]
    rows.append({"text": "c", "source": "b.csv", "label": "odd"})
    with pytest.raises(UserError, match=r"b\.csv, row 2"):
        clean(*rows)


def test_tables_are_bounded_in_rows_and_in_characters() -> None:
    few = list(tables({"text": "x" * 3_000_000, "source": "s"} for _ in range(12)))
    assert [table.num_rows for table in few] == [6, 6]
    many = list(tables({"text": "x", "source": "s"} for _ in range(10_000)))
    assert [table.num_rows for table in many] == [8_192, 1_808]
    assert all(table.schema.equals(RAW) for table in few + many)


def test_topics_are_cut_at_semicolons_or_else_commas() -> None:
    assert topic_list("a; b,c ;") == ["a", "b,c"]
    assert topic_list("a, b c") == ["a", "b c"]
    assert topic_list(" ") == []


def test_the_forgotten_leave_before_anything_is_made_of_them() -> None:
    used = Cleaner(Labels({}, (-1, 1)), str.upper, forgotten=lambda author, name: author == "ANNA")
    rows = [
        {"text": "the same day", "author": "anna", "label": "no label at all", "score": "high"},
        {"text": "the same day", "author": "ben"},
    ]
    (batch,) = used.clean(raw(*rows))
    (entry,) = batch.to_pylist()
    assert entry["author"] == "BEN"  # whose text is no duplicate of what is gone
    assert dict(used.dropped) == {"forgotten people": 1}
    assert used.authors == 1
    assert (used.rows, used.unreadable.total(), dict(used.labelled)) == (2, 0, {"none": 1})
