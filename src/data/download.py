"""A file of a web server, fetched in bounded memory and proven by its checksum."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from src.errors import UserError

SECONDS = 60.0  # that the server may say nothing
TRIES = 4  # of a download that is cut off
CHUNK = 2**18


def shown(address: str) -> str:
    """Give an address without its query."""
    where = urlsplit(address)
    return f"{where.scheme}://{where.netloc.rpartition('@')[2]}{where.path}"


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


def download(address: str, path: Path, sha256: str, most_megabytes: int) -> None:
    """Fetch a file into `path`; one that is cut off goes on from there.

    Parameters
    ----------
    address
        Where it is, over http or https.
    sha256
        Its checksum, 64 hex digits.
    most_megabytes
        How large it may be.

    Raises
    ------
    UserError
        It cannot be fetched, is too large, or is not the one of the checksum.
    """
    opener = urllib.request.build_opener(Redirects)
    where, most = shown(address), most_megabytes * 2**20
    with path.open("w+b") as file:
        for left in reversed(range(TRIES)):
            try:
                if fetched(opener, address, file, most):
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
    if digest != sha256:
        raise UserError(
            f"{where} is not the file that was meant: its sha256 is {digest}, not {sha256}.",
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
