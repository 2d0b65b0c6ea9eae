from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.ingestion import ingest
from src.data.raw import place_of
from src.data.schema import ENTRIES
from src.data.sources import check, find
from src.data.sources.formats import FileParams
from src.data.sources.stored import endings
from src.errors import UserError
from tests.data.diary_sentences import SENTENCES
from tests.fakes import open_folder, told_to_others

pytestmark = pytest.mark.unit

Rows = list[dict[str, Any]]


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", "text", "author", "score", "topics"])
    for row in rows:
        writer.writerow(
            [row["id"], row["text"], row["author"], row["score"], ";".join(row["topics"])]
        )
    return text.getvalue().encode()


def as_json(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_parquet(rows: Rows) -> bytes:
    kept = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), kept)
    return kept.getvalue()


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True) if content else b""


def in_two(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Pack two halves one behind the other, as those do who append to a packed file."""
    return lambda content: pack(content[: len(content) // 2]) + pack(content[len(content) // 2 :])


KINDS: dict[str, Callable[[Rows], bytes]] = {
    "a.csv": as_csv,
    "a.csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "A.CSV.ZST": lambda rows: zstd(as_csv(rows)),
    "a.jsonl": as_json,
    "a.ndjson.gz": lambda rows: in_two(gzip.compress)(as_json(rows)),
    "a.jsonl.zst": lambda rows: in_two(zstd)(as_json(rows)),
    "a.parquet": as_parquet,
    "utf16.csv": lambda rows: as_csv(rows).decode().encode("utf-16"),
    "utf16.jsonl.gz": lambda rows: gzip.compress(as_json(rows).decode().encode("utf-16")),
}


def params(path: Path, **more: Any) -> FileParams:
    return FileParams(source=str(path), languages="any", cut_points="-1,2", **more)


def entries(path: Path, folder: Path) -> Rows:
    given = params(path)
    check(given)
    ingest(given, folder)
    return [
        {k: v for k, v in row.items() if k != "source"} for row in ENTRIES.read(folder).to_pylist()
    ]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "id": st.uuids().map(str),
                "text": st.text(min_size=1, max_size=12).map(
                    lambda text: f"day {text}".replace("\0", "")
                ),
                "author": st.sampled_from(["anna", "ben", "øystein"]),
                "score": st.integers(-3, 3).map(str),
                "topics": st.lists(
                    st.sampled_from(["work", "sleep", "été"]), min_size=1, max_size=2
                ),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_same_rows_are_the_same_entries_in_every_format(tmp_path: Path, rows: Rows) -> None:
    rows = [row | {"text": row["text"].encode("utf-8", "replace").decode()} for row in rows]
    found = []
    for name, write in KINDS.items():
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(write(rows))
        found.append(entries(folder / name, folder / "entries"))
    assert found[0]
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("a.csv", (".csv", "")),
        ("x/y.z/A.Jsonl.GZ", (".jsonl", "gzip")),
        ("a.csv.zst", (".csv", "zstd")),
        ("a.gz", ("", "gzip")),
        ("a", ("", "")),
        (".gz", ("", "gzip")),
        ("folder.csv/a", ("", "")),
    ],
)
def test_endings(name: str, ending: tuple[str, str]) -> None:
    assert endings(name) == ending


def test_a_folder_holds_packed_files_beside_others(tmp_path: Path) -> None:
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(b"text\nthree\n"))
    (tmp_path / "a.csv").write_text("text\none\ntwo\n")
    (tmp_path / "c.tar.gz").write_bytes(b"not ours")
    (tmp_path / "d.parquet.gz").write_bytes(b"nor this")
    tables = list(find(str(tmp_path)).read(params(tmp_path)))
    assert [(row["text"], row["source"]) for table in tables for row in table.to_pylist()] == [
        ("one", "a.csv"),
        ("two", "a.csv"),
        ("three", "b.csv.gz"),
    ]


def problem(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        entries(path, path.parent / "entries")
    assert "SECRET" not in caught.value.message + caught.value.hint
    folder = path.parent / "entries"
    assert not folder.exists() or not list(folder.iterdir())
    return caught.value


LONG = b"text,author\n" + b"".join(b"SECRET words %d,anna\n" % n for n in range(60_000))


@pytest.mark.parametrize(("name", "pack"), [("a.csv.gz", gzip.compress), ("a.csv.zst", zstd)])
def test_a_cut_or_damaged_pack_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(LONG)
    file = tmp_path / name
    for keep in (len(whole) - 1, len(whole) // 2, 20, 3):
        file.write_bytes(whole[:keep])
        assert re_search("is cut|is damaged", problem(file).message), keep
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    assert re_search(
        "is cut|is damaged|is not UTF-8|quotes do not|cells where", problem(file).message
    )
    file.write_bytes(LONG)
    assert "is damaged or not" in problem(file).message


def re_search(pattern: str, text: str) -> bool:
    return any(each in text for each in pattern.split("|"))


def test_a_pack_of_nothing_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    assert "a.csv.gz has no columns" in problem(tmp_path / "a.csv.gz").message


def test_a_small_pack_of_one_endless_line_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.data.sources.formats.LONGEST", 2**20)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "' + b"x" * 2**23 + b'"}\n'))
    assert "row 1: not one JSON object" in problem(tmp_path / "a.jsonl.gz").message
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text\n" + b"x" * 2**23 + b"\n"))
    assert "row 1: its quotes do not close" in problem(tmp_path / "a.csv.gz").message


def test_a_found_encoding_is_in_the_summary(tmp_path: Path) -> None:
    texts = "".join(f'"{text}"\n' for text in SENTENCES["fr"] * 3)
    (tmp_path / "a.csv").write_bytes(f"text\n{texts}".encode("cp1252"))
    (tmp_path / "b.csv").write_text("text\nplain\n")
    report = ingest(params(tmp_path), tmp_path / "entries")
    assert len(report.notes) == 1
    assert report.notes[0].startswith("a.csv as ")
    assert "; read a.csv as " in report.sentence
    assert "confidence 0." in report.sentence
    named = ingest(params(tmp_path / "a.csv", encoding="cp1252"), tmp_path / "named")
    assert named.notes == ()
    assert "read" not in named.sentence


def test_other_languages_and_mended_texts_are_counted(tmp_path: Path) -> None:
    texts = [
        SENTENCES["en"][0],
        SENTENCES["de"][0],
        SENTENCES["de"][1],
        SENTENCES["fr"][0],
        "<p>x &amp; y</p>",
    ]
    (tmp_path / "a.csv").write_text("text\n" + "".join(f'"{text}"\n' for text in texts))
    given = FileParams(source=str(tmp_path / "a.csv"), mend="html,mojibake")
    report = ingest(given, tmp_path / "entries")
    assert report.sentence == (
        "2 entries of 5 rows; dropped 3 of other language (de 2, fr 1); mended 1 of html"
    )
    assert report.metrics["dropped_language_de"] == 2
    assert report.metrics["mended_html"] == 1
    kept = ENTRIES.read(tmp_path / "entries")["text"].to_pylist()
    assert kept == [SENTENCES["en"][0], "x & y"]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_file_that_may_not_be_read_is_named(name: str) -> None:
    row = {"id": "1", "text": "a", "author": "b", "score": "1", "topics": []}
    with open_folder() as folder:
        good, bad = folder / f"good-{name}", folder / name
        for file in (good, bad):
            file.write_bytes(KINDS[name]([row]))
        assert not told_to_others(good, bad)
        bad.chmod(0)
        assert f"{name} may not be read" in told_to_others(good, bad)


def test_tables_tell_how_much_of_all_files_is_read(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": f"{i} days " * 9, "author": "b", "score": "1", "topics": []}
            for i in range(20_000)]  # fmt: skip
    for name, write in (("a.csv", as_csv), ("b.csv.gz", as_csv), ("c.parquet", as_parquet)):
        whole = write(rows)
        (tmp_path / name).write_bytes(gzip.compress(whole) if name.endswith("gz") else whole)
    for source in (tmp_path, *tmp_path.iterdir()):
        shares = [place_of(table) for table in find(str(source)).read(params(source))]
        assert len(shares) > 2
        assert shares == sorted(shares)
        assert 0 < shares[0] < 1
        assert shares[-1] == 1


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\none\n")
    (tmp_path / "b.csv").write_text("text\ntwo\n")
    tables = find(str(tmp_path)).read(params(tmp_path))
    assert next(tables).num_rows == 1
    (tmp_path / "b.csv").unlink()
    with pytest.raises(UserError, match=r"b\.csv was there and is gone"):
        list(tables)
