from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.data.ingestion import ingest
from src.data.sources import check, encodings, find, s3
from src.data.sources.formats import FileParams
from src.data.sources.s3 import Bytes, Object, fits, objects
from src.errors import UserError
from tests import services

pytestmark = pytest.mark.integration
BUCKET = "diaries"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with services.s3() as endpoint:
        yield endpoint


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket with nothing in it, and the environment that leads there."""
    for name, value in services.S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
    store = s3.client()
    store.create_bucket(Bucket=BUCKET)
    yield store
    for each in s3.listed(store, BUCKET, ""):
        store.delete_object(Bucket=BUCKET, Key=each.key)
    store.delete_bucket(Bucket=BUCKET)


def put(store: Any, **content: bytes | str) -> None:
    """Put objects; in their names __ stands for a slash and _ for a point."""
    for name, body in content.items():
        key = name.replace("__", "/").replace("_", ".")
        store.put_object(
            Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body
        )


def params(place: str, **more: Any) -> FileParams:
    return FileParams(source=f"s3://{BUCKET}/{place}", **more)


def read(place: str, **more: Any) -> list[tuple[str, str]]:
    given = params(place, **more)
    check(given)
    tables = find(given.source).read(given)
    return [(row["text"], row["source"]) for table in tables for row in table.to_pylist()]


def problem(place: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read(place)
    assert "HIDDEN" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value


def parquet(rows: int) -> bytes:
    kept = io.BytesIO()
    texts = [f"day {n} " + os.urandom(40).hex() for n in range(rows)]
    pq.write_table(pa.table({"text": texts}), kept, row_group_size=5_000)
    return kept.getvalue()


def test_an_object_a_folder_and_a_glob(store: Any) -> None:
    put(store, a__2_csv="text\ntwo\n", a__1_csv="text\none\n", a__b__3_csv="text\nthree\n")
    put(
        store,
        a__notes_txt="not ours",
        a__4_jsonl_gz=gzip.compress(b'{"text": "four"}\n'),
        x_csv="text\nx\n",
    )
    one, two, three = ("one", "1.csv"), ("two", "2.csv"), ("three", "3.csv")
    four = ("four", "4.jsonl.gz")
    assert read("a/1.csv") == [one]
    assert read("a/") == read("a") == [one, two, four]
    assert read("a/*.csv") == [one, two]
    assert read("a/**/*.csv") == [one, two, three]
    assert read("*/[12].csv") == [one, two]
    assert read("") == [("x", "x.csv")]
    assert find(f"s3://{BUCKET}/a/").public is False


def test_a_key_may_look_like_a_glob(store: Any) -> None:
    store.put_object(Bucket=BUCKET, Key="day[1].csv", Body=b"text\none\n")
    assert read("day[1].csv") == [("one", "day[1].csv")]


def test_large_objects_are_read_in_pieces(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "LEAST", 2**14)
    monkeypatch.setattr(s3, "MOST", 2**16)
    put(store, a_parquet=parquet(12_000), b_csv=b"text\n" + b"a day like any other\n" * 40_000)
    assert len(read("a.parquet")) == 12_000
    assert len(read("b.csv")) == 40_000


def test_bytes_can_be_read_in_any_order(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "LEAST", 3)
    monkeypatch.setattr(s3, "MOST", 16)
    content = bytes(range(256))
    put(store, a_csv=content)
    (found,) = objects(f"s3://{BUCKET}/a.csv", store)
    opened = io.BufferedReader(Bytes(store, BUCKET, found), 8)
    assert opened.read() == content
    for start, count in ((250, 20), (0, 5), (100, 1), (99, 30), (255, 1), (256, 1), (300, 9)):
        assert opened.seek(start) == start
        assert opened.read(count) == content[start : start + count]
    opened.seek(-3, io.SEEK_END)
    assert opened.read() == content[-3:]


def test_the_fingerprint_follows_names_and_content_alone(store: Any) -> None:
    def fingerprint(place: str) -> str:
        return find(f"s3://{BUCKET}/a").fingerprint(params(place))

    put(store, a__1_csv="text\none\n", b__1_csv="text\none\n")
    known = fingerprint("a/")
    assert fingerprint("b/1.csv") == fingerprint("a/*.csv") == known
    put(store, a__1_csv="text\none\n")
    assert fingerprint("a/") == known
    put(store, a__1_csv="text\nOne\n")
    assert fingerprint("a/") != known
    put(store, b__2_csv="text\ntwo\n")
    assert fingerprint("b/") != known


def test_nothing_is_downloaded_for_the_fingerprint(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, a_csv="text\none\n")
    monkeypatch.setattr(Bytes, "_fetched", None)
    assert len(find(f"s3://{BUCKET}/a.csv").fingerprint(params("a.csv"))) == 64


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("none.csv", "there is nothing at s3://diaries/none.csv"),
        ("none/", "there is nothing at s3://diaries/none/"),
        ("n*.csv", "no object matches s3://diaries/n*.csv"),
        ("texts", "the folder s3://diaries/texts holds no files that end in .csv"),
        ("texts/a.txt", "a.txt ends in .txt"),
        ("empty.csv", "empty.csv is empty"),
        ("cut.csv.gz", "cut.csv.gz is cut"),
        ("bad.csv", "bad.csv, row 2: 1 cells"),
        ("bad.parquet", "bad.parquet is cut or not a parquet"),
    ],
)
def test_what_is_wrong_is_named(store: Any, place: str, message: str) -> None:
    put(store, texts__a_txt="HIDDEN", empty_csv="", bad_csv="text,label\na,b\nHIDDEN\n")
    put(store, cut_csv_gz=gzip.compress(b"text\nHIDDEN\n")[:-4], bad_parquet=b"HIDDEN")
    assert message in problem(place).message


def test_a_bucket_that_is_not_there(store: Any) -> None:
    for place in ("entries.csv", "folder/", "*.csv"):
        with pytest.raises(UserError, match="there is no bucket nobodys") as caught:
            check(FileParams(source=f"s3://nobodys/{place}"))
        assert "MLFLOW_S3_ENDPOINT_URL" in caught.value.hint


def test_an_object_that_changes_or_vanishes_while_it_is_read(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LEAST", 2**12)
    monkeypatch.setattr(s3, "MOST", 2**12)
    monkeypatch.setattr(encodings, "CHUNK", 2**12)
    body = "text\n" + "".join(f"HIDDEN day {n}\n" for n in range(30_000))
    for change, message in ((body.upper(), "changed while it was read"), (None, "is not there")):
        put(store, a_csv=body)

        def changed(rows: int, share: float | None, change: str | None = change) -> None:
            if change:
                put(store, a_csv=change)
            else:
                store.delete_object(Bucket=BUCKET, Key="a.csv")

        with pytest.raises(UserError, match=message) as caught:
            ingest(params("a.csv"), tmp_path / "entries", changed)
        assert "HIDDEN" not in caught.value.message
        assert not list((tmp_path / "entries").iterdir())


class Refusing:
    """A store that answers everything with the same error."""

    def __init__(self, code: str) -> None:
        from botocore.exceptions import ClientError

        self.error = ClientError({"Error": {"Code": code, "Message": "HIDDEN"}}, "GetObject")

    def head_object(self, **words: Any) -> Any:
        raise self.error

    def get_object(self, **words: Any) -> Any:
        raise self.error


@pytest.mark.unit
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("ExpiredToken", "the credentials for S3 have expired"),
        ("InvalidAccessKeyId", "does not know the credentials"),
        ("SignatureDoesNotMatch", "does not know the credentials"),
        ("AccessDenied", "s3://diaries/a.csv may not be read"),
        ("403", "s3://diaries/a.csv may not be read"),
        ("SlowDown", "the store answered SlowDown"),
        ("NoSuchBucket", "there is no bucket diaries"),
    ],
)
def test_refusals_are_told_apart(monkeypatch: pytest.MonkeyPatch, code: str, message: str) -> None:
    monkeypatch.setattr(s3, "client", lambda: Refusing(code))
    assert message in problem("a.csv").message


class Cut:
    """A store whose answers are cut off a few times before one is whole."""

    def __init__(self, times: int) -> None:
        self.times, self.asked = times, 0

    def get_object(self, **words: Any) -> Any:
        from botocore.exceptions import IncompleteReadError

        self.asked += 1

        class Body:
            def read(body) -> bytes:  # noqa: N805
                if self.asked <= self.times:
                    raise IncompleteReadError(actual_bytes=1, expected_bytes=4)
                return b"abcd"

        return {"ETag": '"1"', "Body": Body()}


@pytest.mark.unit
def test_answers_that_are_cut_off_are_asked_for_again() -> None:
    which = Object("a.csv", 4, '"1"')
    assert Bytes(Cut(s3.TRIES - 1), BUCKET, which).read(9) == b"abcd"
    with pytest.raises(UserError, match="the store did not answer"):
        Bytes(Cut(s3.TRIES), BUCKET, which).read(9)
    with pytest.raises(UserError, match="changed while it was read"):
        Bytes(Cut(0), BUCKET, Object("a.csv", 4, '"2"')).read(9)


@pytest.mark.unit
def test_a_store_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in services.S3_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3, "TRIES", 1)
    error = problem("a.csv")
    assert "the store did not answer (EndpointConnectionError)" in error.message
    assert "MLFLOW_S3_ENDPOINT_URL" in error.hint


@pytest.mark.unit
def test_without_credentials_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "there are no credentials for S3" in problem("a.csv").message


@pytest.mark.unit
@pytest.mark.parametrize("address", ["s3://key:HIDDEN@diaries/a.csv", "s3://", "s3:///a.csv"])
def test_addresses_that_make_no_sense(address: str) -> None:
    with pytest.raises(UserError) as caught:
        check(FileParams(source=address))
    assert "HIDDEN" not in caught.value.message + caught.value.hint


@pytest.mark.unit
@pytest.mark.parametrize(
    ("key", "pattern", "fit"),
    [
        ("a/b.csv", "*/*.csv", True),
        ("a/b.csv", "*.csv", False),
        ("a/b/c.csv", "a/**/c.csv", True),
        ("a/c.csv", "a/**/c.csv", True),
        ("a/c.csv", "**", False),
        ("A.csv", "a.csv", False),
        ("a/b", "a", False),
    ],
)
def test_globs_stop_at_slashes(key: str, pattern: str, fit: bool) -> None:
    assert fits(key.split("/"), pattern.split("/")) is fit


@pytest.mark.unit
def test_it_is_found_by_its_scheme_without_boto3() -> None:
    code = (
        "import sys\nfrom src.data.sources import find\n"
        "print(find('s3://a/b.csv').name, 'boto3' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert done.stdout.split() == ["s3", "False"]
