"""What the cards of ingest and split show: what came in, what left it, and where the rest went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.cards.card import Card, Section
from src.cards.figures import bars, parts
from src.data import LABELS, SIDES

if TYPE_CHECKING:
    from src.pipeline.execute import Context


def ingest_card(context: Context) -> Card:
    """Show how many rows came in, why some left, and what labels the others have."""
    metrics = context.metrics
    rows, entries = metrics["rows"], metrics["entries"]
    dropped = _group(context, "dropped_")
    figures = [bars(_group(context, "label_"), "Entries by label", ("label", "entries"))]
    if dropped:
        caption = "Rows that were left out, by reason"
        figures.append(bars(dropped, caption, ("reason", "rows")))
    if unreadable := _group(context, "unreadable_"):
        caption = "Values that could not be read and so are not given, by column"
        figures.append(bars(unreadable, caption, ("column", "values")))
    facts = [
        ("entries", f"{entries:,.0f}"),
        ("rows read", f"{rows:,.0f}"),
        ("left out", f"{1 - entries / rows:.1%}"),
        ("authors", f"{metrics['authors']:,.0f}"),
    ]
    return Card("", "", "good", [Section("What came in", figures=figures)], facts=facts)


def split_card(context: Context) -> Card:
    """Show what is on each side, and what was kept from crossing."""
    metrics = context.metrics
    sides = {
        side: {label: int(metrics[f"{side}_{label}"]) for label in (*LABELS, "none")}
        for side in SIDES
    }
    sizes = {side: metrics[f"{side}_entries"] for side in SIDES}
    authors = {side: metrics[f"{side}_authors"] for side in SIDES}
    near = {side: metrics.get(f"{side}_near_duplicates", 0.0) for side in ("train", "valid")}
    figures = [
        bars(sizes, "Entries by side", ("side", "entries")),
        parts(sides, "Labels by side", ("side", "label")),
    ]
    if any(authors.values()):
        figures.append(bars(authors, "Authors by side", ("side", "authors")))
    left = bars(
        near, "Entries that left a side for having nearly the same held out", ("side", "entries")
    )
    words = (
        "An author's entries are on one side only."
        if not context.details.get("waived")
        else context.details["waived"],
    )
    sections = [
        Section("What is where", figures=figures),
        Section("What was kept from crossing", words, figures=[left]),
    ]
    total = sum(sizes.values())
    facts = [(side, f"{size:,.0f} ({size / total:.0%})") for side, size in sizes.items()]
    facts.append(("near-duplicates left out", f"{sum(near.values()):,.0f}"))
    return Card("", "", "good", sections, facts=facts)


def _group(context: Context, prefix: str) -> dict[str, float]:
    """Give the metrics of one kind by what they count, the largest first."""
    found = {
        name.removeprefix(prefix).replace("_", " "): value
        for name, value in context.metrics.items()
        if name.startswith(prefix)
    }
    return dict(sorted(found.items(), key=lambda item: -item[1]))
