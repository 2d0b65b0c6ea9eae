from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from src.data.sample import SNIPPET, sample, snippet
from tests.data.conftest import MakeEntries

pytestmark = pytest.mark.unit
PRIVATE = "Today my neighbour came by and told me all about the garden that she has had for years."


def drawn(entries: pa.Table, level: str | None, **how: Any) -> list[str]:
    sides = pa.array(["train"] * entries.num_rows, pa.string())
    table = entries.append_column("split", sides)
    table = table.replace_schema_metadata({"privacy": level} if level else None)
    found: list[str] = sample(table, 9, 0, **how)["text"]
    return found


@pytest.fixture
def entries(make_entries: MakeEntries) -> pa.Table:
    return make_entries(
        [{"text": PRIVATE, "source": "diary.csv"}, {"text": "A tweet.", "source": "vader/tweets"}]
    )


@pytest.mark.parametrize("level", [None, "none", "strict"])
def test_private_text_is_not_shown(entries: pa.Table, level: str | None) -> None:
    assert drawn(entries, level) == ["(private)", "A tweet."]


def test_snippets_are_of_de_identified_sources_alone(entries: pa.Table) -> None:
    assert drawn(entries, None, snippets=True) == ["(private)", "A tweet."]
    assert drawn(entries, "none", snippets=True) == ["(private)", "A tweet."]
    shown, _ = drawn(entries, "strict", snippets=True)
    assert shown.endswith("…")
    assert PRIVATE.startswith(shown[:-1])
    assert len(shown) <= SNIPPET < len(PRIVATE)


@pytest.mark.parametrize("text", ["", "short", "x" * 500, "word " * 40, "a\nb\n" + "c" * 90])
def test_a_snippet_is_one_short_line(text: str) -> None:
    assert len(snippet(text)) <= SNIPPET
    assert "\n" not in snippet(text)


def test_without_entries_the_columns_are_there(entries: pa.Table) -> None:
    table = entries.append_column("split", pa.array(["train", "valid"], pa.string()))
    assert set(sample(table, 0, 0)) == {
        *("split", "source", "label", "characters", "words", "n_topics", "text")
    }
