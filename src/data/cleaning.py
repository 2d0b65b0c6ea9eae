"""Raw rows to entries: checked, normalised, without duplicates."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from src.data.labels import Labels
from src.data.numbered import UNKNOWN, Keys, Numbered, keys_of
from src.data.raw import CLEANED
from src.data.schema import ENTRIES
from src.errors import UserError

SAME_TEXT, SAME_ID = "duplicate text", "repeated id"  # why a row leaves that is not the first

KEY_BYTES = 8  # of a text's digest, that tell it from the others of one source
REMEMBERED = 65_536  # authors whose pseudonym is not computed again

# Controls but line feed, halves of surrogate pairs, and signs that show nothing and only make
# equal texts differ. Joiners stay: emoji and several scripts are written with them.
_HIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
    "\ud800-\udfff]"
)
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_BREAK = re.compile(r" ?\n ?")
# An id of letters and digits, or a UUID: some of these look like other numbers.
_HARMLESS = re.compile(r"\w+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
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


class Firsts:
    """Of equal texts the first stays, and so does the first of equal ids.

    A row that leaves makes no other one leave. Memory holds some 30 bytes for each that stays.
    """

    def __init__(self) -> None:
        self._texts, self._ids = Numbered(), Numbered()

    def leave(self, texts: Keys, ids: Sequence[str], taken: Sequence[bool] = ()) -> list[str]:
        """Tell why each of the next rows leaves, "" where it stays.

        Parameters
        ----------
        texts
            A key of each row's text: `(n_rows,)`.
        ids
            Its id.
        taken
            Whether a row that is not shown here has its id; none has where this is empty.
        """
        names = keys_of(ids)
        text_known = (self._texts.find(texts) != UNKNOWN).tolist()
        id_known = (self._ids.find(names) != UNKNOWN).tolist()
        reasons, stay = list[str](), list[int]()
        new_texts, new_ids = set[int](), set[str]()
        for number, (text, name) in enumerate(zip(texts.tolist(), ids, strict=True)):
            if text_known[number] or text in new_texts:
                reasons.append(SAME_TEXT)
            elif id_known[number] or name in new_ids or (taken and taken[number]):
                reasons.append(SAME_ID)
            else:
                new_texts.add(text)
                new_ids.add(name)
                stay.append(number)
                reasons.append("")
        self._texts.number(texts[stay])
        self._ids.number(names[stay])
        return reasons


class Names(NamedTuple):
    """Gives entries their ids.

    Attributes
    ----------
    hide
        Replaces what identifies people in a text.
    stand_in
        Names an entry instead of an id that `hide` would change.
    """

    hide: Callable[[str], str]
    stand_in: Callable[[str], str]

    def given(self, cell: str | None) -> str:
        """Give the id that a source has for an entry, or what stands in for it; "" without one."""
        name = (cell or "").strip()
        if not name or _HARMLESS.fullmatch(name) or self.hide(name) == name:
            return name
        return self.stand_in(name)

    @staticmethod
    def made(text: str) -> str:
        """Give the id that an entry has by its text, as cleaned."""
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Cleaner:
    """Turns raw rows into entries, and counts what it met.

    Of equal texts the first stays, and so does the first of equal ids. An entry without an id is
    named by the sha256 of its text. Memory holds one table, and some 40 bytes for each entry.

    Parameters
    ----------
    labels
        Reads labels and scores.
    pseudonym
        Gives an author's pseudonym.
    hide
        Replaces what identifies people in a text.
    stand_in
        Names an entry instead of an id that `hide` would change.
    forgotten
        Tells by pseudonym and id which entries are to be forgotten: they are only counted.
    menders
        Repair texts, by what they repair, in order.
    other_language
        Names the language of a text that leaves for it; "" for one that stays.

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
    mended
        Texts that were changed, by what was repaired.
    languages
        Rows that left for their language, by its code.
    rows_of
        Rows by where they came from.
    """

    def __init__(
        self,
        labels: Labels,
        pseudonym: Callable[[str], str],
        *,
        forgotten: Callable[[str | None, str], bool] = lambda author, name: False,
        hide: Callable[[str], str] = lambda text: text,
        stand_in: Callable[[str], str] = lambda name: name,
        menders: Mapping[str, Callable[[str], str]] | None = None,
        other_language: Callable[[str], str] = lambda text: "",
    ) -> None:
        self.labels, self.pseudonym = labels, lru_cache(REMEMBERED)(pseudonym)
        self.forgotten, self.names = forgotten, Names(hide, stand_in)
        self.hide, self.menders, self.other_language = hide, dict(menders or {}), other_language
        self.mended, self.languages = Counter[str](), Counter[str]()
        self.rows = self.entries = 0
        self.dropped, self.unreadable, self.labelled = (
            Counter[str](),
            Counter[str](),
            Counter[str](),
        )
        self._firsts, self._authors = Firsts(), Numbered()
        self.rows_of = Counter[str]()

    @property
    def authors(self) -> int:
        """How many authors the entries have."""
        return self._authors.count

    def clean(self, tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Turn tables of `src.data.raw.RAW` into batches of entries.

        Texts that a source says were cleaned before are taken as they are.

        Raises
        ------
        UserError
            At the end: no row is left, or labels or scores could not be read.
        """
        yield from self.finished(self._firsts_of(self.read(table)) for table in tables)

    def finished(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count entries as they pass, the last step of cleaning.

        Raises
        ------
        UserError
            As `clean`.
        """
        for batch in batches:
            if batch.num_rows:
                self._count(batch)
                yield batch
        self.labels.finish()
        if not self.entries:
            reasons = "".join(
                f", {count:,} dropped as {why}" for why, count in self.dropped.items()
            )
            raise UserError(
                f"no usable rows: {self.rows:,} read{reasons}.",
                "Look at the column of texts: -P text_column=NAME",
            )

    def read(self, table: pa.Table) -> list[Row]:
        """Read a table's rows: those that are entries if each is the first of its kind."""
        cells = {name: table[name].to_pylist() for name in table.column_names}
        return [row for place in range(len(table)) if (row := self._row(cells, place))]

    def _firsts_of(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """Keep those that are the first of their kind."""
        why = self._firsts.leave(text_keys(rows), [row.id for row in rows])
        self.dropped.update(filter(None, why))
        kept = [row for row, reason in zip(rows, why, strict=True) if not reason]
        self.unreadable["created_at"] += sum(row.undated for row in kept)
        return batch_of(kept)

    def _count(self, batch: pa.RecordBatch) -> None:
        self.entries += batch.num_rows
        self.labelled.update(label or "none" for label in batch.column("label").to_pylist())
        self._authors.number(keys_of(batch.column("author").drop_null().to_pylist()))

    def _row(self, cells: Mapping[str, list[Any]], place: int) -> Row | None:
        """Read what tells whether a row is an entry; None where it has no text."""
        self.rows += 1
        source = cells["source"][place]
        self.rows_of[source] += 1
        text, cleaned = cells["text"][place] or "", CLEANED in cells and cells[CLEANED][place]
        if not cleaned:
            text = normalise(self._mended(text))
        if not text:
            self.dropped["empty text"] += 1
            return None
        if not cleaned and (language := self.other_language(text)):
            self.dropped["other language"] += 1
            self.languages[language] += 1
            return None
        if not cleaned:
            text = self.hide(text)
        digest = hashlib.sha256(text.encode()).digest()
        name = self.names.given(cells["id"][place]) or digest.hex()[:16]
        # Before anything is made of it, and before it makes another entry a duplicate.
        person = (cells["author"][place] or "").strip()
        author = self.pseudonym(person) if person else None
        if self.forgotten(author, name):
            self.dropped["forgotten people"] += 1
            return None
        words = (cells["score"][place] or "").strip()
        score = read_score(words) if words else None
        self.unreadable["score"] += bool(words) and score is None
        # Before duplicates go: a label that cannot be read is a mistake wherever it is.
        where = f"{source}, row {self.rows_of[source]:,}"
        label = self.labels.read(cells["label"][place], score, where)
        words = (cells["created_at"][place] or "").strip()
        date = read_date(words) if words else None
        return Row(
            id=name,
            text=text,
            author=author,
            created_at=date,
            label=label,
            score=score,
            topics=self._topics(cells["topics"][place] or ()),
            source=source,
            digest=digest[:KEY_BYTES],
            undated=bool(words) and date is None,
            place=place,
        )

    def _mended(self, text: str) -> str:
        for what, mend in self.menders.items():
            sound = mend(text)
            self.mended[what] += sound != text
            text = sound
        return text

    def _topics(self, words: Iterable[str | None]) -> list[str] | None:
        """Keep each topic once, in order; None where there are none."""
        known = (self.hide(" ".join(normalise(word or "").split())) for word in words)
        return [topic for topic in dict.fromkeys(known) if topic] or None


class Row(NamedTuple):
    """A row that is an entry if it is the first of its kind: the entry's columns, and more.

    Attributes
    ----------
    digest
        The beginning of its text's digest.
    undated
        Whether it has a date that could not be read.
    place
        Where it stands in its table.
    """

    id: str
    text: str
    author: str | None
    created_at: datetime | None
    label: str | None
    score: float | None
    topics: list[str] | None
    source: str
    digest: bytes
    undated: bool
    place: int


def text_keys(rows: Iterable[Row]) -> Keys:
    """Give a key of each row's text: `(n_rows,)`."""
    return np.frombuffer(b"".join(row.digest for row in rows), np.uint64)


def batch_of(rows: Sequence[Row]) -> pa.RecordBatch:
    """Put rows into the columns of entries."""
    arrays = [
        pa.array([getattr(row, field.name) for row in rows], field.type) for field in ENTRIES.schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ENTRIES.schema)
