"""How right a model is where it is sure: what a service gains that leaves answers out.

A classifier that may abstain keeps its most confident answers. Its coverage is the share that it
keeps, its accuracy that of what it keeps, and its selective risk what is missing from there to 1
(El-Yaniv and Wiener, 2010; Geifman and El-Yaniv, 2017). Answers of equal confidence are kept in
random order, and a figure is the mean over all such orders: the order of rows changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from src.evaluation.bootstrap import Floats, Mask, Replicates, Weights, blocks, resampled_sums

Counts = npt.NDArray[np.int32]

LEAST_WIDTH = 125_000  # counted as a row's cells: 32 rows at once stay in the cache
ARRAYS = 8  # of a block's size are held at once


@dataclass(frozen=True)
class Judged:
    """Answers to n entries of which the truth is known.

    Attributes
    ----------
    confidence
        Shape `(n,)`, 0 to 1: the score of what was answered.
    right
        Shape `(n,)`.
    low
        Shape `(n,)`: the answers that the model itself flags as not to be relied on; None where
        it flags nothing.
    """

    confidence: Floats
    right: Mask
    low: Mask | None = None


def selective_metrics(judged: Judged, weights: Weights) -> Replicates:
    """Measure what abstaining gains, in the sample and in every resample.

    - `aurc`: area under the risk-coverage curve, the mean over every number of answers kept of
      the share of them that is wrong (Geifman and El-Yaniv, 2017); 0 to 1, less is better.
    - `accuracy_at_80`: accuracy of the most confident 80 %.
    - `coverage_confident`: the share of answers that the model does not flag itself, and
      `accuracy_confident`: how many of these are right. Only where it flags answers.

    Parameters
    ----------
    weights
        Shape `(1 + n_resamples, n)`, from `bootstrap_weights`.

    Returns
    -------
    Each metric's replicates, shape `(1 + n_resamples,)`; NaN where it is undefined.

    Examples
    --------
    Kept one by one, 0, 1/2 and 1/3 of them are wrong, which is 5/18 in the mean.

    >>> judged = Judged(np.array([0.9, 0.6, 0.8]), np.array([True, True, False]))
    >>> metrics = selective_metrics(judged, np.ones((1, 3), np.uint8))
    >>> round(float(metrics["aurc"][0]), 3)
    0.278
    """
    n = len(judged.right)
    aurc, at_80 = np.empty(len(weights)), np.empty(len(weights))
    for block in blocks(len(weights), max(ARRAYS * n, LEAST_WIDTH)):
        answers, right = _by_confidence(judged, weights[block])
        aurc[block] = _area(answers, right)
        at_80[block] = _accuracy_of(answers, right, 0.8)
    found = {"aurc": aurc, "accuracy_at_80": at_80}
    if judged.low is None:
        return found
    kept = sparse.csr_array(np.stack([~judged.low, ~judged.low & judged.right], 1).astype(float))
    answered, answered_right = resampled_sums(weights, kept).T
    with np.errstate(invalid="ignore"):
        accuracy = answered_right / answered
    return found | {"coverage_confident": answered / n, "accuracy_confident": accuracy}


def accuracy_by_coverage(judged: Judged, coverages: Sequence[float] | Floats) -> Floats:
    """Give the accuracy of the most confident answers, for each share of them that is kept.

    Parameters
    ----------
    coverages
        Each above 0, at most 1.

    Examples
    --------
    Of two that are equally sure and of which one is right, half of one is right.

    >>> judged = Judged(np.array([0.9, 0.6, 0.6]), np.array([True, True, False]))
    >>> accuracy_by_coverage(judged, [1 / 3, 2 / 3, 1.0]).round(3).tolist()
    [1.0, 0.75, 0.667]
    """
    answers, right = _by_confidence(judged, np.ones((1, len(judged.right)), np.uint8))
    return np.array([_accuracy_of(answers, right, coverage)[0] for coverage in coverages])


def _by_confidence(judged: Judged, weights: Weights) -> tuple[Counts, Counts]:
    """Count answers and right ones for each confidence, the highest first.

    Returns
    -------
    Twice the shape `(n_confidences, n_rows)`.
    """
    order = np.argsort(-judged.confidence, kind="stable")
    starts = np.flatnonzero(np.diff(judged.confidence[order], prepend=np.inf))
    answers = np.ascontiguousarray(weights.T)[order].astype(np.int32)
    right = answers * judged.right[order, None]
    if len(starts) == len(order):
        return answers, right
    return np.add.reduceat(answers, starts, axis=0), np.add.reduceat(right, starts, axis=0)


def _area(answers: Counts, right: Counts) -> Floats:
    """Add up the risk at every number of answers kept.

    Where k of m equally sure answers are kept beside N surer ones, E and e of both wrong, the
    risk is (E + k e / m) / (N + k); over k from 1 to m that sums to a harmonic number.
    """
    total = int(answers[:, 0].sum())
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total + 1))])
    wrong, kept = answers - right, np.cumsum(answers, axis=0, dtype=np.int32)
    rate = wrong / np.maximum(answers, 1)
    missing = np.cumsum(wrong, axis=0, dtype=np.int32) - wrong - rate * (kept - answers)
    steps = np.diff(harmonic[kept], axis=0, prepend=0.0)
    area: Floats = (wrong + missing * steps).sum(axis=0) / total
    return np.clip(area, 0.0, 1.0)


def _accuracy_of(answers: Counts, right: Counts, coverage: float) -> Floats:
    """Give the accuracy of a share of the answers, of the last confidence in part."""
    wanted = coverage * answers[:, 0].sum()
    kept = np.cumsum(answers, axis=0, dtype=np.int32)
    last = np.minimum((kept < wanted).sum(axis=0), len(answers) - 1)[None]
    own, own_right, kept, kept_right = (
        np.take_along_axis(counts, last, axis=0)[0]
        for counts in (answers, right, kept, np.cumsum(right, axis=0, dtype=np.int32))
    )
    whole = kept_right - own_right
    share: Floats = (whole + own_right * (wanted - (kept - own)) / own) / wanted
    return share
