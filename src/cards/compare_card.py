"""Two runs or versions side by side as a page: what `compare` says, its intervals drawn."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from src.cards.card import Card, Section, Table, render
from src.cards.figures import beside
from src.history.comparison import both, seen, telling

if TYPE_CHECKING:
    from src.pipeline.answers import CompareAnswer, Differing, Figure

SAME = "The same on both sides."


def compare_page(found: CompareAnswer, equal: bool, words: Sequence[str]) -> str:
    """Write a comparison as one self-contained page.

    Parameters
    ----------
    equal
        Show metrics that are equal as well.
    words
        What the two were called by.
    """
    with_both = both(found["metrics"])
    apart = sum(figure["apart"] for figure in with_both)
    shown = [f for f in found["metrics"] if equal or seen(f, "a") != seen(f, "b")]
    names = Table(("", "run or version"), [("A", found["a"]), ("B", found["b"])])
    data = [
        (d["step"], d["name"], "same" if d["same"] else "differs", d["a"], d["b"])
        for d in found["data"]
    ]
    sections = [
        Section("What is compared", table=names),
        *_figures(shown),
        _differing("Settings", found["settings"]),
        Section("Data", table=Table(("step", "data", "", "A", "B"), data)) if data else None,
        _differing("Code", found["code"]),
        _differing("Environment", found["environment"]),
    ]
    headline = f"The intervals of {apart} of {len(with_both)} figures do not overlap"
    facts = [
        ("figures that differ", str(sum(seen(f, "a") != seen(f, "b") for f in found["metrics"]))),
        ("settings that differ", str(len(found["settings"]))),
        ("code files that differ", str(len(found["code"]))),
        ("packages that differ", str(len(found["environment"]))),
    ]
    command = shlex.join(["python", "-m", "steps", "compare", *words])
    kept = [section for section in sections if section]
    return render(Card(f"{found['a']} and {found['b']}", headline, "plain", kept, command, facts))


def _figures(figures: list[Figure]) -> Iterator[Section]:
    """Show the metrics of each step: intervals drawn, and all in a table."""
    if not figures:
        yield Section("Figures", (SAME,))
    for step in dict.fromkeys(figure["step"] for figure in figures):
        mine = telling(f for f in figures if f["step"] == step)
        rows = [
            (
                f["metric"].replace("_", " "),
                seen(f, "a"),
                seen(f, "b"),
                "" if f["difference"] is None else f"{f['difference']:+.3g}",
                "apart" if f["apart"] else "",
            )
            for f in mine
        ]
        table = Table(("metric", "A", "B", "B − A", "intervals"), rows)
        values = {
            f["metric"].replace("_", " "): ((f["a"], *f["a_interval"]), (f["b"], *f["b_interval"]))
            for f in mine
            if f["a_interval"] and f["b_interval"] and f["a"] is not None and f["b"] is not None
        }
        drawn = []
        if values:
            caption = f"Figures of {step} on both sides with 95 % intervals, those apart first"
            drawn = [beside(values, ("A", "B"), caption, "metric")]
        yield Section(f"Figures of {step}", table=table, figures=drawn)


def _differing(heading: str, found: list[Differing]) -> Section:
    """Show what differs between the two."""
    if not found:
        return Section(heading, (SAME,))
    rows = [(d["step"], d["name"], d["a"] or "–", d["b"] or "–") for d in found]
    return Section(heading, table=Table(("step", "name", "A", "B"), rows))
