"""`source=https://…`: one file of a web server, proven by its checksum before it is read."""

from __future__ import annotations

import hashlib
import http.client
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from src.data.sources import encodings, formats
from src.data.sources.formats import FileParams, check_ending
from src.data.sources.source import Source
from src.data.sources.stored import Stored
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS = 60.0  # that the server may say nothing
TRIES = 4  # of a download that is cut off
CHUNK = 2**18
SECRETS = {  # names in a query whose values let people in
    *("access_token", "api_key", "apikey", "auth", "code", "jwt", "key", "password", "secret"),
    *("sig", "signature", "token", "x-amz-credential", "x-amz-security-token", "x-amz-signature"),
    *("x-goog-credential", "x-goog-signature"),
}


@dataclass(frozen=True)
class HttpParams(FileParams):
    """What a file of a web server takes besides."""

    sha256: str = param(
        "", "Checksum of the file behind an https:// address, 64 hex digits", content=False
    )
    most_megabytes: int = param(
        4096, "Most megabytes that are downloaded from an https:// address", low=1, content=False
    )


def shown(address: str) -> str:
    """Give an address without its query."""
    where = urlsplit(address)
    return f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path}"


def name_of(address: str) -> str:
    """Give the name of the file that an address leads to.

    >>> name_of("https://example.org/a%20b/diary.csv.gz?key=1")
    'diary.csv.gz'
    """
    return unquote(urlsplit(address).path).rpartition("/")[2]


def check(params: HttpParams) -> None:
    """Check the address and that there is a checksum; nothing is fetched.

    Raises
    ------
    UserError
        Something is wrong with either.
    """
    where = urlsplit(params.source)
    if not where.hostname:
        raise UserError(f"{params.source} names no server.", "-P source=https://server/entries.csv")
    asked = {name.lower() for name, _ in parse_qsl(where.query, keep_blank_values=True)}
    if "@" in where.netloc or asked & SECRETS:
        raise UserError(
            "an address must hold no password, key or signature: it is logged.",
            "Download the file yourself and name it: -P source=entries.csv",
        )
    check_ending(name_of(params.source) or "the address")
    encodings.check(params.encoding)
    _ = checksum(params)


def checksum(params: HttpParams) -> str:
    """Give the checksum that was typed, in lower case.

    Raises
    ------
    UserError
        There is none, or it is no sha256.
    """
    digits = params.sha256.strip().lower()
    if not digits:
        raise UserError(
            f"{shown(params.source)} can change at any time: its checksum must be given.",
            "-P sha256=<64 hex digits>, as in: sha256sum entries.csv",
        )
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise UserError("sha256 is not 64 hex digits.", "sha256sum entries.csv shows it")
    return digits


def fingerprint(params: HttpParams) -> str:
    """Digest the file's name and the checksum, as no other content is ever read."""
    named = f"{name_of(params.source)}\0{checksum(params)}\n"
    return hashlib.sha256(named.encode()).hexdigest()


def read(params: HttpParams) -> Iterator[pa.Table]:
    """Download the file, prove it, and stream its rows as tables of `src.data.raw.RAW`."""
    with tempfile.TemporaryDirectory(prefix="download-") as folder:
        path = Path(folder) / "file"
        download(params, path)
        file = Stored(name_of(params.source), path.stat().st_size, lambda: path.open("rb"))
        formats.check([file], params)
        yield from formats.read([file], params)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but never from https to anything less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Make the next request.

        Raises
        ------
        UserError
            It would be less safe than what was typed.
        """
        ours, theirs = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if theirs not in {ours, "https"}:
            raise UserError(
                f"{shown(req.full_url)} redirects to {theirs}://, which is not followed.",
                "Name the address that it leads to, if you trust it.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(params: HttpParams, path: Path) -> None:
    """Fetch a file into `path`; one that is cut off goes on from there.

    Raises
    ------
    UserError
        It cannot be fetched, is too large, or is not the one of the checksum.
    """
    opener = urllib.request.build_opener(Redirects)
    where, most = shown(params.source), params.most_megabytes * 2**20
    with path.open("w+b") as file:
        for left in reversed(range(TRIES)):
            try:
                if fetched(opener, params.source, file, most):
                    break
                problem = "it ended too early"
            except urllib.error.HTTPError as error:
                error.close()
                raise refused(where, error.code) from None
            except urllib.error.URLError as error:
                problem = reason(error.reason)
            except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
                problem = reason(error)
            if not left:
                raise UserError(
                    f"{where} could not be downloaded: {problem}.", "Check the address and network."
                )
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != checksum(params):
        raise UserError(
            f"{where} is not the file that was meant: its sha256 is {digest}, "
            f"not {checksum(params)}.",
            "Look whether it was replaced; if the new one is wanted, name its sha256.",
        )


def fetched(
    opener: urllib.request.OpenerDirector, address: str, file: IO[bytes], most: int
) -> bool:
    """Ask for what is missing at a file's end; tell whether it is whole now.

    Raises
    ------
    UserError
        There is more than `most` bytes of it.
    """
    start = file.seek(0, 2)
    headers = {"User-Agent": "journal-models", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - http and https only
    with opener.open(request, timeout=SECONDS) as answer:
        if start and not (
            answer.status == http.client.PARTIAL_CONTENT
            and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        ):
            start = file.seek(0)
            file.truncate()
        length = answer.headers.get("Content-Length", "")
        whole = start + int(length) if length.isdigit() else None
        while (size := file.tell()) <= most and (whole or 0) <= most:
            chunk = answer.read(CHUNK)
            if not chunk:
                return whole is None or size == whole
            file.write(chunk)
    raise UserError(
        f"{shown(address)} is larger than {most // 2**20:,} MB.",
        "Is it the right file? -P most_megabytes=… allows more.",
    )


def refused(where: str, code: int) -> UserError:
    """Turn a server's status into a sentence."""
    if code in {401, 403, 407}:
        return UserError(
            f"{where} may not be read ({code}).", "Download it yourself: -P source=entries.csv"
        )
    if code in {404, 410}:
        return UserError(f"there is nothing at {where} ({code}).", "Look at the address.")
    return UserError(f"{where} could not be downloaded: the server answered {code}.", "Try later.")


def reason(error: object) -> str:
    """Name what went wrong on the way, without what a server said."""
    if isinstance(error, TimeoutError):
        return f"nothing came for {SECONDS:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it was cut off" if isinstance(error, Exception) else "it does not answer"


SOURCE = Source(
    name="http",
    help="such a file behind an https:// address, with its checksum",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
    params=HttpParams,
    schemes=("https", "http"),
)
