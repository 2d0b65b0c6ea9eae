"""Topic metrics against gold topics: how well a model finds those that people named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import xlogy

from src.evaluation.bootstrap import Floats, Weights, blocks, resampled_sums

MIN_GOLD_ENTRIES = 5
NO_TOPIC = "no topic"
Assigned = Sequence[Sequence[tuple[int, float]]]
Ranking = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def nmi(assigned: Assigned, gold: Sequence[Sequence[str]], weights: Weights) -> Floats:
    """Measure normalised mutual information of an entry's first topic and its gold topics.

    Mutual information over the mean of both entropies (Strehl and Ghosh, 2002; arithmetic mean
    as in scikit-learn), 0 to 1. All entries without a topic are one cluster, so that leaving
    entries out is not rewarded; an entry of m gold topics counts 1/m for each.

    Returns
    -------
    Shape `(n_rows,)`; NaN where there is no gold topic, or the same one everywhere.

    Examples
    --------
    >>> gold = [["work"], ["work"], ["sleep"], ["sleep"]]
    >>> assigned = [[(3, 0.9)], [(3, 0.8)], [(7, 0.6), (3, 0.4)], []]
    >>> nmi(assigned, gold, np.ones((1, 4), np.uint8)).round(3).tolist()
    [0.8]
    """
    first = [topics[0][0] if topics else NO_TOPIC for topics in assigned]
    cells = [(i, g, 1 / len(set(own))) for i, own in enumerate(gold) for g in dict.fromkeys(own)]
    if not cells:
        return np.full(len(weights), np.nan)
    entries = np.array([i for i, _, _ in cells])
    share = np.array([share for _, _, share in cells])

    def entropy(clusters: Iterable[object]) -> Floats:
        column: dict[object, int] = {}
        codes = [column.setdefault(cluster, len(column)) for cluster in clusters]
        counted = sparse.csr_array((share, (entries, codes)), (len(gold), len(column)))
        entropies = np.empty(len(weights))
        for block in blocks(len(weights), len(column)):
            counts = resampled_sums(weights[block], counted)
            with np.errstate(invalid="ignore"):  # a resample without a gold topic: NaN
                shares = counts / counts.sum(axis=1, keepdims=True)
            entropies[block] = -xlogy(shares, shares).sum(axis=1)
        return entropies

    ours = entropy(first[i] for i, _, _ in cells)
    theirs = entropy(g for _, g, _ in cells)
    joint = entropy((first[i], g) for i, g, _ in cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = 2 * np.maximum(ours + theirs - joint, 0.0) / (ours + theirs)
    return np.where(theirs > 1e-12, value, np.nan)


def mean_average_precision(
    assigned: Assigned, gold: Sequence[Sequence[str]], weights: Weights
) -> Floats:
    """Measure how well some topic's confidence ranks the entries of each gold topic.

    The mean, over gold topics of five entries or more, of the average precision (the area under
    the steps of precision over recall, entries of equal confidence taken together; Manning et
    al., 2008, chapter 8) of the topic that ranks it best, 0 to 1. An entry without the topic has
    confidence 0. Which topic is best is settled on the sample, and kept for the resamples.

    Returns
    -------
    Shape `(n_rows,)`; NaN where no gold topic has enough entries.

    Examples
    --------
    >>> gold = [["work"]] * 5 + [["sleep"]]
    >>> assigned = [[(0, 0.9)], [(0, 0.8)], [(0, 0.8)], [(0, 0.8)], [], [(0, 0.8)]]
    >>> mean_average_precision(assigned, gold, np.ones((1, 6), np.uint8)).round(4).tolist()
    [0.8467]
    """
    counted = np.array([len(own) > 0 for own in gold])
    weights = weights[:, counted] if not counted.all() else weights
    kept_gold = [own for own in gold if len(own)]
    rankings = _rankings([own for own, keep in zip(assigned, counted, strict=True) if keep])
    precisions = []
    for topic in sorted({name for own in kept_gold for name in own}):
        relevant = np.array([topic in own for own in kept_gold])
        if relevant.sum() >= MIN_GOLD_ENTRIES:
            once = [float(_average_precision(r, relevant, weights[:1])[0]) for r in rankings]
            best = rankings[int(np.argmax(once))]
            precisions.append(_average_precision(best, relevant, weights))
    if not precisions:
        return np.full(len(weights), np.nan)
    values = np.array(precisions)
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.where(defined, values, 0.0).sum(axis=0) / defined.sum(axis=0)
    return mean


def _rankings(assigned: Assigned) -> list[Ranking]:
    """For each topic its entries, most confident first, and where each run of ties ends."""
    of_topic: dict[int, dict[int, float]] = {}
    for entry, topics in enumerate(assigned):
        for topic, confidence in topics:
            of_topic.setdefault(topic, {}).setdefault(entry, confidence)
    rankings = []
    for topic in sorted(of_topic):
        entries = np.array(list(of_topic[topic]))
        confidences = np.array(list(of_topic[topic].values()))
        order = np.argsort(-confidences, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(confidences[order]) != 0, True))
        rankings.append((entries[order], ends))
    return rankings or [(np.empty(0, np.int64), np.empty(0, np.int64))]  # a topic that nobody has


def _average_precision(
    ranking: Ranking, relevant: npt.NDArray[np.bool_], weights: Weights
) -> Floats:
    """Average precision in every row of weights; NaN where nothing relevant was drawn."""
    entries, ends = ranking
    total = weights.sum(axis=1, dtype=np.float64)
    positive = weights[:, relevant].sum(axis=1, dtype=np.float64)
    value = np.empty(len(weights))
    for block in blocks(len(weights), 4 * len(entries)):  # some four arrays at once
        drawn = weights[block][:, entries]
        seen = np.cumsum(drawn, axis=1, dtype=np.float64)[:, ends]
        hits = np.cumsum(drawn * relevant[entries], axis=1, dtype=np.float64)[:, ends]
        # All entries without the topic tie in one last group, which reaches full recall
        gained = np.diff(hits, axis=1, prepend=0.0, append=positive[block, None])
        with np.errstate(invalid="ignore"):
            precision = np.append(hits / seen, (positive / total)[block, None], axis=1)
            value[block] = np.nansum(gained * precision, axis=1) / positive[block]
    return value
