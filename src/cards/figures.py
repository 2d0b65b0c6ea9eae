"""Pictures for cards: SVG that takes the page's colours and font, with the table of its figures."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from src.cards.card import Cell, Figure, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for the page's own, so that one picture serves light and dark.
INK, MUTED, LINE, ACCENT, SECOND, PAPER, GOOD, BAD = (f"#0{n}0{n}0{n}" for n in range(1, 9))
NAMES = ("ink", "muted", "line", "accent", "second", "paper", "good", "bad")
VARIABLE = dict(zip((INK, MUTED, LINE, ACCENT, SECOND, PAPER, GOOD, BAD), NAMES, strict=True))

WIDTH = 4.4  # inches of 72 units: on a phone a letter is as large as in the text around it
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib; the page's own is narrower
    "font.size": 9.5,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "card",
}
MOST_BARS = 24
LONGEST_NAME, SHORT_NAME = 34, 14  # letters beside a bar, and in a legend or below a cell

_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SIZE = re.compile(r'(<svg[^>]*?)\s(?:width|height)="[^"]*"')
_FONT = re.compile(r"'DejaVu Sans'[^;\"]*")


def draw(height: float, title: str, paint: Callable[[Axes], None]) -> str:
    """Draw one picture.

    Parameters
    ----------
    height
        Inches, at a width of 4.4.
    title
        What a screen reader says.
    paint
        Draws on the axes.
    """
    import matplotlib.style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Picture

    buffer = io.StringIO()
    with matplotlib.style.context(["default", STYLE]):  # whatever the user has set
        picture = Picture(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(picture)
        paint(picture.subplots())
        picture.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = _METADATA.sub("", _HEAD.sub("", buffer.getvalue()))
    svg = _SIZE.sub(r"\1", _SIZE.sub(r"\1", svg, count=1), count=1)
    for colour, name in VARIABLE.items():
        svg = svg.replace(colour, f"var(--{name})")
    svg = _FONT.sub("var(--font)", svg)
    label = html.escape(title, quote=True)
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def bars(
    values: Mapping[str, float],
    caption: str,
    columns: tuple[str, str],
    written: Callable[[float], str] = "{:,.0f}".format,
    second: Sequence[str] = (),
) -> Figure:
    """Draw named values as horizontal bars, in the order given, each with its figure.

    Parameters
    ----------
    values
        At most 24 are drawn; the table has all.
    columns
        What the names and what the values are.
    second
        Names whose bars have the second colour.
    """
    shown = dict(list(values.items())[:MOST_BARS])

    def paint(axes: Axes) -> None:
        places = range(len(shown))
        colours = [SECOND if name in second else ACCENT for name in shown]
        axes.barh(places, list(shown.values()), color=colours, height=0.66)
        axes.set_yticks(places, [cut(name) for name in shown], color=INK)
        axes.set_ylim(len(shown) - 0.5, -0.5)  # one bar is as high as one of many
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        low, high = min([0.0, *shown.values()]), max([0.0, *shown.values()])
        room = (high - low or 1.0) * 0.02
        for place, value in zip(places, shown.values(), strict=True):
            at, side = (value + room, "left") if value >= 0 else (value - room, "right")
            axes.text(at, place, written(value), va="center", ha=side, color=INK)
        axes.set_xlim(low - 0.14 * (high - low) * (low < 0), high + 0.14 * ((high - low) or 1.0))

    svg = draw(0.35 + 0.27 * max(len(shown), 1), caption, paint)
    return Figure(svg, caption, Table(columns, [(n, float(v)) for n, v in values.items()]))


def columns_of(
    edges: Sequence[float], counts: Sequence[int], caption: str, name: str, log: bool = False
) -> Figure:
    """Draw a histogram: `counts` between `edges`, one more of these."""

    def paint(axes: Axes) -> None:
        axes.stairs(counts, edges, fill=True, color=ACCENT)
        few = len(edges) < 4  # of powers of ten there may be none among them
        axes.set_xlabel(cut(name))
        axes.set_ylabel("entries")
        axes.grid(visible=False, axis="x")
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
            axes.xaxis.set_minor_formatter(lambda value, place: f"{value:,.0f}" if few else "")
        axes.yaxis.set_major_formatter(lambda value, place: f"{value:,.0f}")
        axes.locator_params(axis="y", nbins=4)

    rows = [
        (f"{low:,.4g} to {high:,.4g}", int(count))
        for low, high, count in zip(edges, edges[1:], counts, strict=False)
    ]
    return Figure(draw(2.2, caption, paint), caption, Table((name, "entries"), rows))


def parts(rows: Mapping[str, Mapping[str, int]], caption: str, columns: tuple[str, str]) -> Figure:
    """Draw how rows are made up of at most four named parts, as shares of a whole bar each."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    pairs = list(zip(names, [BAD, MUTED, GOOD, LINE], strict=False))

    def paint(axes: Axes) -> None:
        for place, row in enumerate(rows.values()):
            total, start = sum(row.values()) or 1, 0.0
            for name, tint in pairs:
                share = row.get(name, 0) / total
                axes.barh(place, share, left=start, color=tint, height=0.6, edgecolor=PAPER)
                if share >= 0.09:
                    middle = start + share / 2
                    ink = INK if tint == LINE else PAPER
                    axes.text(middle, place, f"{share:.0%}", ha="center", va="center", color=ink)
                start += share
        axes.set_yticks(range(len(rows)), [cut(name) for name in rows], color=INK)
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xlim(0, 1)
        handles = [axes.barh(0, 0, color=tint, label=cut(name, SHORT_NAME)) for name, tint in pairs]
        axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4)

    svg = draw(0.75 + 0.34 * len(rows), caption, paint)
    table = Table(
        (columns[0], *names), [(n, *(row.get(k, 0) for k in names)) for n, row in rows.items()]
    )
    return Figure(svg, caption, table)


