"""What the card of monitor shows: each aspect, slices, answers that grew, and earlier looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Section, Table
from src.cards.figures import bars, lines

if TYPE_CHECKING:
    from src.pipeline.execute import Context

MOST_LOOKS = 30
LIVE = ("metric", "now", "low", "high", "when it was registered")
UNITS = {"embedding": "standard deviations"}


def monitor_card(context: Context) -> Card:
    """Show whether what arrives has drifted, and where."""
    found = json.loads((context.output("drift") / "drift.json").read_text(encoding="utf-8"))
    aspects = sorted(found["aspects"].items(), key=lambda item: -item[1]["effect"])
    rows = [
        (
            *(name, own["effect"], UNITS.get(name, "share of entries"), own["p"]),
            *(own["adjusted"], "drift" if name in found["drifted"] else ""),
        )
        for name, own in aspects
    ]
    said = (
        f"Drift is what is at least {found['least']:g} apart and has a corrected p-value of at "
        f"most {found['alpha']:g}: so often at most is there any false alarm.",
        f"{found['entries']:,} entries of {found['authors']:,} authors; an entry without an author "
        "counts as an author.",
    )
    effects = bars(
        {name: own["effect"] for name, own in aspects},
        "How far each aspect is from what the version was trained on",
        ("aspect", "apart"),
        "{:.3f}".format,
        second=[name for name, _ in aspects if name not in found["drifted"]],
    )
    columns = ("aspect", "apart", "unit", "p", "p, corrected", "")
    sections = [Section("Aspects", said, Table(columns, rows), [effects])]
    if found["slices"]:
        sections.append(_slices(found, aspects[0][0]))
    sections += _answers(found)
    if found["live"]:
        live = [
            (name.replace("_", " "), own["value"], own["low"], own["high"], own["registered"])
            for name, own in found["live"].items()
        ]
        words = ("On the entries whose labels are known, with 95 % intervals.",)
        sections.append(Section("How right it is", words, Table(LIVE, live)))
    sections += _looks(context)
    facts = [(name, f"{own['effect']:.3f}") for name, own in aspects]
    return Card("", "", "bad" if found["drifted"] else "good", sections, facts=facts)


def _slices(found: dict[str, Any], aspect: str) -> Section:
    rows = [
        (own["name"], own["n_entries"], own["alone"], own["without"]) for own in found["slices"]
    ]
    columns = ("slice", "entries", f"{aspect}, apart alone", "without it")
    words = ("First is that without which the others are nearest to the training entries.",)
    return Section("Slices", words, Table(columns, rows))


def _answers(found: dict[str, Any]) -> list[Section]:
    rows = [
        (own["name"], own["before"], own["now"], f"± {own['half']:.3f}", own["moved"])
        for own in found["answers"]
    ]
    columns = ("answer", "share before", "share now", "95 %", "")
    words = ["Before: held-out entries, which the version had not been trained on either."]
    if new := found["new_words"]:
        named = ", ".join(f"{word} ({n:,})" for word, n in new.items())
        words.append(f"Words that it does not know, with the number of their authors: {named}.")
    return [Section("Answers", words, Table(columns, rows))]


def _looks(context: Context) -> list[Section]:
    """Draw how far each aspect was at earlier looks at the same version."""
    mine = context.details
    past = [
        made.details["effects"]
        for made, _ in context.store.past("monitor")
        if (made.details.get("model"), made.details.get("version"))
        == (mine["model"], mine["version"])
    ]
    looks = [*reversed(past[: MOST_LOOKS - 1]), mine["effects"]]
    if len(looks) < 2:
        return []
    names = [name for name in mine["effects"] if all(name in look for look in looks)]
    series = {name: [look[name] for look in looks] for name in names}
    periods = [f"look {number}" for number in range(1, len(looks) + 1)]
    return [Section("Over time", figures=[lines(periods, series, "How far, look by look", "look")])]
