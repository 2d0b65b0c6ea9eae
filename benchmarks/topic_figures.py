"""Figures about topic models' answers, the same for all, and the tables they stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.evaluation.agreement import mean_average_precision, nmi
from src.evaluation.topics import diversity, npmi

Array = np.ndarray[Any, Any]
# Heading, decimals, and whether more is better, of each figure.
QUALITY = {
    "npmi": ("NPMI", 3, True),
    "c_v": ("C_V", 3, True),
    "diversity": ("diversity", 3, True),
    "nmi": ("NMI", 3, True),
    "nmi_forced": ("NMI, all forced", 3, True),
    "map": ("mAP", 3, True),
    "purity": ("purity", 3, True),
    "without": ("no topic, %", 1, False),
}
PRICE = {
    "fit": ("fit, CPU s", 1, False),
    "per_second": ("texts per CPU s", 0, True),
    "latency": ("one text, ms", 2, False),
    "memory": ("peak memory, MB", 0, False),
}
BARS = (
    "npmi",
    "c_v",
    "diversity",
    "nmi",
    "map",
    "purity",
    "fit",
    "per_second",
    "latency",
    "memory",
)


def figures(
    topic_words: list[list[str]],
    texts: Sequence[str],
    scores: Array,
    first: Array,
    gold: list[list[str]] | None,
) -> dict[str, float]:
    """Measure topics and their assignment to held-out texts.

    Parameters
    ----------
    scores
        Of each topic in each text, shape `(n_texts, n_topics)`: they rank texts for mAP.
    first
        Each text's topic, -1 for none, shape `(n_texts,)`; `nmi_forced` takes the topic of the
        highest score instead, whatever `first` says.
    """
    once = np.ones((1, len(texts)), np.uint8)
    found = {
        "npmi": float(npmi(topic_words, texts, once)[0]),
        "diversity": diversity(topic_words),
        "without": 100 * float(np.mean(first < 0)),
        "n_topics": float(len(topic_words)),
    }
    if gold is not None:
        whole = [list(enumerate(row)) for row in scores.tolist()]
        found["nmi"] = float(nmi(assigned(first), gold, once)[0])
        found["nmi_forced"] = float(nmi(assigned(scores.argmax(axis=1)), gold, once)[0])
        found["map"] = float(mean_average_precision(whole, gold, once)[0])
        found["purity"] = purity(first, gold)
    return found


def assigned(first: Array) -> list[list[tuple[int, float]]]:
    """Give each text its one topic, or none.

    >>> assigned(np.array([3, -1]))
    [[(3, 1.0)], []]
    """
    return [[(int(topic), 1.0)] if topic >= 0 else [] for topic in first]


def purity(first: Array, gold: Sequence[Sequence[str]]) -> float:
    """Measure the share of texts that have the commonest gold topic of their cluster, 0 to 1.

    Texts without a topic are one cluster, those without a gold topic do not count.

    >>> purity(np.array([0, 0, 0, -1]), [["work"], ["work", "sleep"], ["sleep"], ["food"]])
    0.75
    """
    clusters: dict[int, Counter[str]] = {}
    for topic, own in zip(first.tolist(), gold, strict=True):
        clusters.setdefault(topic, Counter()).update(set(own))
    counted = sum(bool(own) for own in gold)
    most = sum(max(counts.values()) for counts in clusters.values() if counts)
    return most / counted if counted else float("nan")


def over_seeds(cells: Sequence[dict[str, float]]) -> dict[str, tuple[float, float]]:
    """Give each figure's mean over seeds, and half its range.

    >>> over_seeds([{"nmi": 0.25}, {"nmi": 0.75}])
    {'nmi': (0.5, 0.25)}
    """
    found = {}
    for name in cells[0]:
        values = [cell[name] for cell in cells if name in cell]
        found[name] = float(np.mean(values)), (max(values) - min(values)) / 2
    return found


def table(rows: dict[str, dict[str, tuple[float, float]]], kinds: dict[str, Any]) -> list[str]:
    """Write a table, a row a model; figures that none has are left out."""
    shown = [name for name in kinds if any(name in row for row in rows.values())]
    lines = ["| model | " + " | ".join(kinds[name][0] for name in shown) + " |"]
    lines.append("|---" * (1 + len(shown)) + "|")
    for model, row in rows.items():
        cells = [written(row.get(name), kinds[name][1]) for name in shown]
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return lines


def written(figure: tuple[float, float] | None, decimals: int) -> str:
    """Write a mean and half its range, which is left out where it rounds to nothing.

    >>> written((0.5, 0.01), 3), written((1234.5, 0.1), 0)
    ('0.500 ±.010', '1,234')
    """
    if figure is None:
        return "–"
    mean, half = figure
    around = f"{half:,.{decimals}f}"
    some = any(digit in around for digit in "123456789")
    return f"{mean:,.{decimals}f}" + (f" ±{around.lstrip('0')}" if some else "")


def who_leads(rows: dict[str, dict[str, tuple[float, float]]], ours: Sequence[str]) -> list[str]:
    """Say of each figure which peer is ahead of all of ours, and in which none is.

    >>> rows = {"ours": {"nmi": (0.5, 0), "fit": (3, 0)}, "LDA": {"nmi": (0.25, 0), "fit": (2, 0)}}
    >>> who_leads(rows, ["ours"])
    ['A peer is ahead in fit, CPU s (LDA 2.0, ours 3.0).', 'Ours is ahead, or level, in NMI.']
    """
    every = QUALITY | PRICE
    behind, ahead = [], []
    for name in BARS:
        title, decimals, more = every[name]
        known = {model: row[name][0] for model, row in rows.items() if name in row}
        own = {model: value for model, value in known.items() if model in ours}
        peers = {model: value for model, value in known.items() if model not in ours}
        if not own or not peers:
            continue
        pick = max if more else min
        best, peer = pick(own, key=own.__getitem__), pick(peers, key=peers.__getitem__)
        mine, theirs = round(own[best], decimals), round(peers[peer], decimals)
        if mine != theirs and pick(mine, theirs) == theirs:
            said = f"{peer} {theirs:,.{decimals}f}, {best} {mine:,.{decimals}f}"
            behind.append(f"{title} ({said})")
        else:
            ahead.append(title)
    lines = [f"A peer is ahead in {'; '.join(behind)}."] if behind else []
    return lines + ([f"Ours is ahead, or level, in {', '.join(ahead)}."] if ahead else [])
