"""What a card holds, and the one page that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from jinja2 import Template

Tone = Literal["good", "bad", "plain"]
Cell = str | int | float | None

MOST_ROWS = 60  # of a table; a card stays small whatever the data


@dataclass(frozen=True)
class Link:
    """Words that lead somewhere, as a cell of a table."""

    words: str
    address: str


@dataclass(frozen=True)
class Table:
    """A table, its columns named; figures are shown with their separators."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | Link]]

    @property
    def shown(self) -> Sequence[Sequence[Cell | Link]]:
        """The rows that fit on a card."""
        return self.rows[:MOST_ROWS]

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds nothing but numbers, so that it is set flush right."""
        return [
            all(isinstance(row[i], int | float) or row[i] is None for row in self.rows)
            for i in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Figure:
    """A picture and the table of what it shows, for those who cannot see it.

    Attributes
    ----------
    svg
        As `src.cards.figures` draws it: nothing in it comes from data unescaped.
    caption
        What there is to see, in a sentence.
    """

    svg: str
    caption: str
    table: Table


@dataclass(frozen=True)
class Section:
    """A heading with words, a table, figures and Markdown below it, each as it is there."""

    heading: str
    words: Sequence[str] = ()
    table: Table | None = None
    figures: Sequence[Figure] = ()
    markdown: str = ""


@dataclass(frozen=True)
class Card:
    """One page.

    Attributes
    ----------
    title
        Of which step.
    headline
        The verdict or result in a sentence.
    tone
        Whether that is good or bad news, or neither.
    sections
        In the order in which they are read.
    command
        What reproduces it; shown last.
    facts
        A few numbers that stand out: name and value.
    """

    title: str
    headline: str
    tone: Tone = "plain"
    sections: Sequence[Section] = ()
    command: str = ""
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple)


def render(card: Card) -> str:
    """Write a card as one self-contained page of HTML; all text in it is escaped."""
    page = _template().render(card=card)
    return page.encode("utf-8", "replace").decode()  # a path may be no UTF-8


def number(value: Cell) -> str:
    """Write a value for people.

    Examples
    --------
    >>> number(12345), number(0.12345), number(1234.5), number(2e-5), number(None)
    ('12,345', '0.123', '1,234', '< 0.001', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        if 0 < abs(value) < 0.001:
            return "< 0.001" if value > 0 else "> -0.001"
        return f"{value:.3f}"
    return value


def from_markdown(text: str) -> str:
    r"""Turn Markdown into HTML below a section's heading; nothing in it links or loads.

    Examples
    --------
    >>> from_markdown("## Use <b> of `it`")
    '<h3>Use &lt;b&gt; of <code>it</code></h3>\n'
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["link", "image", "autolink", "reference"])
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = "h3"
    found = str(reader.renderer.render(tokens, reader.options, {}))
    return found.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("src.cards", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["from_markdown"] = from_markdown
    environment.tests["link"] = lambda value: isinstance(value, Link)
    return environment.get_template("card.html")
