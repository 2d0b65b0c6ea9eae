from __future__ import annotations

import gzip
import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from src.data import download
from src.data.download import shown
from src.data.ingestion import ingest
from src.data.sources import check, find
from src.data.sources.http import HttpParams, name_of
from src.errors import UserError

BODY = b"text\none\ntwo\n"
Answer = Callable[[BaseHTTPRequestHandler], None]

pytestmark = pytest.mark.unit


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Web:
    """A web server whose answers are functions, by path; it notes what it was asked."""

    def __init__(self) -> None:
        self.answers = dict[str, Answer]()
        self.asked = list[tuple[str, str]]()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                web.asked.append((path, self.headers.get("Range", "")))
                web.answers[path](self)

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port

    def address(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    web = Web()
    threading.Thread(target=web.server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield web
    web.server.shutdown()
    web.server.server_close()


def whole(body: bytes = BODY) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def status(code: int, location: str = "") -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", "6")
        request.end_headers()
        request.wfile.write(b"S3CR3T")

    return answer


def in_parts(body: bytes, part: int, ranges: bool) -> Answer:
    """Answer with so many bytes at most and then hang up, from where it was asked or the start."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        request.wfile.write(body[start : start + part])

    return answer


def params(address: str, body: bytes = BODY, **more: Any) -> HttpParams:
    return HttpParams(source=address, sha256=sha256(body), languages="any", **more)


def read(given: HttpParams) -> list[str]:
    check(given)
    return [row["text"] for table in find(given.source).read(given) for row in table.to_pylist()]


def problem(given: HttpParams) -> UserError:
    with pytest.raises(UserError) as caught:
        read(given)
    assert "S3CR3T" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value


def test_a_file_is_read_and_named_by_its_address(web: Web, tmp_path: Path) -> None:
    packed = gzip.compress(BODY)
    web.answers["/a%20b/my%20diary.csv.gz"] = whole(packed)
    given = params(web.address("/a%20b/my%20diary.csv.gz?download=S3CR3T"), packed)
    assert read(given) == ["one", "two"]
    assert ingest(given, tmp_path / "entries").entries == 2


def test_nothing_is_asked_before_it_is_read(web: Web) -> None:
    given = params(web.address("/diary.csv"))
    check(given)
    assert len(find(given.source).fingerprint(given)) == 64
    assert web.asked == []


def test_the_fingerprint_is_of_the_name_and_the_checksum() -> None:
    def fingerprint(address: str, body: bytes = BODY) -> str:
        return find(address).fingerprint(params(address, body))

    known = fingerprint("https://example.org/diary.csv")
    assert fingerprint("https://elsewhere.example/x/diary.csv?download=1") == known
    assert fingerprint("https://example.org/diary.csv", b"other") != known
    assert fingerprint("https://example.org/diary.jsonl") != known
    upper = HttpParams(source="https://example.org/diary.csv", sha256=sha256(BODY).upper())
    assert find(upper.source).fingerprint(upper) == known


def test_another_file_than_the_one_meant_is_refused(web: Web, tmp_path: Path) -> None:
    web.answers["/diary.csv"] = whole(b"text\nS3CR3T\n")
    error = problem(params(web.address("/diary.csv")))
    assert sha256(BODY) in error.message
    assert sha256(b"text\nS3CR3T\n") in error.message
    with pytest.raises(UserError):
        ingest(params(web.address("/diary.csv")), tmp_path / "entries")
    assert not list((tmp_path / "entries").iterdir())


def test_what_was_downloaded_does_not_stay(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    web.answers["/diary.csv"] = whole()
    assert read(params(web.address("/diary.csv"))) == ["one", "two"]
    problem(params(web.address("/diary.csv"), b"other"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (404, "there is nothing at"),
        (410, "there is nothing at"),
        (401, "may not be read (401)"),
        (403, "may not be read (403)"),
        (500, "the server answered 500"),
    ],
)
def test_refusals_are_told_apart(web: Web, code: int, message: str) -> None:
    web.answers["/diary.csv"] = status(code)
    error = problem(params(web.address("/diary.csv?download=S3CR3T")))
    assert message in error.message
    assert "/diary.csv" in error.message


def test_a_redirect_to_another_host_is_followed_as_the_checksum_proves_it(web: Web) -> None:
    web.answers["/diary.csv"] = status(302, web.address("/moved.csv", "localhost"))
    web.answers["/moved.csv"] = whole()
    assert read(params(web.address("/diary.csv"))) == ["one", "two"]


def test_a_redirect_to_something_less_safe_is_not(web: Web) -> None:
    web.answers["/diary.csv"] = status(302, "ftp://127.0.0.1/diary.csv")
    assert "redirects to ftp://" in problem(params(web.address("/diary.csv"))).message
    web.answers["/diary.csv"] = status(302, "file:///etc/passwd")
    assert "the server answered 302" in problem(params(web.address("/diary.csv"))).message


def test_redirects_in_a_circle_end(web: Web) -> None:
    web.answers["/diary.csv"] = status(302, "/diary.csv")
    assert "the server answered 302" in problem(params(web.address("/diary.csv"))).message


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_is_cut_off_goes_on(web: Web, ranges: bool) -> None:
    body = b"text\n" + b"a day\n" * 50_000
    part = len(body) // 2 + 1 if ranges else len(body) + 1
    web.answers["/diary.csv"] = in_parts(body, part, ranges)
    if not ranges:  # the first answer is cut, the second starts anew

        def first(request: BaseHTTPRequestHandler) -> None:
            web.answers["/diary.csv"] = in_parts(body, part, ranges)
            in_parts(body, 1_000, ranges)(request)

        web.answers["/diary.csv"] = first
    assert len(read(params(web.address("/diary.csv"), body))) == 50_000
    assert len(web.asked) == 2
    assert web.asked[1][1].startswith("bytes=")


def test_a_download_that_is_always_cut_off_ends(web: Web) -> None:
    web.answers["/diary.csv"] = in_parts(BODY, 1, ranges=False)
    assert "it ended too early" in problem(params(web.address("/diary.csv"))).message
    assert len(web.asked) == download.TRIES


def test_a_server_that_says_nothing_is_left(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SECONDS", 0.2)
    monkeypatch.setattr(download, "TRIES", 1)
    done = threading.Event()
    web.answers["/diary.csv"] = lambda request: (done.wait(30), None)[1]
    assert "nothing came for 0.2 s" in problem(params(web.address("/diary.csv"))).message
    done.set()


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    error = problem(params("http://127.0.0.1:9/diary.csv"))
    assert (
        "http://127.0.0.1:9/diary.csv could not be downloaded: Connection refused" in error.message
    )


@pytest.mark.parametrize("said", [True, False])
def test_too_large_a_file_is_left(web: Web, said: bool) -> None:
    body = b"text\n" + b"x" * 2**21

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(body)

    web.answers["/diary.csv"] = whole(body) if said else endless
    error = problem(params(web.address("/diary.csv"), body, most_megabytes=1))
    assert "is larger than 1 MB" in error.message
    assert "most_megabytes" in error.hint


@pytest.mark.parametrize(
    ("address", "checksum", "message"),
    [
        ("https://example.org/diary.csv", "", "its checksum must be given"),
        ("https://example.org/diary.csv", "abc", "sha256 is not 64 hex digits"),
        ("https://example.org/diary.pdf", "0" * 64, "diary.pdf ends in .pdf"),
        ("https://example.org/", "0" * 64, "ends in nothing"),
        ("https://", "0" * 64, "names no server"),
        ("https://me:S3CR3T@example.org/diary.csv", "0" * 64, "a password or a token was typed"),
        ("https://example.org/diary.csv?sig=S3CR3T", "0" * 64, "a password or a token was typed"),
        (
            "https://example.org/diary.csv?a=1&Token=S3CR3T",
            "0" * 64,
            "a password or a token was typed",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(
    address: str, checksum: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check(HttpParams(source=address, sha256=checksum))
    assert "S3CR3T" not in caught.value.message + caught.value.hint


def test_addresses_are_shown_without_their_query() -> None:
    assert shown("https://example.org:8/a/b.csv?x=S3CR3T#x") == "https://example.org:8/a/b.csv"
    assert name_of("https://example.org/a%2Fb.csv") == "b.csv"
