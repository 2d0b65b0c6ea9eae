from __future__ import annotations

import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.data.forgotten import AUTHOR, ENTRY, Forgotten, digest_of, marks_of, read_words, stand_in
from src.data.privacy import key_check, mark, pseudonym
from src.errors import UserError
from src.pipeline.results import Sealed
from steps.ingest import other_key

pytestmark = pytest.mark.unit


def written(folder: Path, text: str) -> Path:
    path = folder / "whom.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plain_line_is_an_author_and_an_entry_id(tmp_path: Path) -> None:
    assert read_words(written(tmp_path, "Anna\n\n  e, 7 \n")) == [
        {AUTHOR: "Anna", ENTRY: "Anna"},
        {AUTHOR: "e, 7", ENTRY: "e, 7"},
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("author\nAnna\n", [{AUTHOR: "Anna"}]),
        ("ID\n7\n8\n", [{ENTRY: "7"}, {ENTRY: "8"}]),
        ("user_id,why\nAnna,asked\n", [{AUTHOR: "Anna"}]),
        ('id,author\n7,\n,"Weiß, Anna"\n', [{ENTRY: "7"}, {AUTHOR: "Weiß, Anna"}]),
    ],
)
def test_a_header_says_what_is_meant(
    tmp_path: Path, text: str, found: list[dict[str, str]]
) -> None:
    assert read_words(written(tmp_path, text)) == found


@pytest.mark.parametrize("text", ["", " \n\n", "author\n", "id,author\n,\n"])
def test_nobody_to_forget_is_a_mistake(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="names nobody"):
        read_words(written(tmp_path, text))


@pytest.mark.parametrize(
    "text", ['"author"\n"Anna"\n', "author;why\nAnna;asked\n", "author\tn\nAnna\t1"]
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str) -> None:
    assert read_words(written(tmp_path, text)) == [{AUTHOR: "Anna"}]


def test_columns_of_which_none_is_meant_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none is author or id") as caught:
        read_words(written(tmp_path, "who;why\nAnna;asked\n"))
    assert "Anna" not in str(caught.value)


def test_errors_never_say_whom(tmp_path: Path) -> None:
    path = tmp_path / "whom.txt"
    path.write_bytes(b"Anna\xff\n")
    with pytest.raises(UserError, match="not UTF-8") as caught:
        read_words(path)
    assert "Anna" not in str(caught.value)
    path.write_text('author\n"Anna\n')
    with pytest.raises(UserError, match="quotes") as caught:
        read_words(path)
    assert "Anna" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_words(tmp_path / "nothing")


def test_marks_lead_back_to_nobody_and_follow_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    (marks,) = marks_of([{AUTHOR: "Anna", ENTRY: "Anna"}])
    ids = {(ENTRY, mark(ENTRY, name)) for name in ("Anna", stand_in("Anna"))}
    assert marks == {(AUTHOR, pseudonym("Anna")), *ids}
    assert len({word for _, word in marks}) == 3
    check = key_check()
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "another key for these tests")
    assert key_check() != check
    assert marks_of([{AUTHOR: "Anna", ENTRY: "Anna"}]) != [marks]


def test_a_name_is_met_in_either_way_to_write_it() -> None:
    typed, stored = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    assert typed != stored
    (marks,) = marks_of([{AUTHOR: typed}])
    assert Forgotten(marks).has(pseudonym(stored), "e1")


def test_entries_are_known_by_author_or_id() -> None:
    forgotten = Forgotten(frozenset().union(*marks_of([{AUTHOR: "Anna"}, {ENTRY: "e7"}])))
    assert forgotten.has(pseudonym("Anna"), "e1")
    assert forgotten.has(None, "e7")
    assert forgotten.has(None, stand_in("e7"))  # had the id told who wrote it
    assert forgotten.has(pseudonym("Ben"), "e7")
    assert not forgotten.has(pseudonym("Ben"), "e8")
    assert not forgotten.has(None, "Anna")
    assert forgotten.met == forgotten.marks


def test_the_digest_counts_people_and_not_what_was_found_of_them() -> None:
    people = {(AUTHOR, "a" * 16), (ENTRY, "b" * 16)}
    assert (
        digest_of(people) == digest_of([*people, ("text", "c" * 16)]) != digest_of(list(people)[:1])
    )
    assert digest_of([("text", "c" * 16)]) == ""


def test_another_key_than_that_of_the_last_reading_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    past: list[tuple[Sealed, Any]] = []
    store = SimpleNamespace(past=lambda step: past)
    context: Any = SimpleNamespace(details={}, store=store, step=SimpleNamespace(name="ingest"))
    assert other_key(context) == ""
    past += [(Sealed("public", {}, {}), None), (Sealed("run-1", {}, dict(context.details)), None)]
    assert other_key(context) == ""
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "another key for these tests")
    assert "other pseudonyms than in run run-1" in other_key(context)
