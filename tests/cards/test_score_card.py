"""The card of score: counts, what the answers are like, and what was left out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src.cards.card import render
from src.cards.score_card import score_card

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("levels", [{}, {"high": 3, "low": 1}])
def test_it_shows_answers_as_pictures_and_tables(tmp_path: Path, levels: dict[str, int]) -> None:
    counts = {"answers": {"sleep": 3, "<b>": 1}, "levels": levels, "confidence": [0] * 19 + [4]}
    (tmp_path / "answers.json").write_text(json.dumps(counts))
    metrics = {"rows": 6.0, "entries": 4.0, "scored": 3.0, "carried_over": 1.0}
    context: Any = SimpleNamespace(
        metrics=metrics | {"dropped_repeated_id": 2.0}, output=lambda name: tmp_path / name
    )
    card = score_card(context)
    assert dict(card.facts) == {"entries": "4", "scored": "3", "carried over": "1", "left out": "2"}
    figures = [figure for section in card.sections for figure in section.figures]
    assert len(figures) == (3 if levels else 2)
    assert list(figures[0].table.rows[0]) == ["sleep", 3.0]
    page = render(card)
    assert "repeated id" in page
    assert "<b>" not in page
