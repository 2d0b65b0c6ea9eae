from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.cards import figures
from src.cards.card import MOST_ROWS, Card, Figure, Link, Section, Table, render
from src.cards.pipeline_card import Stage, chain, pipeline_card
from src.cards.run_card import failure_card
from src.cards.topics_card import topic_map
from src.errors import UserError

pytestmark = pytest.mark.unit

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;$x^2$\\frac{"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of a page: tags and their attributes, text, and what is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(page: str) -> Page:
    """Make sure that a page is well-formed, self-contained, and runs nothing but its own script."""
    read = Page(page)
    assert read.open == []
    names = [tag for tag, _ in read.tags]
    assert names.count("script") == 1
    assert not {"img", "iframe", "link", "object", "embed"} & set(names)
    for tag, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        address = attributes.get("xlink:href") or attributes.get("src") or ""
        assert not address or address.startswith("#"), address
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page
    assert len(page) < 300_000
    # A table for each figure.
    assert names.count("figure") == names.count("details") == names.count("svg")
    assert names.count("h1") == 1
    return read


def every_figure(name: str) -> list[Figure]:
    return [
        figures.bars({name: 3, "other": -1.5}, name, (name, name)),
        figures.columns_of([1, 10, 100], [4, 5], name, name, log=True),
        figures.parts({name: {name: 1, "b": 2}}, name, (name, name)),
        figures.crosses([[1, 2], [3, 4]], [name, "b"], name, (name, name)),
        figures.ranges({name: (0.5, 0.4, 0.6, 9)}, name, (name, name), 0.5),
        figures.beside({name: ((0.5, 0.4, 0.6),) * 2}, (name, "b"), name, name),
        figures.steps([None, 0.5], name, (name, name)),
        figures.reliability([(0.5, 0.6, 0.4, 0.8, 9)], name),
        figures.lines([name, "2024-02"], {name: [1.0, 2.0]}, name, name),
        chain([Stage(name, "run", writes=("a",)), Stage("next", "failed", reads=("a",))]),
        topic_map(
            [{"topic_id": i, "topic_name": name + str(i), "words": [name]} for i in range(3)],
            [{"topic_details": [{"topic_id": i % 3, "confidence": 0.9}]} for i in range(9)],
        ),
    ]


@pytest.mark.slow
def test_whatever_a_card_is_given_is_shown_as_text() -> None:
    sections = [
        Section(HOSTILE, (HOSTILE,), Table((HOSTILE, "n"), [(HOSTILE, 1)]), every_figure(HOSTILE))
    ]
    card = Card(HOSTILE, HOSTILE, "bad", sections, HOSTILE, [(HOSTILE, HOSTILE)])
    read = check(render(card))
    assert read.text.count(HOSTILE) >= 8


@settings(max_examples=30, deadline=None)
@given(words=st.text(max_size=20))
def test_any_words_make_a_whole_page(words: str) -> None:
    table = Table((words,), [(words,), (Link(words, "https://example.org/"),)])
    check(render(Card(words, words, sections=[Section(words, (words,), table)], command=words)))


def test_a_figure_takes_the_colours_of_the_page_and_is_the_same_each_time() -> None:
    once, again = (figures.bars({"a": 1, "b": 2}, "Bars", ("a", "b")).svg for _ in range(2))
    assert once == again
    colours = set(re.findall(r"#[0-9a-f]{6}", once)) - {"#ffffff"}
    assert colours <= {"#000000"}
    assert "var(--accent)" in once
    assert "var(--font)" in once
    assert 'width="' not in once[: once.index(">")]


def test_long_tables_are_cut_and_say_so() -> None:
    page = render(
        Card("t", "h", sections=[Section("s", table=Table(("n",), [(i,) for i in range(75)]))])
    )
    assert f"and {75 - MOST_ROWS} more" in page
    assert Page(page).tags.count(("td", {"class": "n", "data-of": "n"})) == MOST_ROWS


def test_a_failure_says_what_and_the_way_out_first() -> None:
    given = {"entries": "runs:/1/e"}
    error = UserError("no dates", "-P split_by=random")
    text = check(failure_card("split", error, given, "again")).text
    order = [text.index(word) for word in ("no dates", "-P split_by=random", "runs:/1/e", "again")]
    assert order == sorted(order)


def test_the_pipeline_names_what_failed_and_what_changed() -> None:
    stages = [
        Stage("ingest", "reuse", "run 1… (2 min ago)", writes=("entries",), run_id="1" * 32),
        Stage("evaluate topics", "run", "forced", 2.5, "fine", "2" * 32, figures={"npmi": 0.25}),
        Stage("register topics", "failed", "the store is away"),
    ]
    page = pipeline_card(
        "main topics", stages, {"evaluate topics": {"npmi": 0.5}}, "python -m steps"
    )
    text = check(page).text
    assert "register topics failed: the store is away" in text
    assert "-0.250" in text
