"""`source=s3://bucket/…`: the same files in an S3-compatible store: an object, a folder, a glob.

Credentials come from where AWS's tools look for them (the environment, `~/.aws`, the machine's
role), the endpoint of another store from `MLFLOW_S3_ENDPOINT_URL` or `AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import has_magic
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from src.data.sources import formats
from src.data.sources.formats import ENDINGS, FileParams, check_ending, ending_of
from src.data.sources.source import Source
from src.data.sources.stored import Stored
from src.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

LEAST, MOST = 2**18, 2**23  # bytes asked for at once: ever more while they are read in order
SECONDS, TRIES = 60, 5  # that one answer may take, and how often it is asked for

# What stores answer, and what it means.
DENIED = {"403", "AccessDenied", "Forbidden", "AllAccessDisabled"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
UNKNOWN_KEY = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}
GONE = {"404", "NoSuchKey", "NotFound", "NoSuchVersion"}
CHANGED = {"412", "PreconditionFailed"}
WHERE = "Check MLFLOW_S3_ENDPOINT_URL or AWS_ENDPOINT_URL, and the network."


@dataclass(frozen=True)
class Object:
    """An object of a store: its key, its size in bytes, and the tag of its content."""

    key: str
    size: int
    tag: str


def parts(address: str) -> tuple[str, str]:
    """Part an address into bucket and key.

    >>> parts("s3://diaries/2024/*.csv")
    ('diaries', '2024/*.csv')

    Raises
    ------
    UserError
        It names no bucket, or holds credentials.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if "@" in bucket or ":" in bucket:
        raise UserError(
            "an s3:// address holds a bucket and a key, never credentials: it is logged.",
            "Put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    if not bucket:
        raise UserError(f"{address} names no bucket.", "-P source=s3://bucket/folder/entries.csv")
    return bucket, key


def client() -> Any:
    """Connect to the store that the environment names."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(
        connect_timeout=SECONDS,
        read_timeout=SECONDS,
        retries={"mode": "standard", "total_max_attempts": TRIES},
    )
    endpoint = os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None
    try:
        return boto3.Session().client("s3", endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise UserError(
            f"AWS's settings cannot be used ({type(error).__name__}).",
            "Check AWS_PROFILE, ~/.aws and MLFLOW_S3_ENDPOINT_URL.",
        ) from None


@contextmanager
def answered(bucket: str, what: str) -> Iterator[None]:
    """Say in a sentence what a store's refusal means.

    Raises
    ------
    UserError
        Instead of every error of the client's.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        raise refused(code, bucket, what) from None
    except NoCredentialsError:
        raise UserError(
            "there are no credentials for S3.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        ) from None
    except (BotoCoreError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(
            f"{what} could not be read: the store did not answer ({type(error).__name__}).", WHERE
        ) from None


def refused(code: str, bucket: str, what: str) -> UserError:
    """Turn a store's error code into a sentence."""
    if code == "NoSuchBucket":
        return UserError(f"there is no bucket {bucket}.", f"Look at the address. {WHERE}")
    if code in EXPIRED:
        return UserError("the credentials for S3 have expired.", "Get new ones and run again.")
    if code in UNKNOWN_KEY:
        return UserError(
            "the store does not know the credentials for S3.",
            f"Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. {WHERE}",
        )
    if code in DENIED:
        return UserError(
            f"{what} may not be read with these credentials.",
            "They need s3:GetObject, and s3:ListBucket for folders and globs.",
        )
    if code in GONE:
        return UserError(f"{what} is not there (any more).", "Look at the address.")
    if code in CHANGED:
        return UserError(
            f"{what} changed while it was read.", "Run again once nobody writes to it."
        )
    return UserError(f"{what} could not be read: the store answered {code}.", WHERE)


def fits(key: list[str], pattern: list[str]) -> bool:
    """Tell whether a key's parts match a glob's, of which ** is any number of folders.

    >>> fits(["a", "b", "c.csv"], ["**", "*.csv"]), fits(["a", "c.csv"], ["*.csv"])
    (True, False)
    """
    if not key or not pattern:
        return key == pattern
    if pattern[0] == "**":
        return any(fits(key[start:], pattern[1:]) for start in range(len(key)))
    return fnmatchcase(key[0], pattern[0]) and fits(key[1:], pattern[1:])


def objects(address: str, store: Any) -> list[Object]:
    """List what an address means, in the order of the names: an object, a folder's, a glob's.

    Raises
    ------
    UserError
        It means none, or one with an ending that says nothing, or the store refuses.
    """
    bucket, key = parts(address)
    with answered(bucket, address):
        found = [] if key.endswith("/") or not key else one(store, bucket, key)
        missing = f"there is nothing at {address}."
        if not found and has_magic(key):
            folder = "/".join(_fixed(key.split("/")))
            every = listed(store, bucket, folder + "/" if folder else "")
            found = [each for each in every if fits(each.key.split("/"), key.split("/"))]
            missing = f"no object matches {address}."
        elif not found:
            folder = key.rstrip("/") + "/" if key else ""
            below = listed(store, bucket, folder, "/")
            found = [each for each in below if ending_of(each.key)]
            if below:
                missing = f"the folder {address} holds no files that end in {ENDINGS}."
    if not found:
        raise UserError(missing, "Look at the address: -P source=s3://bucket/folder/entries.csv")
    for each in found:
        check_ending(each.key)
    return sorted(found, key=lambda each: (_name(each), each.key))


def _fixed(pattern: list[str]) -> list[str]:
    magic = next(place for place, part in enumerate(pattern) if has_magic(part))
    return pattern[:magic]


def _name(each: Object) -> str:
    return each.key.rpartition("/")[2]


def one(store: Any, bucket: str, key: str) -> list[Object]:
    """Look one object up: it alone, or nothing."""
    from botocore.exceptions import ClientError

    try:
        head = store.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in GONE:
            return []
        # Why it refuses it can only say where its answer has a body.
        store.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")["Body"].close()
        raise
    return [Object(key, int(head["ContentLength"]), str(head["ETag"]))]


def listed(store: Any, bucket: str, folder: str, delimiter: str = "") -> list[Object]:
    """List the objects below a folder, or only those right in it."""
    pages = store.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=folder, Delimiter=delimiter
    )
    return [
        Object(each["Key"], int(each["Size"]), str(each["ETag"]))
        for page in pages
        for each in page.get("Contents", ())
        if not each["Key"].endswith("/")
    ]


class Bytes(io.RawIOBase):
    """An object's bytes in any order, fetched as they are needed and always of the same version."""

    def __init__(self, store: Any, bucket: str, which: Object) -> None:
        self._store, self._bucket, self._which = store, bucket, which
        self._at = self._from = 0
        self._here, self._ask = b"", LEAST

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read in any order."""
        return True

    def tell(self) -> int:
        """Tell where it is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._which.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read some bytes from here on.

        Raises
        ------
        UserError
            The object is gone or another since it was listed, or the store refuses.
        """
        within = self._at - self._from
        if not 0 <= within < len(self._here):
            if self._at >= self._which.size:
                return 0
            in_order = self._here and within == len(self._here)
            self._ask = min(MOST, self._ask * 2) if in_order else LEAST
            self._here = self._fetched(self._at, max(self._ask, min(len(into), MOST)))
            self._from, within = self._at, 0
        piece = self._here[within : within + len(into)]
        into[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _fetched(self, start: int, count: int) -> bytes:
        from botocore.exceptions import BotoCoreError

        last = min(start + count, self._which.size) - 1
        what = f"s3://{self._bucket}/{self._which.key}"
        with answered(self._bucket, what):
            for left in reversed(range(TRIES)):
                answer = self._store.get_object(
                    Bucket=self._bucket,
                    Key=self._which.key,
                    Range=f"bytes={start}-{last}",
                    IfMatch=self._which.tag,
                )
                # A store that knows no If-Match shows its tag all the same.
                if answer["ETag"] != self._which.tag:
                    raise refused("412", self._bucket, what)
                try:
                    return cast(bytes, answer["Body"].read())
                except (BotoCoreError, OSError):
                    # The client asks again by itself only before the first byte.
                    if not left:
                        raise
        raise AssertionError("unreachable")


def stored(params: FileParams) -> list[Stored]:
    """Give the objects as what formats read."""
    store = client()
    bucket, _ = parts(params.source)

    def opener(which: Object) -> Stored:
        def opened() -> BinaryIO:
            return cast(BinaryIO, io.BufferedReader(Bytes(store, bucket, which), 2**16))

        return Stored(_name(which), which.size, opened)

    return [opener(which) for which in objects(params.source, store)]


def check(params: FileParams) -> None:
    """Check that every object is there, has content and a column of texts, and the same roles.

    Raises
    ------
    UserError
        The first thing that is wrong.
    """
    formats.check(stored(params), params)


def fingerprint(params: FileParams) -> str:
    """Digest the objects' names, sizes and tags, which change with their content."""
    total = hashlib.sha256()
    for each in objects(params.source, client()):
        total.update(f"{_name(each)}\0{each.size}\0{each.tag}\n".encode())
    return total.hexdigest()


def read(params: FileParams) -> Iterator[pa.Table]:
    """Stream the objects' rows as tables of `src.data.raw.RAW`."""
    yield from formats.read(stored(params), params)


SOURCE = Source(
    name="s3",
    help="the same files in an S3-compatible store",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
    params=FileParams,
    schemes=("s3",),
)
