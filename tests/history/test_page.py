"""Cards as plain text, and the tables below them."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.cards import figures
from src.cards.card import Card, Link, Section, Table, render
from src.history import tables
from src.history.page import as_text
from src.history.tables import table, wide
from src.pipeline import answers, live

pytestmark = pytest.mark.unit


def test_a_card_reads_well_as_text() -> None:
    sections = [
        Section("Gates", ("All passed.",), Table(("gate", "value"), [("accuracy", 0.5), ("n", 9)])),
        Section("Runs", table=Table(("run",), [(Link("abc", "https://example.org/"),)])),
    ]
    card = Card("train x", "It <works>", "good", sections, "python -m steps", [("ran", "3")])
    assert as_text(render(card), 60) == (
        "train x\n\nIt <works>\n\nran 3\n\nGATES\n\nAll passed.\n\n"
        "gate      value\n────────  ─────\naccuracy  0.500\nn             9\n\n"
        "RUNS\n\nrun\n───\nabc\n\nAGAIN\n\n  python -m steps"
    )


@pytest.mark.slow
def test_a_picture_is_told_by_the_head_of_its_table() -> None:
    bars = figures.bars({f"term {i}": i for i in range(30)}, "What counts", ("term", "weight"))
    text = as_text(render(Card("t", "h", sections=[Section("Terms", figures=[bars])])), 80)
    assert "What counts" in text
    assert "term 0" in text
    assert "and 18 more" in text
    assert "svg" not in text
    assert "viewBox" not in text


def test_wide_cells_are_folded_within_the_width() -> None:
    shown = table(("name", "words"), [("a", "word " * 40), ("b", "short")], 40)
    assert all(wide(line) <= 40 for line in shown.splitlines())
    assert shown.splitlines()[0] == "name  words"
    assert shown.count("word") > 40


@given(
    rows=st.lists(st.tuples(st.text(max_size=50), st.text(max_size=9)), max_size=6),
    width=st.integers(20, 120),
)
def test_any_table_keeps_all_its_words(rows: list[tuple[str, str]], width: int) -> None:
    shown = "".join(table(("a", "b"), rows, width).split())
    for row in rows:
        for cell in row:
            assert sum(map(shown.count, set("".join(cell.split())))) >= len(
                set("".join(cell.split()))
            )


@given(page=st.text(max_size=200), width=st.integers(30, 100))
def test_any_page_comes_out_as_words(page: str, width: int) -> None:
    assert isinstance(as_text(page, width), str)
    assert isinstance(as_text(f"<table><tr><td>{page}</table></figure>", width), str)


@pytest.mark.parametrize("module", [tables, live, answers])
def test_the_examples_in_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
