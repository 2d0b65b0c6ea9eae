"""Sentiment metrics: right answers, no class forgotten, scores that are probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from src.evaluation.bootstrap import Floats, Replicates, Weights, resampled_sums

CLASSES = ("negative", "neutral", "positive")
CALIBRATION_BINS = 15
RANGES = {"brier": (0.0, 2.0), "log_loss": (0.0, math.inf)}


def sentiment_metrics(
    truth: Sequence[str],
    scores: Floats,
    weights: Weights,
    answers: Sequence[str] | None = None,
) -> Replicates:
    """Compare answers and scores with the true labels, in the sample and in every resample.

    - `accuracy`, and per class `recall_…` and `precision_…`.
    - `recall_macro`, `precision_macro`, `f1_macro`: plain means over the classes. A class that is
      never answered has precision 0. A class without an entry has no recall, and counts in the
      other means only where it was answered.
    - `ece`: expected calibration error, the mean gap between the confidence of the answers and
      the share that is right, in 15 equal-width bins (Guo et al., 2017); 0 to 1, less is better.
    - `brier`: squared distance between the scores and the truth, summed over the classes
      (Brier, 1950); 0 to 2, less is better.
    - `log_loss`: mean negative natural logarithm of the true class's score; less is better.

    Parameters
    ----------
    truth
        Length n, each one of `CLASSES`.
    scores
        Shape `(n, 3)`: negative, neutral, positive; rows sum to 1.
    weights
        Shape `(1 + n_resamples, n)`, from `bootstrap_weights`.
    answers
        What the model answered, length n; the class of the highest score if left out.

    Returns
    -------
    Each metric's replicates, shape `(1 + n_resamples,)`; NaN where it is undefined.

    Examples
    --------
    >>> scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    >>> truth, once = ["negative", "positive", "neutral", "positive"], np.ones((1, 4), np.uint8)
    >>> metrics = sentiment_metrics(truth, scores, once)
    >>> [round(float(metrics[name][0]), 3) for name in ("accuracy", "f1_macro", "ece", "brier")]
    [0.75, 0.556, 0.35, 0.305]
    """
    n, entries = len(truth), np.arange(len(truth))
    true = _codes(truth)
    answered = scores.argmax(axis=1) if answers is None else _codes(answers)
    confidence = scores[entries, answered]
    bins = calibration_bins(confidence)
    likelihood = np.clip(scores[entries, true], np.finfo(np.float64).eps, 1.0)

    cells = len(CLASSES) ** 2
    last = cells + CALIBRATION_BINS
    contributions = (  # of each entry: the column it adds to, and what it adds
        (len(CLASSES) * true + answered, np.ones(n)),
        (cells + bins, (answered == true) - confidence),
        (np.full(n, last), ((scores - np.eye(len(CLASSES))[true]) ** 2).sum(axis=1)),
        (np.full(n, last + 1), -np.log(likelihood)),
    )
    columns, added = (np.stack(parts, axis=1).ravel() for parts in zip(*contributions, strict=True))
    starts = np.arange(n + 1) * len(contributions)
    sums = resampled_sums(weights, sparse.csr_array((added, columns, starts), (n, last + 2)))
    total = sums[:, :cells].sum(axis=1)
    return {
        **_confusion_metrics(sums[:, :cells].reshape(-1, len(CLASSES), len(CLASSES))),
        "ece": np.abs(sums[:, cells:last]).sum(axis=1) / total,
        "brier": sums[:, last] / total,
        "log_loss": sums[:, last + 1] / total,
    }


def calibration_bins(confidence: Floats) -> npt.NDArray[np.int64]:
    """Give each confidence the number of its bin, 0 to 14; a bin holds its upper end."""
    places = np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1
    return np.clip(places, 0, CALIBRATION_BINS - 1)


def _codes(labels: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    code = {label: position for position, label in enumerate(CLASSES)}
    return np.array([code[label] for label in labels], dtype=np.int64)


def _confusion_metrics(confusion: Floats) -> Replicates:
    """From counts `(n_rows, true class, answered class)`."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recall = right / actual
        f1 = 2 * right / (actual + answered)
        precision = np.where((answered == 0) & (actual > 0), 0.0, right / answered)
    named = {"recall": recall, "precision": precision, "f1": f1}
    return {
        "accuracy": right.sum(axis=1) / confusion.sum(axis=(1, 2)),
        **{f"{name}_macro": np.nanmean(values, axis=1) for name, values in named.items()},
        **{
            f"{name}_{label}": named[name][:, position]
            for name in ("recall", "precision")
            for position, label in enumerate(CLASSES)
        },
    }


def prior_scores(train_labels: Sequence[str], n: int) -> Floats:
    """Answer everyone with the classes' shares in training: the trivial baseline.

    Returns
    -------
    Shape `(n, 3)`: negative, neutral, positive; rows sum to 1.

    Examples
    --------
    >>> prior_scores(["positive", "positive", "negative", "neutral"], n=1).tolist()
    [[0.25, 0.25, 0.5]]
    """
    counts = np.bincount(_codes(train_labels), minlength=len(CLASSES))
    return np.tile(counts / counts.sum(), (n, 1))
