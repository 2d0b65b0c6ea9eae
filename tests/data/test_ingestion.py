from __future__ import annotations

from pathlib import Path

import pytest

from src.data.ingestion import ingest
from src.data.schema import ENTRIES
from src.data.sources.formats import FileParams
from src.errors import UserError

pytestmark = pytest.mark.unit


def test_a_journal_becomes_entries(tmp_path: Path) -> None:
    file = tmp_path / "diary.csv"
    file.write_text(
        "journal_text,mood_score,user_id,created_at\n"
        "A good day,8,anna,2024-01-01\n"
        "A good day ,2,ben,2024-01-02\n"
        '"Rain,\nall day",3,ben,soon\n'
        "Work,5,anna,2024-01-03\n"
        ",5,anna,2024-01-03\n"
    )
    seen: list[int] = []
    report = ingest(
        FileParams(source=str(file)), tmp_path / "entries", lambda rows, share: seen.append(rows)
    )
    assert seen == [5]
    assert (report.rows, report.entries, report.authors, report.public) == (5, 3, 2, False)
    assert report.dropped == {"duplicate text": 1, "empty text": 1}
    assert report.unreadable == {"created_at": 1}
    assert report.labels == {"negative": 1, "neutral": 1, "positive": 1}
    assert report.metrics == {
        "rows": 5.0,
        "entries": 3.0,
        "authors": 2.0,
        "dropped_duplicate_text": 1.0,
        "dropped_empty_text": 1.0,
        "unreadable_created_at": 1.0,
        "label_negative": 1.0,
        "label_neutral": 1.0,
        "label_positive": 1.0,
    }
    entries = ENTRIES.read(tmp_path / "entries").to_pylist()
    assert [entry["text"] for entry in entries] == ["A good day", "Rain,\nall day", "Work"]
    assert entries[0]["author"] == entries[2]["author"] != entries[1]["author"]
    assert {entry["source"] for entry in entries} == {"diary.csv"}


def test_the_key_does_not_change_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "diary.csv"
    file.write_text("text,author\none,anna\ntwo,ben\nthree,anna\n")
    digests, authors = set(), set()
    for key in ("the first key of all", "another key of all"):
        monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", key)
        ingest(FileParams(source=str(file)), tmp_path / key)
        digests.add(ENTRIES.digest(tmp_path / key))
        authors.add(ENTRIES.read(tmp_path / key)["author"][0].as_py())
    assert len(digests) == 1
    assert len(authors) == 2


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("SECRET one,happy\nSECRET two,positive\n", "1 labels are not"),
        (",positive\n", "no usable rows: 1 read, 1 dropped as empty text"),
        ("SECRET one,positive\nSECRET,two,three\n", "row 2: 3 cells"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(
    tmp_path: Path, rows: str, problem: str
) -> None:
    file = tmp_path / "diary.csv"
    file.write_text("text,label\n" + rows)
    with pytest.raises(UserError, match=problem) as caught:
        ingest(FileParams(source=str(file)), tmp_path / "entries")
    assert "SECRET" not in caught.value.message + caught.value.hint
    assert not list((tmp_path / "entries").iterdir())


@pytest.mark.slow
def test_what_identifies_people_is_not_stored_unless_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "diary.csv"
    file.write_text(
        "id,text,topics\n"
        "anna@example.com,Wrote to anna@example.com about the rent,money;anna@example.com\n"
        "7,Called my sister Margaret today,family\n"
    )
    found = {}
    for privacy in ("", "standard", "off"):
        folder = tmp_path / (privacy or "usual")
        report = ingest(FileParams(source=str(file), privacy=privacy), folder)
        entries = ENTRIES.read(folder)
        found[privacy] = entries.to_pylist()
        level = (entries.schema.metadata or {}).get(b"privacy")
        assert level == {"": b"strict", "standard": b"standard", "off": None}[privacy]
        assert bool(report.replaced) == (privacy != "off")
        if privacy != "off":
            stored = str(found[privacy])
            assert "anna@" not in stored
            assert "<EMAIL>" in found[privacy][0]["text"]
            assert found[privacy][0]["topics"] == ["money", "<EMAIL>"]
            assert found[privacy][1]["id"] == "7"
    assert "Margaret" not in found[""][1]["text"]
    assert "Margaret" in found["standard"][1]["text"]
    assert found["off"][0]["id"] == "anna@example.com"
