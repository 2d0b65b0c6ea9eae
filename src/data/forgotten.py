"""Who is to be forgotten: read from a file, kept as keyed marks that lead back to nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from src.data.privacy import mark, pseudonym
from src.data.sources.columns import USUAL_NAMES
from src.errors import UserError

AUTHOR, ENTRY = "author", "entry"  # whom people name; other kinds are what was found of them
FOUND = "found"  # of whom something was found
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")  # an umlaut is typed in two ways
HINT = "Write one author or entry id on a line, or a CSV with a column author or id."

Mark = tuple[str, str]  # its kind, and 16 hex digits


@dataclass
class Forgotten:
    """Who was asked to be forgotten.

    Attributes
    ----------
    marks
        A mark for each author and for each entry id.
    met
        Those that something was found of.
    """

    marks: frozenset[Mark]
    met: set[Mark] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._by_id = any(kind == ENTRY for kind, _ in self.marks)

    @property
    def digest(self) -> str:
        """32 hex digits, the same for the same people."""
        return digest_of(self.marks)

    def has(self, author: str | None, name: str) -> bool:
        """Tell whether an entry is to be forgotten.

        Parameters
        ----------
        author
            The pseudonym.
        name
            The entry's id.
        """
        if not self.marks:
            return False
        found = self.marks & {
            *({(AUTHOR, author)} if author else ()),
            *({(ENTRY, mark(ENTRY, name))} if self._by_id else ()),
        }
        self.met |= found
        return bool(found)


def digest_of(marks: Iterable[Mark]) -> str:
    """Digest who is to be forgotten: 32 hex digits; empty for nobody."""
    asked = sorted(one for one in marks if one[0] in (AUTHOR, ENTRY))
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:32] if asked else ""


def read_words(path: Path) -> list[dict[str, str]]:
    """Read whom a file names: for each, the kinds that it may be and the word.

    A line that stands for itself may be an author as well as an entry id: it counts as both.

    Raises
    ------
    UserError
        It cannot be read, or names nobody; never says what is in it.
    """
    import csv

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path.name} is not UTF-8.", "Save it again as UTF-8.") from None
    except OSError as error:
        raise UserError(
            f"the file of whom to forget cannot be read ({error.strerror}).",
            "Name it: -P forget=/path/to/file",
        ) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # Spreadsheets part columns by semicolons or tabs, and quote what they write.
    parting = max(",;\t", key=lines[0].count) if lines else ","
    head = next(csv.reader(lines[:1], delimiter=parting), [])
    columns = [word.strip().casefold() for word in head]
    kinds = {
        place: kind
        for place, name in enumerate(columns)
        for kind, role in ((AUTHOR, "author"), (ENTRY, "id"))
        if name in USUAL_NAMES[role]
    }
    if kinds:
        try:
            rows = list(csv.reader(lines[1:], delimiter=parting, strict=True))
        except csv.Error:
            raise UserError(f"{path.name}: its quotes do not close as they should.", HINT) from None
        found = [
            {kinds[place]: word.strip()}
            for row in rows
            for place, word in enumerate(row)
            if place in kinds and word.strip()
        ]
    else:
        if len(head) > 1 or (lines and lines[0].startswith('"')):
            raise UserError(f"{path.name} has columns, but none is author or id.", HINT)
        found = [{AUTHOR: line, ENTRY: line} for line in lines]
    if not found:
        raise UserError(f"{path.name} names nobody to forget.", HINT)
    return found


def stand_in(name: str) -> str:
    """Give what an entry is called whose id would tell who wrote it: 16 hex digits, keyed."""
    return mark("id", name)


def marks_of(words: Iterable[dict[str, str]]) -> list[frozenset[Mark]]:
    """Give for each who is named the marks of what they may be, in each way to write it."""
    import unicodedata

    return [
        frozenset(
            (kind, told)
            for kind, word in kinds.items()
            for form in {word, *(unicodedata.normalize(how, word) for how in FORMS)}
            for told in (
                [pseudonym(form)]
                if kind == AUTHOR
                else [mark(ENTRY, form), mark(ENTRY, stand_in(form))]
            )
        )
        for kinds in words
    ]