def crosses(
    counts: Sequence[Sequence[int]], names: Sequence[str], caption: str, axes_names: tuple[str, str]
) -> Figure:
    """Draw a confusion matrix: counts, and their shares of each row, which is one true class."""

    def paint(axes: Axes) -> None:
        for i, row in enumerate(counts):
            total = sum(row) or 1
            for j, count in enumerate(row):
                share = count / total
                axes.barh(i, 1, left=j - 0.5, height=1, color=ACCENT, alpha=0.85 * share + 0.04)
                ink = PAPER if share > 0.55 else INK
                axes.text(j, i - 0.12, f"{count:,}", ha="center", va="center", color=ink)
                words = f"{share:.0%}"
                axes.text(j, i + 0.2, words, ha="center", va="center", color=ink, fontsize=8)
        places = range(len(names))
        axes.set_xticks(places, [cut(name, SHORT_NAME) for name in names], color=INK)
        axes.set_yticks(places, [cut(name, SHORT_NAME) for name in names], color=INK)
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
        axes.set_xlabel(cut(axes_names[1]))
        axes.set_ylabel(cut(axes_names[0], SHORT_NAME))
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(False)

    rows: list[list[Cell]] = [
        [name, said, count, count / (sum(row) or 1)]
        for name, row in zip(names, counts, strict=True)
        for said, count in zip(names, row, strict=True)
    ]
    table = Table((*axes_names, "entries", f"share of the {axes_names[0]}"), rows)
    return Figure(draw(0.55 + 0.62 * len(names), caption, paint), caption, table)


def ranges(
    values: Mapping[str, tuple[float, float, float, int]],
    caption: str,
    columns: tuple[str, str],
    whole: float | None = None,
) -> Figure:
    """Draw a share of each name with the ends of its interval, and how many it rests on.

    Parameters
    ----------
    values
        (value, low, high, count) by name.
    whole
        The value of all together, drawn as a line.
    """
    shown = dict(list(values.items())[:MOST_BARS])

    def paint(axes: Axes) -> None:
        places = list(range(len(shown)))
        middle, low, high, _ = zip(*shown.values(), strict=True)
        if whole is not None:
            axes.axvline(whole, color=MUTED, linewidth=1, linestyle="--")
        axes.hlines(places, low, high, color=ACCENT, linewidth=2, alpha=0.55)
        axes.plot(middle, places, "o", color=ACCENT, markersize=5, clip_on=False)
        named = [f"{cut(name)} ({value[3]:,})" for name, value in shown.items()]
        axes.set_yticks(places, named, color=INK)
        axes.invert_yaxis()
        axes.set_xlabel(cut(columns[1]))
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
        left, right = axes.get_xlim()
        axes.set_xlim(max(left, 0.0), min(right, 1.0))  # there is no share beyond

    rows = [(name, *value) for name, value in values.items()]
    names = (columns[0], columns[1], "low", "high", "entries")
    table = Table(names, rows)
    return Figure(draw(0.75 + 0.27 * max(len(shown), 1), caption, paint), caption, table)


