"""One row for each id that ingest gives, whatever the texts are; the same parts in any batches."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.cleaning import Cleaner, Names
from src.data.deidentify import Deidentifier
from src.data.forgotten import stand_in
from src.data.labels import Labels
from src.data.privacy import pseudonym
from src.scoring.entries import TO_SCORE, Entries, in_parts
from tests.scoring.conftest import raw

pytestmark = pytest.mark.unit

IDS = st.sampled_from([None, "", " ", "1", "2", " 2 ", "a-b", "anna@example.org"])
TEXTS = st.sampled_from([None, "", " ", "One.", " One. ", "Two", "😀", "Write to bo@example.org"])
ROWS = st.lists(st.fixed_dictionaries({"id": IDS, "text": TEXTS, "author": st.none()}), max_size=12)


def entries(**changed: Any) -> Entries:
    hide = Deidentifier("strict")
    words = {"pseudonym": pseudonym, "forgotten": lambda author, name: False}
    return Entries(Names(hide, stand_in), **words | changed)


def cleaned(entries: Entries) -> Entries:
    """Name entries without an id by the text as ingest cleans it."""
    from src.data.cleaning import normalise

    hide = entries.names.hide
    entries.clean = lambda text: hide(normalise(text))
    return entries


@given(ROWS, st.integers(0, 12))
def test_every_id_has_one_row_and_every_row_with_an_id_or_a_text_counts(
    rows: list[dict[str, Any]], cut: int
) -> None:
    made = cleaned(entries())
    found = [
        row
        for part in made.read(filter(len, (raw(rows[:cut]), raw(rows[cut:]))))
        for row in part.to_pylist()
    ]
    ids = [row["id"] for row in found]
    assert len(set(ids)) == len(ids) == made.entries
    assert made.rows == len(rows) == made.entries + sum(made.dropped.values())
    named = [row for row in rows if (row["id"] or "").strip() or (row["text"] or "").strip()]
    assert made.dropped["no id and no text"] == len(rows) - len(named)
    assert all(ids)
    # Texts stay as they came: what a service would send.
    assert {row["text"] for row in found} <= {row["text"] or "" for row in rows}
    given = {(row["id"] or "").strip() for row in rows} - {"", "anna@example.org"}
    assert given <= set(ids)
    assert "anna@example.org" not in ids


@given(ROWS)
def test_scores_join_with_entries(rows: list[dict[str, Any]]) -> None:
    cleaner = Cleaner(Labels({}, None), pseudonym, hide=Deidentifier("strict"), stand_in=stand_in)
    usable = [row for row in rows if (row["text"] or "").strip()]
    kept = set[str]()
    if usable:
        for part in cleaner.clean([raw(rows)]):
            kept |= set(part["id"].to_pylist())
    found = {
        name for part in cleaned(entries()).read([raw(rows)]) for name in part["id"].to_pylist()
    }
    assert kept <= found


def test_the_first_of_equal_ids_stays_and_equal_texts_all_do() -> None:
    rows = [("1", "same"), ("2", "same"), ("1", "other"), ("3", "")]
    made = entries()
    (part,) = made.read([raw([{"id": name, "text": text} for name, text in rows])])
    assert part.schema == TO_SCORE
    assert part.select(["id", "text"]).to_pydict() == {
        "id": ["1", "2", "3"],
        "text": ["same", "same", ""],
    }
    assert made.dropped == {"repeated id": 1}


def test_whoever_is_forgotten_is_counted_and_makes_no_other_a_repeat() -> None:
    gone = pseudonym("Anna")
    made = entries(forgotten=lambda author, name: author == gone or name == "9")
    rows = [("1", "Anna"), ("1", "Ben"), ("9", "Ben")]
    table = raw([{"id": name, "author": who, "text": "x"} for name, who in rows])
    (part,) = made.read([table])
    assert part["author"].to_pylist() == [pseudonym("Ben")]
    assert made.dropped == {"forgotten people": 2}


@given(
    st.lists(st.text("ab", max_size=6), max_size=30),
    st.lists(st.integers(1, 7), max_size=30),
    st.integers(1, 5),
    st.integers(1, 9),
)
def test_parts_are_the_same_in_whatever_batches_the_rows_come(
    texts: list[str], cuts: list[int], rows: int, size: int
) -> None:
    ids = [str(n) for n in range(len(texts))]
    cells = [
        pa.array(ids, pa.string()),
        pa.nulls(len(ids), pa.string()),
        pa.array(texts, pa.string()),
    ]
    whole = pa.RecordBatch.from_arrays(cells, schema=TO_SCORE)

    def pieces() -> Any:
        start = 0
        for cut in [*cuts, len(texts)]:
            yield whole.slice(start, cut)
            start += cut
            if start >= len(texts):
                return

    expected = list(in_parts([whole], rows, size))
    assert list(in_parts(pieces(), rows, size)) == expected
    assert [name for part in expected for name in part["id"].to_pylist()] == ids
    for part in expected:
        sizes = [len(text) for text in part["text"].to_pylist()]
        assert len(sizes) <= rows
        assert sum(sizes[:-1]) < size
