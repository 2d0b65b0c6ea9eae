"""What the card of a topic model shows: a map, the topics with their words, and what changed."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cards.card import Figure, Section, Table
from src.cards.figures import ACCENT, INK, MUTED, PAPER, bars, cut, draw, lines

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from src.pipeline.execute import Context

    Floats = npt.NDArray[np.float64]

POINTS = 600  # entries on the map
LABELLED = 14  # topics whose names stand on the map; hovering shows all
LETTER, LINE_HEIGHT = 0.02, 0.055  # of the map's width and height
PERIODS, LARGEST = 12, 6  # of the picture of topics over time


def topics_sections(context: Context, folder: Path, topics: list[dict[str, Any]]) -> list[Section]:
    """Show the topics: where they lie, what they are made of, when they were written about."""
    from src.data.schema import SPLITS
    from src.training import packaging

    entries = SPLITS.read(context.folder / "inputs" / "splits", "valid")
    entries = entries.slice(0, 4 * POINTS)
    model = packaging.load(context.parts[0][0].task, folder)
    answers = model.predict(None, entries.select(["text"]).to_pandas())
    named = [topic for topic in topics if not topic.get("generic")]
    figures = [topic_map(named, answers)] if len(named) > 2 else []
    rows = [
        (topic["topic_id"], topic["topic_name"], ", ".join(topic.get("words", [])[:8]))
        for topic in topics
    ]
    sizes = {t["topic_name"]: 100 * t["share"] for t in named if "share" in t}
    if sizes:
        by_size = dict(sorted(sizes.items(), key=lambda item: -item[1]))
        caption = "Share of the training entries' passages, in percent"
        figures.append(bars(by_size, caption, ("topic", "percent"), "{:.1f}".format))
        figures += over_time(entries, answers)
    sections = [
        Section("Topics", figures=figures),
        Section("Their words", table=Table(("id", "name", "words"), rows)),
    ]
    if changed := context.details.get("topics_changed"):
        import pyarrow.parquet as pq

        rows = pq.read_table(context.folder / "topics_changed.parquet").to_pylist()
        words = f"Beside {context.details['follows']}: {changed[0]}"
        sections.append(what_changed(rows, words))
    return [section for section in sections if section.figures or section.table]


def what_changed(rows: list[dict[str, Any]], words: str) -> Section:
    """Set the topics of a version beside those of the one it follows, a row for each topic.

    Parameters
    ----------
    rows
        As `src.training.topic_identity.table` has them; those that moved most come first.
    """
    name_of = {row["topic_id"]: row["topic_name"] for row in rows}

    def others(row: dict[str, Any], side: str) -> str:
        ids = (i for i in row[side] if i != row["topic_id"] and i in name_of)
        return ", ".join(name_of[i] for i in ids)

    moved = sorted(rows, key=lambda row: -abs(row["share_after"] - row["share_before"]))
    table = Table(
        ("id", "topic", "change", "it was called", "share before", "share now", "took from",
         "gave to"),
        [
            (
                row["topic_id"],
                row["topic_name"],
                row["change"],
                row["previous_name"] if row["previous_name"] != row["topic_name"] else "",
                row["share_before"],
                row["share_after"],
                others(row, "from_ids"),
                others(row, "to_ids"),
            )
            for row in moved
        ],
    )  # fmt: skip
    said = "Shares are of the confidence of all answers, by the earlier model and by this one."
    return Section("What changed", (words, said), table)


def topic_map(topics: list[dict[str, Any]], answers: list[dict[str, Any]]) -> Figure:
    """Draw topics near those that the same entries are about, and entries between their topics.

    Places are the first two principal components of how topics go together in the answers.
    Pointing at a topic shows its words and its entries; an entry shows its topics, no text.
    """
    import numpy as np

    places = {topic["topic_id"]: place for place, topic in enumerate(topics)}
    given = np.zeros((len(answers), len(topics)))
    for row, answer in zip(given, answers, strict=True):
        for detail in answer["topic_details"]:
            if detail["topic_id"] in places:
                row[places[detail["topic_id"]]] = detail["confidence"]
    at = topic_places(given)
    about = np.flatnonzero(given.any(axis=1))[:POINTS]
    weights = given[about] / given[about].sum(axis=1, keepdims=True)
    spread = np.random.default_rng(0).normal(0, 0.035, (len(about), 2))
    points, first = weights @ at + spread, np.argmax(given[about], axis=1)
    counts = np.bincount(np.argmax(given[given.any(axis=1)], axis=1), minlength=len(topics))
    caption = (
        "Topics, as large as the entries that are first about them, and entries between their "
        "topics. Point at a topic for its words."
    )

    def paint(axes: Any) -> None:
        for place in range(len(topics)):
            mine = points[first == place]
            axes.scatter(*mine.T, s=7, color=MUTED, alpha=0.4, gid=f"of-{place}", linewidths=0)
        named = labelled([topic["topic_name"] for topic in topics], at, counts)
        sizes = 30 + 420 * counts / max(1, int(np.max(counts)))
        for place in range(len(topics)):
            axes.scatter(
                *at[place],
                s=sizes[place],
                color=ACCENT,
                alpha=0.75,
                gid=f"topic-{place}",
                edgecolors=PAPER,
            )
        for place in sorted(named):  # above all circles
            axes.annotate(
                cut(topics[place]["topic_name"]),
                at[place],
                xytext=(0, 3 + np.sqrt(sizes[place]) / 2),
                textcoords="offset points",
                ha="center",
                color=INK,
                fontsize=8,
                gid=f"name-{place}",
            )
        axes.set_axis_off()
        axes.margins(0.12)

    svg = draw(3.6, "A map of topics and entries", paint)
    for place, topic in enumerate(topics):
        words = ", ".join(topic.get("words", [])[:8])
        title = html.escape(f"{topic['topic_name']}: {words} ({counts[place]:,} entries)")
        svg = svg.replace(
            f'<g id="topic-{place}">',
            f'<g id="topic-{place}" class="topic" data-place="{place}" tabindex="0">'
            f"<title>{title}</title>",
            1,
        )
    table = Table(
        ("topic", "entries first about it"),
        [(t["topic_name"], int(n)) for t, n in zip(topics, counts, strict=True)],
    )
    return Figure(svg, caption, table)


def labelled(names: list[str], at: Floats, counts: npt.NDArray[np.int64]) -> set[int]:
    """Choose the topics whose names stand on the map: the largest whose names do not meet."""
    import numpy as np

    span = np.maximum(at.max(axis=0) - at.min(axis=0), 1e-12)
    middles = (at - at.min(axis=0)) / span
    chosen = list[int]()
    for place in np.argsort(-counts, kind="stable")[:LABELLED].tolist():
        near = (
            abs(middles[place, 0] - middles[other, 0])
            < LETTER * (len(cut(names[place])) + len(cut(names[other]))) / 2
            and abs(middles[place, 1] - middles[other, 1]) < LINE_HEIGHT
            for other in chosen
        )
        if not any(near):
            chosen.append(place)
    return set(chosen)


def topic_places(given: Floats) -> Floats:
    """Place topics by the principal components of what they have in common: `(n_topics, 2)`."""
    import numpy as np

    together = given.T @ given
    scale = np.sqrt(np.maximum(np.diag(together), 1e-12))
    likeness = together / np.outer(scale, scale)
    centred = likeness - likeness.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    at = left[:, :2] * values[:2]
    at *= np.where(at.sum(axis=0) < 0, -1, 1)  # the sign of a component is arbitrary
    ranks = np.argsort(np.argsort(at, axis=0, kind="stable"), axis=0) / max(1, len(at) - 1)
    span = np.maximum(at.max(axis=0) - at.min(axis=0), 1e-12)
    # Half as they are, half by rank: a topic far out would press all others into a corner.
    return np.asarray(0.5 * (at - at.min(axis=0)) / span + 0.5 * ranks)


def over_time(entries: pa.Table, answers: list[dict[str, Any]]) -> list[Figure]:
    """Draw how often the largest topics are written about, where entries are of several months."""
    from collections import Counter

    dated = [
        (date.strftime("%Y-%m"), answer["topic_details"][0]["topic_name"])
        for date, answer in zip(entries["created_at"].to_pylist(), answers, strict=True)
        if date is not None and answer["topic_details"]
    ]
    months = sorted({month for month, _ in dated})[-PERIODS:]
    if len(months) < 3:
        return []
    total = Counter(month for month, _ in dated)
    counts = Counter(dated)
    largest = [name for name, _ in Counter(name for _, name in dated).most_common(LARGEST)]
    series = {name: [100 * counts[m, name] / total[m] for m in months] for name in largest}
    caption = "Entries that are first about the largest topics, in percent by month"
    return [lines(months, series, caption, "percent")]
