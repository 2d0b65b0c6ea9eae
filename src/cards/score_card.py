"""What the card of score shows: how many entries were answered, and what the answers are like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from src.cards.card import Card, Section, Table
from src.cards.figures import bars, columns_of

if TYPE_CHECKING:
    from src.pipeline.execute import Context

LEVELS = ("high", "medium", "low")


def score_card(context: Context) -> Card:
    """Show counts, the answers by kind and how sure the model is of them."""
    metrics = {name: int(value) for name, value in context.metrics.items()}
    counts = json.loads(context.output("answers.json").read_text(encoding="utf-8"))
    answers = sorted(counts["answers"].items(), key=lambda one: (-one[1], one[0]))
    figures = [bars(_floats(dict(answers)), "Entries by answer", ("answer", "entries"))]
    if any(counts["levels"].values()):
        levels = {name: counts["levels"].get(name, 0) for name in LEVELS}
        caption = "Entries by level of confidence"
        figures.append(bars(_floats(levels), caption, ("level", "entries")))
    bins = counts["confidence"]
    edges = [place / len(bins) for place in range(len(bins) + 1)]
    caption = "Entries by confidence, of the first topic where there are several"
    sure = columns_of(edges, bins, caption, "confidence")
    told = [
        (name.removeprefix("dropped_").replace("_", " "), count)
        for name, count in sorted(metrics.items())
        if name.startswith("dropped_")
    ]
    sections = [
        Section("What it answers", figures=figures),
        Section("How sure it is", figures=[sure]),
    ]
    if told:
        words = ("Every other row of the source has one row of scores.",)
        table = Table(("reason", "rows"), told)
        sections.append(Section("What was left out", words, table))
    facts = [
        ("entries", f"{metrics['entries']:,}"),
        ("scored", f"{metrics['scored']:,}"),
        ("carried over", f"{metrics['carried_over']:,}"),
        ("left out", f"{metrics['rows'] - metrics['entries']:,}"),
    ]
    return Card("", "", "plain", sections, facts=facts)


def _floats(counts: dict[str, int]) -> dict[str, float]:
    return {name: float(count) for name, count in counts.items()}
