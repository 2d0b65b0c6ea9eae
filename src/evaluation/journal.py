"""What a sentiment model makes of the held-out journal: entries of people that it never read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from src.data.journal import JournalEntry
from src.data.seen import text_digest
from src.errors import UserError
from src.evaluation.bootstrap import (
    Estimate,
    Floats,
    Mask,
    Replicates,
    Weights,
    bootstrap_weights,
    estimates,
    resampled_sums,
)
from src.evaluation.selective import Judged
from src.evaluation.sentiment import CLASSES, RANGES
from src.evaluation.tasks import TASKS, Predictions, judged, sentiment_answers

PREFIX = "journal_"
KEPT = (
    *("accuracy", "f1_macro", "recall_macro", *(f"recall_{c}" for c in CLASSES), "ece", "brier"),
    *("aurc", "accuracy_at_80", "coverage_confident", "accuracy_confident"),
    *("reversed", "reversed_neutral"),
)


@dataclass(frozen=True)
class Journal:
    """The figures.

    Attributes
    ----------
    n_entries, n_mixed
        Entries of the three classes, and mixed ones.
    n_left_out
        Entries that the model was trained on all the same; they count nowhere.
    metrics
        By names that start with `journal_`, with 95 % intervals. Entries are drawn one by one,
        though they are of 46 people: for other people the intervals are somewhat wider.
        `journal_reversed` is the share of pairs, a positive and a negative entry, in which the
        negative one has more of positive minus negative; `journal_reversed_neutral` is the same
        of the worse of the two other pairs of classes.
    """

    n_entries: int
    n_mixed: int
    n_left_out: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True)
class Answered:
    """What a model answers to journal entries that it was not trained on.

    Attributes
    ----------
    entries, answers
        Those that both readers agree on, mixed ones with them, and the answers in their order.
    n_left_out
        Entries that it was trained on.
    """

    entries: Sequence[JournalEntry]
    answers: Predictions
    n_left_out: int

    @property
    def mixed(self) -> Mask:
        """Which entries are mixed, shape `(n,)`."""
        return np.array([entry.is_mixed for entry in self.entries], dtype=np.bool_)

    @property
    def judged(self) -> Judged:
        """The answers to entries of the three classes, held against their labels."""
        return judged([entry.sentiment for entry in self.entries], self.answers)


def ask_journal(
    entries: Sequence[JournalEntry],
    predict: Callable[[Sequence[str]], Sequence[dict[str, Any]]],
    digest: str,
    seen: Collection[str],
) -> Answered | None:
    """Let a model answer journal entries that both readers agree on.

    Parameters
    ----------
    entries
        Those whose labels disagree are left out.
    predict
        Texts to answers as the contract has them.
    digest
        The model's.
    seen
        Digests of the texts that the model was trained on.

    Returns
    -------
    None where the model was trained on every entry of the three classes.

    Raises
    ------
    UserError
        If there is not one answer for each entry.
    """
    agreed = [entry for entry in entries if entry.agreed]
    new = [entry for entry in agreed if text_digest(entry.text) not in seen]
    if all(entry.is_mixed for entry in new):
        return None
    rows = predict([entry.text for entry in new])
    if len(rows) != len(new):
        raise UserError(
            f"Model {digest} gave {len(rows)} answers for {len(new)} journal entries.",
            "Check the predict method of the model's family.",
        )
    return Answered(new, Predictions(rows, None, digest), len(agreed) - len(new))


def measure_journal(answered: Answered, seed: int, n_resamples: int = 1_000) -> Journal:
    """Measure a model's answers to journal entries.

    Returns
    -------
    Figures of classes rest on the entries of the three classes; `journal_mixed_auc` is there
    where every answer says how `mixed` its entry is, and rests on all.

    Raises
    ------
    UserError
        If answers break the contract.
    """
    answers, mixed = answered.answers, answered.mixed
    n_mixed = int(mixed.sum())
    n = len(mixed) - n_mixed
    truth = pa.table({"label": [e.sentiment for e in answered.entries if not e.is_mixed]})
    weights = bootstrap_weights(n, n_resamples, seed)
    plain = answers.where(~mixed)
    measured = TASKS["sentiment"].measure(truth, plain, weights)
    measured |= reversed_shares(truth["label"].to_pylist(), plain, weights)
    found = {f"{PREFIX}{name}": measured[name] for name in KEPT if name in measured}
    ranges = {f"{PREFIX}{name}": ends for name, ends in RANGES.items()}
    if n_mixed and all("mixed" in row for row in answers.rows):
        weights = bootstrap_weights(len(mixed), n_resamples, seed)
        found[f"{PREFIX}mixed_auc"] = roc_auc(mixed, _mixedness(answers), weights)
    return Journal(n, n_mixed, answered.n_left_out, estimates(found, ranges))


def _mixedness(predictions: Predictions) -> Floats:
    try:
        scores = np.array([row["mixed"] for row in predictions.rows], dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.array([np.nan])
    if not np.isfinite(scores).all():
        raise UserError(
            f"The answers of model {predictions.digest} break the contract: mixed is no number.",
            "Check the predict method of the model's family.",
        )
    return scores


def reversed_shares(truth: Sequence[str], predictions: Predictions, weights: Weights) -> Replicates:
    """Measure how often a model puts two entries of different classes into the wrong order."""
    labels, (_, scores) = np.array(truth), sentiment_answers(predictions)
    tone = scores[:, 2] - scores[:, 0]

    def share(low: str, high: str) -> Floats:
        both = (labels == low) | (labels == high)
        return 1 - roc_auc(labels[both] == high, tone[both], weights[:, both])

    negative, neutral, positive = CLASSES
    with_neutral = share(negative, neutral), share(neutral, positive)
    return {
        "reversed": share(negative, positive),
        "reversed_neutral": np.maximum(*with_neutral),
    }


def roc_auc(truth: Mask, scores: Floats, weights: Weights) -> Floats:
    """Give the chance that a true entry has the higher score than another, a tie being half.

    The area under the ROC curve (Hanley and McNeil, 1982), in the sample and every resample.

    Parameters
    ----------
    truth, scores
        Shape `(n,)`.
    weights
        Shape `(1 + n_resamples, n)`.

    Returns
    -------
    Shape `(1 + n_resamples,)`; NaN where a resample holds one sort of entries only.

    Examples
    --------
    >>> truth, scores = np.array([True, False, False]), np.array([0.5, 0.5, 0.1])
    >>> roc_auc(truth, scores, np.ones((1, 3), np.uint8)).tolist()
    [0.75]
    """
    n, levels = len(truth), np.unique(scores, return_inverse=True)[1]
    cells = sparse.csr_array((np.ones(n), levels, np.arange(n + 1)), (n, int(np.max(levels)) + 1))
    true, other = (resampled_sums(weights[:, mask], cells[mask]) for mask in (truth, ~truth))
    below = np.cumsum(other, axis=1) - other / 2
    with np.errstate(invalid="ignore"):
        area: Floats = (true * below).sum(axis=1) / (true.sum(axis=1) * other.sum(axis=1))
    return area
