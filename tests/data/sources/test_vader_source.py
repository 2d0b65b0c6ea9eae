from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from src import packages
from src.data import journal
from src.data.schema import ENTRIES
from src.data.sources import IngestParams, check, find, vader
from src.errors import UserError

FILES = {
    "tweets": "1\t2.5\tLove it &amp; you &lt;3\r\n2\t-0.5\tMeh \U0001f600\r\n3\t0.4\tA\ttab",
    "amazonReviewSnippets": "1_1\t-3\tBroke.\r\n1_2\t-0.1\tSent it back.\r\n2_1\t0.5\tFine.",
    "nytEditorialSnippets": "1_1\t0\tThe mayor spoke.",
    "movieReviewSnippets": "1\t4\tWonderful.\r\n",
}

JOURNAL = [
    {"author": "ta-01", "label": "neutral", "second_label": "neutral", "text": "Changed tyres."},
    {"author": "ta-01", "label": "mixed", "second_label": "mixed", "text": "Won, and lost him."},
    {"author": "tb-02", "label": "negative", "second_label": "mixed", "text": "Cold, but home."},
]


def packed(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> bytes:
    """Make an archive like the published one, pin it, and point the cache to an empty folder.

    The journal is a small one too.
    """
    small = tmp_path / "training.jsonl"
    small.write_text("".join(json.dumps(row) + "\n" for row in JOURNAL))
    monkeypatch.setattr(journal, "TRAINING", small)
    corpus = packed(
        {f"hutto_ICWSM_2014/{n}_GroundTruth.txt": text.encode() for n, text in FILES.items()}
    )
    content = packed({vader.CORPUS: corpus, "vaderSentiment-3.3.2/setup.py": b"1 / 0"})
    pinned = replace(vader.PACKAGE, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(vader, "PACKAGE", pinned)
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    return content


def put(content: bytes) -> Path:
    vader.PACKAGE.cached().parent.mkdir(parents=True, exist_ok=True)
    vader.PACKAGE.cached().write_bytes(content)
    return vader.PACKAGE.cached()


def fake_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> Path:
    """Have `python -m pip` run this code instead; give the file that notes its arguments."""
    package, notes = tmp_path / "fake" / "pip", tmp_path / "arguments"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "import sys, pathlib\n"
        f"pathlib.Path({str(notes)!r}).write_text(' '.join(sys.argv[1:]))\n"
        "folder = pathlib.Path(sys.argv[sys.argv.index('-d') + 1])\n"
        f"archive = folder / {vader.PACKAGE.archive!r}\n" + code
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    return notes


def rows() -> list[dict[str, object]]:
    return [row for table in vader.read(IngestParams()) for row in table.to_pylist()]


@pytest.mark.unit
def test_rows_come_straight_from_the_archive(archive: bytes, tmp_path: Path) -> None:
    put(archive)
    found = rows()
    assert [(r["id"], r["score"], r["text"], r["author"], r["source"]) for r in found[:8]] == [
        ("vader/tweets/1", "2.5", "Love it & you <3", None, "vader/tweets"),
        ("vader/tweets/2", "-0.5", "Meh \U0001f600", None, "vader/tweets"),
        ("vader/tweets/3", "0.4", "A\ttab", None, "vader/tweets"),
        ("vader/amazon/1_1", "-3", "Broke.", "amazonReviewSnippets/1", "vader/amazon"),
        ("vader/amazon/1_2", "-0.1", "Sent it back.", "amazonReviewSnippets/1", "vader/amazon"),
        ("vader/amazon/2_1", "0.5", "Fine.", "amazonReviewSnippets/2", "vader/amazon"),
        ("vader/nyt/1_1", "0", "The mayor spoke.", "nytEditorialSnippets/1", "vader/nyt"),
        ("vader/movies/1", "4", "Wonderful.", None, "vader/movies"),
    ]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [vader.PACKAGE.archive]


@pytest.mark.unit
def test_the_journal_follows_with_the_labels_that_both_readers_agree_on(archive: bytes) -> None:
    put(archive)
    assert [(r["text"], r["author"], r["label"], r["score"], r["source"]) for r in rows()[8:]] == [
        ("Changed tyres.", "ta-01", "neutral", None, "journal"),
        ("Won, and lost him.", "ta-01", None, None, "journal"),
        ("Cold, but home.", "tb-02", None, None, "journal"),
    ]
    assert [r["id"] for r in rows()[8:]] == [None] * 3


@pytest.mark.unit
def test_labels_follow_the_cut_points(archive: bytes, tmp_path: Path) -> None:
    from src.data.ingestion import ingest

    put(archive)
    report = ingest(IngestParams(), tmp_path / "entries")
    assert report.public
    assert ENTRIES.read(tmp_path / "entries")["label"].to_pylist() == [
        "positive",
        "negative",
        "neutral",
        "negative",
        "neutral",
        "positive",
        "neutral",
        "positive",
        "neutral",
        None,
        None,
    ]


@pytest.mark.unit
def test_the_fingerprint_is_of_the_pinned_hash_and_the_journal_and_needs_no_archive(
    archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = find("vader").fingerprint(IngestParams())
    assert find("vader").fingerprint(IngestParams()) == known
    assert not vader.PACKAGE.cached().exists()
    check(IngestParams())
    whole = journal.TRAINING.read_text()
    journal.TRAINING.write_text(whole.replace("tyres", "wheels"))
    assert find("vader").fingerprint(IngestParams()) != known
    journal.TRAINING.write_text(whole)
    monkeypatch.setattr(vader, "PACKAGE", replace(vader.PACKAGE, sha256="0" * 64))
    assert find("vader").fingerprint(IngestParams()) != known


def test_pip_fetches_once_and_checks_the_hash_itself(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index").write_bytes(archive)
    code = (
        f"archive.write_bytes(pathlib.Path({str(tmp_path / 'index')!r}).read_bytes())\n"
        "wanted = pathlib.Path(sys.argv[sys.argv.index('-r') + 1]).read_text()\n"
        f"assert wanted == 'vaderSentiment==3.3.2 --hash=sha256:{vader.PACKAGE.sha256}\\n'\n"
    )
    notes = fake_pip(monkeypatch, tmp_path, code)
    assert len(rows()) == 8 + len(JOURNAL)
    assert {"download", "--no-deps", "--no-binary", "--require-hashes"} <= set(
        notes.read_text().split()
    )
    notes.unlink()
    assert len(rows()) == 8 + len(JOURNAL)
    assert not notes.exists()
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [vader.PACKAGE.archive]


@pytest.mark.parametrize("kept", [0, 100, None])
def test_a_bad_archive_in_the_cache_is_fetched_again(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int | None
) -> None:
    put(archive[:kept] if kept is not None else archive[:-1] + b"x")
    (tmp_path / "index").write_bytes(archive)
    code = f"archive.write_bytes(pathlib.Path({str(tmp_path / 'index')!r}).read_bytes())\n"
    notes = fake_pip(monkeypatch, tmp_path, code)
    assert len(rows()) == 8 + len(JOURNAL)
    assert notes.exists()
    assert vader.PACKAGE.cached().read_bytes() == archive


def test_a_cut_archive_is_never_read_though_nothing_better_comes(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(archive[:-10])
    fake_pip(monkeypatch, tmp_path, "sys.exit('no network')\n")
    with pytest.raises(UserError, match="could not fetch"):
        rows()
    assert not vader.PACKAGE.cached().exists()


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("sys.exit('ERROR: no matching distribution')", "pip could not fetch", "index once"),
        (
            "sys.exit('ERROR: THESE PACKAGES DO NOT MATCH THE HASHES of https://me:pw@index')",
            "the package index has another",
            "Ask whoever runs the index",
        ),
        ("archive.write_bytes(b'another archive')", "not .* as it was published", "source="),
        ("pass", "not .* as it was published", "source="),
    ],
)
def test_nothing_but_the_published_archive_is_used(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str, hint
) -> None:
    fake_pip(monkeypatch, tmp_path, code + "\n")
    with pytest.raises(UserError, match=message) as caught:
        rows()
    assert hint in caught.value.hint
    assert "me:pw" not in caught.value.message + caught.value.hint
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.unit
def test_a_cache_that_cannot_be_written_is_named(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="cannot be kept") as caught:
        rows()
    assert "JOURNAL_CACHE=" in caught.value.hint


@pytest.mark.unit
def test_a_python_without_pip_is_told_so(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="no pip") as caught:
        check(IngestParams())
    assert "install pip" in caught.value.hint
    put(archive)
    check(IngestParams())


@pytest.mark.unit
def test_a_named_column_means_a_file(archive: bytes) -> None:
    with pytest.raises(UserError, match="text_column=notes names a column") as caught:
        check(IngestParams(text_column="notes"))
    assert "-P source=" in caught.value.hint


@pytest.mark.integration
@pytest.mark.slow
def test_the_published_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.data.ingestion import ingest

    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    try:
        vader.PACKAGE.fetch()
    except UserError as error:
        if "could not fetch" in error.message:
            pytest.skip("the package index cannot be reached")
        raise
    monkeypatch.setattr(sys, "executable", os.devnull)  # from here on nothing can be fetched
    report = ingest(IngestParams(), tmp_path / "entries")
    assert report.rows == 4_200 + 3_708 + 5_190 + 10_605 + 739
    assert report.entries + sum(report.dropped.values()) == report.rows
    # A published corpus stays as it is: its few tweets in other languages too.
    assert set(report.dropped) == {"duplicate text"}
    assert not report.replaced
    assert report.entries > 24_300
    assert not report.unreadable
    assert set(report.labels) == {"negative", "neutral", "positive", "none"}
    assert report.labels["none"] == 82 + 13