def beside(
    values: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]],
    sides: tuple[str, str],
    caption: str,
    name: str,
) -> Figure:
    """Draw figures of two sides below each other, each with the ends of its interval.

    Parameters
    ----------
    values
        ((value, low, high), (value, low, high)) by name; at most 24 are drawn, the table has all.
    sides
        What the two are called.
    name
        What the names are.
    """
    shown = dict(list(values.items())[:MOST_BARS])

    def paint(axes: Axes) -> None:
        places = list(range(len(shown)))
        for side, (label, tint, mark) in enumerate(zip(sides, (MUTED, ACCENT), "so", strict=True)):
            at = [place + 0.3 * side - 0.15 for place in places]
            value, low, high = zip(*(of[side] for of in shown.values()), strict=True)
            axes.hlines(at, low, high, color=tint, linewidth=2, alpha=0.55)
            axes.plot(value, at, mark, color=tint, markersize=5, label=cut(label, SHORT_NAME))
        axes.set_yticks(places, [cut(name) for name in shown], color=INK)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)

    rows: list[list[Cell]] = [[each, *a, *b] for each, (a, b) in values.items()]
    columns = (name, *(f"{side}{end}" for side in sides for end in ("", ", low", ", high")))
    return Figure(
        draw(0.75 + 0.36 * max(len(shown), 1), caption, paint), caption, Table(columns, rows)
    )


def reliability(points: Sequence[tuple[float, float, float, float, int]], caption: str) -> Figure:
    """Draw a reliability diagram (Guo et al., 2017).

    Parameters
    ----------
    points
        For each bin with answers: their mean confidence, the share that is right, the ends of its
        interval, and their number.
    """

    def paint(axes: Axes) -> None:
        sure, right, low, high, _ = zip(*points, strict=True)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--", label="calibrated")
        axes.vlines(sure, low, high, color=ACCENT, linewidth=2, alpha=0.55)
        axes.plot(sure, right, color=ACCENT, marker="o", linewidth=1.4, label="answers, by bin")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="share that is right")
        axes.legend(loc="upper left")

    table = Table(("confidence", "right", "low", "high", "answers"), list(points))
    return Figure(draw(2.9, caption, paint), caption, table)


def steps(values: Sequence[float | None], caption: str, names: tuple[str, str]) -> Figure:
    """Draw what came of each attempt, from 1, and the best so far; None is one that failed."""
    best, so_far = list[float](), -math.inf
    for value in values:
        so_far = so_far if value is None else max(so_far, value)
        best.append(so_far if so_far > -math.inf else math.nan)

    def paint(axes: Axes) -> None:
        places = range(1, len(values) + 1)
        fitted = [(p, v) for p, v in zip(places, values, strict=True) if v is not None]
        axes.step(places, best, where="post", color=ACCENT, linewidth=1.4, label="best so far")
        axes.plot(*zip(*fitted, strict=True), "o", color=MUTED, markersize=4, label="each")
        axes.set_xlabel(cut(names[0]))
        axes.set_ylabel(cut(names[1], SHORT_NAME))
        axes.locator_params(axis="x", integer=True)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)

    rows = [(n, *of) for n, of in enumerate(zip(values, best, strict=True), 1)]
    return Figure(draw(2.4, caption, paint), caption, Table((*names, "best so far"), rows))


def lines(
    periods: Sequence[str], series: Mapping[str, Sequence[float]], caption: str, name: str
) -> Figure:
    """Draw values over periods, a small picture for each name, all on one scale."""

    def paint(axes: Axes) -> None:
        highest = max((max(values) for values in series.values()), default=1.0) or 1.0
        for place, (label, values) in enumerate(series.items()):
            heights = [-place + 0.8 * value / highest for value in values]
            places = range(len(heights))
            axes.fill_between(places, -place, heights, color=ACCENT, alpha=0.25, linewidth=0)
            axes.plot(places, heights, color=ACCENT, linewidth=1.4)
            axes.text(0, -place + 0.84, cut(label), va="bottom", color=INK, fontsize=8)
        axes.set_yticks([])
        axes.set_xticks([0, len(periods) - 1], [cut(periods[0]), cut(periods[-1])])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)

    rows: list[list[Cell]] = [
        [period, *(values[i] for values in series.values())] for i, period in enumerate(periods)
    ]
    table = Table((f"period, {name}", *series), rows)
    return Figure(draw(0.4 + 0.55 * len(series), caption, paint), caption, table)


def cut(name: str, most: int = LONGEST_NAME) -> str:
    """Cut a name that is too long for its place; nothing in it is read as a formula."""
    shown = name if len(name) <= most else name[: most - 1] + "…"
    return shown.replace("$", r"\$")
