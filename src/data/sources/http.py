"""`source=https://…`: one file of a web server, proven by its checksum before it is read."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from src.data.sources import encodings, formats
from src.data.sources.formats import FileParams, check_ending
from src.data.sources.source import Source
from src.data.sources.stored import Stored
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class HttpParams(FileParams):
    """What a file of a web server takes besides."""

    sha256: str = param(
        "", "Checksum of the file behind an https:// address, 64 hex digits", content=False
    )
    most_megabytes: int = param(
        4096, "Most megabytes that are downloaded from an https:// address", low=1, content=False
    )


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
            f"{name_of(params.source)} can change at any time: its checksum must be given.",
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
    from src.data.download import download

    with tempfile.TemporaryDirectory(prefix="download-") as folder:
        path = Path(folder) / "file"
        download(params.source, path, checksum(params), params.most_megabytes)
        file = Stored(name_of(params.source), path.stat().st_size, lambda: path.open("rb"))
        formats.check([file], params)
        yield from formats.read([file], params)


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
