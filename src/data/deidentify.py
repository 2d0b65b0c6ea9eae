"""Takes out of a text what identifies people: e-mails, numbers, addresses and names become words.

Nothing here asks the network or a model: links and e-mails are found by linkify-it, phone numbers
are judged by phonenumbers, given names are those of Faker's lists, and the rest are patterns with
their check digits. Every search takes time in proportion to the text.
"""

from __future__ import annotations

import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

from src.data.identifiers import LONG_NUMBERS, NUMBERS, Span, contacts, papers, places
from src.data.person_names import names
from src.data.phones import bank_numbers, phones

LEVELS = ("strict", "standard", "off")
# What is replaced at each level; where two overlap, the earlier kind names the whole.
STANDARD = ("EMAIL", "URL", "IBAN", "CARD", "PHONE", "HANDLE")
STRICT = (
    "EMAIL",
    "URL",
    "IBAN",
    "CARD",
    "ID",
    "BIRTHDATE",
    "IP",
    "PHONE",
    "HANDLE",
    "ADDRESS",
    "NAME",
)
RANK = {kind: rank for rank, kind in enumerate(STRICT)}
MOST_PASSES = 10


def placeholder(kind: str) -> str:
    """Give the word that stands for what was replaced.

    >>> placeholder("NAME")
    '<NAME>'
    """
    return f"<{kind}>"


class Deidentifier:
    """Replaces what identifies people by words such as `<EMAIL>`, and counts what it replaced.

    At level "standard" that is what its form gives away: e-mails, links, IBANs, card and phone
    numbers, handles. "strict" adds what has to be read from the sentence and is missed or mistaken
    more often: names, addresses, numbers of papers, dates of birth, IP addresses. "off" changes
    nothing.

    A text that was de-identified stays as it is. One object may serve several threads.

    Parameters
    ----------
    level
        One of `LEVELS`.

    Attributes
    ----------
    replaced
        How many were replaced, by kind in lower case.

    Raises
    ------
    ValueError
        There is no such level.

    Examples
    --------
    >>> hide = Deidentifier("standard")
    >>> hide("Mail zoe@example.org or ring 020 7946 0018.")
    'Mail <EMAIL> or ring <PHONE>.'
    >>> dict(hide.replaced)
    {'email': 1, 'phone': 1}
    """

    def __init__(self, level: str) -> None:
        if level not in LEVELS:
            raise ValueError(f"the level must be one of {', '.join(LEVELS)}.")
        self.level = level
        self.replaced = Counter[str]()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> str:
        """De-identify a text."""
        if self.level == "off":
            return text
        found = Counter[str]()
        # What stood beside a replaced part may look different now.
        for _ in range(MOST_PASSES):
            spans = self.find(text)
            if not spans:
                break
            parts, end = list[str](), 0
            for span in spans:
                parts += (text[end : span.start], placeholder(span.kind))
                end = span.end
                found[span.kind.lower()] += 1
            text = "".join(parts) + text[end:]
        if found:
            with self._lock:
                self.replaced.update(found)
        return text

    def find(self, text: str) -> list[Span]:
        """Find what would be replaced first: spans in order, apart from each other."""
        if self.level == "off":
            return []
        view = plain(text)
        return _apart(_all(view, self.level == "strict"))


def plain(text: str) -> str:
    """Write a text in plain signs, as long as before: full-width forms, any digits, dashes, spaces.

    >>> plain("zoe＠example．org ٣")
    'zoe@example.org 3'
    """
    return text if text.isascii() else text.translate(_plain_signs())


@cache
def _plain_signs() -> dict[int, str]:
    signs = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    for sign in map(chr, range(0x80, 0x20000)):  # no later digits are known
        if sign.isdecimal():
            signs[ord(sign)] = str(unicodedata.decimal(sign))
    signs |= dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
    signs |= dict.fromkeys((0xA0, 0x2007, 0x2009, 0x202F, 0x3000), " ")
    return signs | {0x2018: "'", 0x2019: "'", 0x3002: ".", 0xFF61: "."}


def _all(view: str, strict: bool) -> Iterator[Span]:
    yield from contacts(view)
    has_numbers = NUMBERS.search(view)
    if has_numbers and LONG_NUMBERS.search(view):
        yield from bank_numbers(view)
        yield from phones(view)
    if strict:
        if has_numbers or "::" in view:
            yield from papers(view)
            yield from places(view)
        yield from names(view)


def _apart(spans: Iterator[Span]) -> list[Span]:
    """Join spans that overlap: what one of them covers goes, under the kind that ranks first."""
    apart = list[Span]()
    for span in sorted(spans):
        if apart and span.start < apart[-1].end:
            last = apart.pop()
            kind = min(last.kind, span.kind, key=RANK.__getitem__)
            span = Span(last.start, max(last.end, span.end), kind)
        apart.append(span)
    return apart
