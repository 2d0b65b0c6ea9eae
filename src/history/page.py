"""A card as plain text: headline, facts, tables lined up; pictures by the tables of what they show.

Only what `src.cards.card` writes is read, but any page comes out as its words.
"""

from __future__ import annotations

import textwrap
from html.parser import HTMLParser

from src.history.tables import table

ROWS = 12  # of a table below a picture
QUIET = {"style", "script", "svg", "title", "summary"}


class Reader(HTMLParser):
    """Reads a page into paragraphs."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.blocks = width, list[str]()
        self.words, self.silent, self.pictured = "", 0, 0
        self.rows, self.row, self.flush = list[list[str]](), list[str](), list[bool]()
        self.fact, self.facts = "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        if tag in QUIET:
            self.silent += 1
        elif tag == "figure":
            self.pictured += 1
        elif tag == "table":
            self.rows, self.flush = [], []
        elif tag == "tr":
            self.row = []
        elif tag == "th":
            self.flush.append(("class", "n") in attrs)
        if tag in {"p", "h1", "h2", "h3", "pre", "td", "th", "dt", "dd", "figcaption", "li"}:
            self.words = ""

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and write it down if it is one."""
        if tag in QUIET:
            self.silent = max(self.silent - 1, 0)
        elif tag == "figure":
            self.pictured -= 1
        elif tag in {"td", "th"}:
            self.row.append(self.taken())
        elif tag == "tr":
            self.rows.append(self.row)
        elif tag == "table" and self.rows:
            self.end_table()
        elif tag == "dt":
            self.fact = self.taken()
        elif tag == "dd":
            self.facts.append(f"{self.fact} {self.taken()}")
        elif tag == "dl":
            self.put(" · ".join(self.facts))
        elif tag == "pre":
            self.blocks.append(textwrap.indent(self.words.strip(), "  "))
        elif tag == "h2":
            self.blocks.append(self.taken().upper())
        elif tag in {"p", "h1", "h3", "figcaption", "li"}:
            self.put(self.taken())

    def end_table(self) -> None:
        """Write a table down; of one below a picture the first rows."""
        columns, *rows = self.rows
        most = ROWS if self.pictured else len(rows)
        even = [row for row in rows if len(row) == len(columns)]
        self.blocks.append(table(columns, even[:most], self.width, self.flush))
        if len(even) > most:
            self.put(f"and {len(even) - most} more")

    def handle_data(self, data: str) -> None:
        """Take in words."""
        if not self.silent:
            self.words += data

    def taken(self) -> str:
        """Give the words of an element and forget them."""
        words, self.words = " ".join(self.words.split()), ""
        return words

    def put(self, words: str) -> None:
        """Write a paragraph down."""
        if words:
            self.blocks.append(textwrap.fill(words, self.width))


def as_text(page: str, width: int) -> str:
    """Read a page of HTML as plain text, within a width where its words allow it."""
    read = Reader(width)
    read.feed(page)
    read.close()
    return "\n\n".join(read.blocks)
