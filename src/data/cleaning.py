"""Raw rows to entries: checked, normalised, without duplicates."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import pyarrow as pa

from src.data.labels import Labels
from src.data.schema import ENTRIES
from src.errors import UserError

Value = TypeVar("Value")

# Controls but line feed, halves of surrogate pairs, and signs that show nothing and only make
# equal texts differ. Joiners stay: emoji and several scripts are written with them.
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
    "\ud800-\udfff]"
)
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_BREAK = re.compile(r" ?\n ?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?", re.DOTALL)


def normalise(text: str) -> str:
    r"""Give a text its one form: NFC, no control characters, single spaces, its line breaks.

    >>> normalise("  A \t long\r\n day\x00 ")
    'A long\nday'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = _LINE_BREAK.sub("\n", text).replace("\t", " ")
    text = unicodedata.normalize("NFC", _HIDDEN.sub("", text))
    return _AROUND_BREAK.sub("\n", _SPACES.sub(" ", text)).strip()


def read_date(words: str) -> datetime | None:
    """Read a date of ISO 8601, without a zone as UTC; None where it is none.

    >>> read_date("2024-03-01T08:30:00+02:00")
    datetime.datetime(2024, 3, 1, 6, 30, tzinfo=datetime.timezone.utc)
    """
    words = words.strip()
    if not _DATE.fullmatch(words):
        return None
    try:
        date = datetime.fromisoformat(words)
        return (date.replace(tzinfo=UTC) if date.tzinfo is None else date).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_score(words: str) -> float | None:
    """Read a finite number; None where it is none."""
    try:
        score = float(words)
    except ValueError:
        return None
    return score if math.isfinite(score) else None


class Cleaner:
    """Turns raw rows into entries, and counts what it met.

    Of equal texts the first stays, and so does the first of equal ids. An entry without an id is
    named by the sha256 of its text. Memory holds one table, a hash of each text, and the ids.

    Parameters
    ----------
    labels
        Reads labels and scores.
    pseudonym
        Gives an author's pseudonym.
    forgotten
        Tells by pseudonym and id which entries are to be forgotten: they are only counted.

    Attributes
    ----------
    rows, entries
        How many came in and went out.
    dropped
        Rows by the reason that they left for.
    unreadable
        Values that were no date or no number, and so are not given, by column.
    labelled
        Entries by label, "none" for those without.
    """

    def __init__(
        self,
        labels: Labels,
        pseudonym: Callable[[str], str],
        forgotten: Callable[[str | None, str], bool] = lambda author, name: False,
    ) -> None:
        self.labels, self.pseudonym, self.forgotten = labels, pseudonym, forgotten
        self.rows = self.entries = 0
        self.dropped, self.unreadable, self.labelled = (
            Counter[str](),
            Counter[str](),
            Counter[str](),
        )
        self.authors = dict[str, str]()
        self._pseudonyms = dict[str, str]()
        self._texts, self._ids = set[bytes](), set[str]()
        self._rows_of = Counter[str]()

    def clean(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Turn tables of `src.data.raw.RAW` into batches of entries.

        Raises
        ------
        UserError
            At the end: no row is left, or labels or scores could not be read.
        """
        for table in tables:
            entries = [entry for row in table.to_pylist() if (entry := self._entry(row))]
            if entries:
                yield pa.RecordBatch.from_pylist(entries, schema=ENTRIES.schema)
        self.labels.finish()
        if not self.entries:
            reasons = "".join(
                f", {count:,} dropped as {why}" for why, count in self.dropped.items()
            )
            raise UserError(
                f"no usable rows: {self.rows:,} read{reasons}.",
                "Look at the column of texts: -P text_column=NAME",
            )

    def _entry(self, row: dict[str, Any]) -> dict[str, Any] | None:
        self.rows += 1
        source = row["source"]
        self._rows_of[source] += 1
        text = normalise(row["text"] or "")
        if not text:
            self.dropped["empty text"] += 1
            return None
        digest = hashlib.sha256(text.encode()).digest()
        name = (row["id"] or "").strip() or digest.hex()[:16]
        # Before anything is made of it, and before it makes another entry a duplicate.
        person = (row["author"] or "").strip()
        author = self._author(person)
        if self.forgotten(author, name):
            self.dropped["forgotten people"] += 1
            return None
        score = self._read(row, "score", read_score)
        # Before duplicates go: a label that cannot be read is a mistake wherever it is.
        label = self.labels.read(row["label"], score, f"{source}, row {self._rows_of[source]:,}")
        if digest[:16] in self._texts:
            self.dropped["duplicate text"] += 1
            return None
        if name in self._ids:
            self.dropped["repeated id"] += 1
            return None
        self._texts.add(digest[:16])
        self._ids.add(name)
        self.entries += 1
        self.labelled[label or "none"] += 1
        if author:
            self.authors[person] = author
        return {
            "id": name,
            "text": text,
            "author": author,
            "created_at": self._read(row, "created_at", read_date),
            "label": label,
            "score": score,
            "topics": _topics(row["topics"] or ()),
            "source": source,
        }

    def _read(self, row: dict[str, Any], column: str, how: Callable[[str], Value]) -> Value | None:
        words = (row[column] or "").strip()
        value = how(words) if words else None
        self.unreadable[column] += bool(words) and value is None
        return value

    def _author(self, author: str) -> str | None:
        if author and author not in self._pseudonyms:
            self._pseudonyms[author] = self.pseudonym(author)
        return self._pseudonyms.get(author)


def _topics(words: Iterable[str | None]) -> list[str] | None:
    """Keep each topic once, in order; None where there are none."""
    topics = dict.fromkeys(" ".join(normalise(word or "").split()) for word in words)
    return [topic for topic in topics if topic] or None
