"""What the cards of ingest and split show: what came in, what left it, and where the rest went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Figure, Section, Table
from src.cards.figures import bars, columns_of, lines, parts
from src.data import LABELS, SIDES

if TYPE_CHECKING:
    from src.data.profile import Profile
    from src.pipeline.execute import Context

MOST_SCORES = 12  # that have a bar each; of more, bins


def ingest_card(context: Context) -> Card:
    """Show what came in, what was left out and why, and what the entries are like, in counts."""
    from src.data.profile import Profile

    profile = Profile.read(context.output("profile.json"))
    if profile is None:
        raise ValueError("this project cannot read the profile that it has written")
    figures = [bars(_floats(profile.labels), "Entries by label", ("label", "entries"))]
    if len(profile.sources) > 1:
        figures.append(bars(_floats(profile.sources), "Entries by source", ("source", "entries")))
    if profile.dropped:
        caption = "Rows that were left out, by reason"
        figures.append(bars(_floats(profile.dropped), caption, ("reason", "rows")))
    if profile.languages:
        caption = "Rows that left for their language"
        figures.append(bars(_floats(profile.languages), caption, ("language", "rows")))
    if any(profile.unreadable.values()):
        caption = "Values that could not be read and so are not given, by column"
        figures.append(bars(_floats(profile.unreadable), caption, ("column", "values")))
    replaced = {
        name.removeprefix("replaced_"): count
        for name, count in context.metrics.items()
        if name.startswith("replaced_")
    }
    if replaced:
        caption = "What identified people and was replaced, by kind"
        figures.append(bars(_floats(replaced), caption, ("kind", "replaced")))
    sections = [Section("What came in", figures=figures), _shape(profile)]
    # The step has brought the last accepted reading of this source here, where there is one.
    for path in sorted(context.folder.glob("last/*/profile.json")):
        if last := Profile.read(path):
            sections.append(beside_last(profile, last, path.parent.name))
            break
    broken = context.details.get("broken")
    if judged := context.tables.get("expectations.json"):
        sections.insert(0 if broken else 2, expectations(judged))
    share = 1 - profile.entries / profile.rows if profile.rows else 0.0
    facts = [
        ("entries", f"{profile.entries:,}"),
        ("rows read", f"{profile.rows:,}"),
        ("left out", f"{share:.1%}"),
        ("authors", f"{profile.authors:,}"),
    ]
    return Card("", "", "bad" if broken else "good", sections, facts=facts)


def expectations(judged: Mapping[str, Sequence[Any]]) -> Section:
    """Show what each rule found beside its limits, the broken ones first.

    Parameters
    ----------
    judged
        As `src.data.expectations.table` has it: a list for each column.
    """
    from src.data.rules import RULES

    by_name = {rule.name: rule for rule in RULES}
    names = ("expectation", "value", "low", "high", "at_least", "at_most", "broken")
    rows = list[tuple[str, ...]]()
    for name, *numbers, broken in sorted(
        zip(*(judged[name] for name in names), strict=True), key=lambda row: not row[-1]
    ):
        value, low, high, least, most = (
            "–" if n is None else by_name[name].show(n) for n in numbers
        )
        ends = f"{low} and more" if high == "–" else f"{low} to {high}"
        named = name.replace("_", " ") + (": broken" if broken else "")
        rows.append((named, value, ends, least, most))
    words = (
        "A rule is broken where the whole interval (99.9 %) of what was found lies beyond a limit.",
    )
    columns = ("rule", "found", "interval", "at least", "at most")
    return Section("Expectations", words, Table(columns, rows))


def _shape(profile: Profile) -> Section:
    """Draw how long entries are, when they were written, and what their scores are."""
    figures = []
    if profile.lengths:
        edges = [float(2**power) for power in range(max(profile.lengths).bit_length() + 1)]
        counts = [0] * (len(edges) - 1)
        for length, count in profile.lengths.items():
            counts[max(1, length).bit_length() - 1] += count
        first = next(place for place, count in enumerate(counts) if count)
        caption = "Entries by their length in characters"
        drawn = columns_of(edges[first:], counts[first:], caption, "characters", log=True)
        figures.append(drawn)
    if len(profile.months) > 1:
        months = sorted(profile.months)
        counted = {"entries": [float(profile.months[month]) for month in months]}
        figures.append(lines(months, counted, "Entries by month", "entries"))
    if len(profile.scores) > MOST_SCORES:
        figures.append(_binned(profile.scores))
    elif profile.scores:
        named = {f"{score:g}": float(n) for score, n in sorted(profile.scores.items())}
        figures.append(bars(named, "Entries by score", ("score", "entries")))
    return Section("What they are like", figures=figures)


def beside_last(now: Profile, last: Profile, run_id: str) -> Section:
    """Set what came in beside the last data that were accepted from this source."""

    def facts(profile: Profile) -> dict[str, int | float | None]:
        entries, scored = profile.entries or 1, sum(profile.scores.values())
        total = sum(score * count for score, count in profile.scores.items())
        found: dict[str, int | float | None] = {
            "entries": profile.entries,
            "authors": profile.authors,
            "left out of the rows": 1 - profile.entries / (profile.rows or 1),
            "characters, mean": sum(n * of for n, of in profile.lengths.items()) / entries,
            "of less than two words": profile.wordless / entries,
            "score, mean": total / scored if scored else None,
        }
        shares = {f"label {name}": profile.labels.get(name, 0) / entries for name in labels}
        shares |= {f"source {name}": profile.sources.get(name, 0) / entries for name in sources}
        return found | shares

    labels = (*LABELS, "none")
    largest = [list(_floats(profile.sources))[:MOST_SCORES] for profile in (now, last)]
    sources = dict.fromkeys(name for names in largest for name in names)
    rows = [
        (name, value, before, None if value is None or before is None else value - before)
        for (name, value), before in zip(facts(now).items(), facts(last).values(), strict=True)
        if (value, before) != (None, None)
    ]
    counts = {
        name: {label: profile.labels.get(label, 0) for label in labels}
        for name, profile in (("now", now), ("last", last))
    }
    words = (f"Accepted last was run {run_id[:8]}. Labels and sources are shares of the entries.",)
    table = Table(("", "now", "last", "change"), rows)
    drawn = parts(counts, "Labels now and in the last data", ("data", "label"))
    return Section("Beside the last data", words, table, [drawn])


def _binned(scores: Mapping[float, int]) -> Figure:
    """Draw scores of which there are many in bins of one width."""
    low, high = min(scores), max(scores)
    width = (high - low) / MOST_SCORES
    counts = [0] * MOST_SCORES
    for score, count in scores.items():
        counts[min(MOST_SCORES - 1, int((score - low) / width))] += count
    edges = [low + width * place for place in range(MOST_SCORES + 1)]
    return columns_of(edges, counts, "Entries by score", "score")


def _floats(counts: Mapping[str, float]) -> dict[str, float]:
    """Give counts, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: float(count) for name, count in ordered}


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
