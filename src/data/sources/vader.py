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
import tarfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from src.data import journal
from src.data.sources.source import IngestParams, Source
from src.errors import UserError
from src.packages import Package

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.raw import Row

PACKAGE = Package(
    name="vaderSentiment",
    version="3.3.2",
    archive="vaderSentiment-3.3.2.tar.gz",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    holds="the built-in corpus",
    instead="use a file: -P source=entries.csv",
)
TOP = "vaderSentiment-3.3.2"
CORPUS = f"{TOP}/additional_resources/hutto_ICWSM_2014.tar.gz"
PARTS = {  # of what kind the texts of a file are
    "tweets": "vader/tweets",
    "amazonReviewSnippets": "vader/amazon",
    "nytEditorialSnippets": "vader/nyt",
    "movieReviewSnippets": "vader/movies",
}
# Who published the corpus put these in place of names and links: nobody wrote them.
PLACEHOLDER = re.compile(r"@anonymous|https?://url_removed", re.IGNORECASE)


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
    PACKAGE.check()


def fingerprint(params: IngestParams) -> str:
    """Digest the archive's pinned hash, as no other is ever read, and the journal's bytes."""
    both = f"{PACKAGE.sha256} {journal.fingerprint(journal.TRAINING)}"
    return hashlib.sha256(both.encode()).hexdigest()


def read(params: IngestParams) -> Iterator[pa.Table]:
    """Stream the four files, then the journal, as tables of `src.data.raw.RAW`."""
    from src.data.raw import tables

    yield from tables(chain(_rows(PACKAGE.fetch()), _journal()))


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
    with tarfile.open(PACKAGE.fetch()) as archive:
        return _member(archive, f"{TOP}/{PACKAGE.name}/{name}").decode()


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
