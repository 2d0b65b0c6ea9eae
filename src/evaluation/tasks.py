"""How each task is measured: from predictions, as the contract has them, to replicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from src.errors import UserError
from src.evaluation import selective, sentiment, topics
from src.evaluation.bootstrap import Floats, Mask, Replicates, Weights

LOW = "low"  # the level of confidence of an answer that is not to be relied on


@dataclass(frozen=True)
class Predictions:
    """What a model answers for the held-out entries, in their order.

    Parameters
    ----------
    rows
        For sentiment each with `sentiment` and `all_scores`; for topics with `topic_details`.
    topics
        For topics each with `topic_id`, `topic_name` and `words`; None for sentiment.
    digest
        The model's.
    """

    rows: Sequence[dict[str, Any]]
    topics: Sequence[dict[str, Any]] | None
    digest: str

    def where(self, mask: Mask) -> Predictions:
        """Keep the entries that the mask names."""
        kept = [row for row, keep in zip(self.rows, mask, strict=True) if keep]
        return Predictions(kept, self.topics, self.digest)


@dataclass(frozen=True)
class Task:
    """How a task is measured: one row of `TASKS`.

    Parameters
    ----------
    truth_column
        Where the truth is; null or empty where nobody said.
    needs_truth
        Whether entries without it are left out.
    measure
        Entries, predictions, weights → replicates.
    baseline
        Training entries, candidate, number of entries, seed → the trivial baseline's predictions.
    ranges
        Ranges of the metrics that are no shares.
    """

    truth_column: str
    needs_truth: bool
    measure: Callable[[pa.Table, Predictions, Weights], Replicates]
    baseline: Callable[[pa.Table, Predictions, int, int], Predictions]
    ranges: dict[str, tuple[float, float]]


def sentiment_answers(predictions: Predictions) -> tuple[list[str], Floats]:
    """Read labels, length n, and scores of negative, neutral, positive, shape `(n, 3)`.

    Raises
    ------
    UserError
        If answers break the contract.
    """
    try:
        answers = [row["sentiment"] for row in predictions.rows]
        scores = np.array(
            [[row["all_scores"][label] for label in sentiment.CLASSES] for row in predictions.rows],
            dtype=np.float64,
        )
        fits = set(answers) <= set(sentiment.CLASSES) and bool(
            np.all(scores >= 0) and np.all(np.abs(scores.sum(axis=1) - 1) < 1e-3)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(
            predictions, "sentiment and all_scores of negative, neutral, positive"
        ) from error
    if not fits:
        raise _broken(predictions, "one of three sentiments, and scores from 0 to 1 with sum 1")
    return answers, scores


def judged(truth: Sequence[str | None], predictions: Predictions) -> selective.Judged:
    """Hold sentiment answers against labels; entries without one are left out.

    Raises
    ------
    UserError
        If answers break the contract.
    """
    known = np.array([bool(label) for label in truth], dtype=np.bool_)
    predictions = predictions.where(known)
    answers, scores = sentiment_answers(predictions)
    columns = [sentiment.CLASSES.index(answer) for answer in answers]
    right = [a == t for a, t in zip(answers, filter(None, truth), strict=True)]
    levels = [row.get("confidence_level") for row in predictions.rows]
    return selective.Judged(
        confidence=scores[np.arange(len(columns)), columns],
        right=np.array(right, dtype=np.bool_),
        low=None if None in levels else np.array([level == LOW for level in levels], np.bool_),
    )


def _sentiment(entries: pa.Table, predictions: Predictions, weights: Weights) -> Replicates:
    answers, scores = sentiment_answers(predictions)
    truth = entries["label"].to_pylist()
    found = sentiment.sentiment_metrics(truth, scores, weights, answers)
    return found | selective.selective_metrics(judged(truth, predictions), weights)


def _prior(train: pa.Table, candidate: Predictions, n: int, seed: int) -> Predictions:
    labels = [label for label in train["label"].to_pylist() if label]
    if not labels:
        raise UserError(
            "The trivial baseline needs a training entry that has a label; there is none.",
            "Give a source with labels: -P source=…",
        )
    scores = sentiment.prior_scores(labels, 1)[0]
    row = {
        "sentiment": sentiment.CLASSES[int(scores.argmax())],
        "all_scores": dict(zip(sentiment.CLASSES, scores.tolist(), strict=True)),
    }
    return Predictions([row] * n, None, "")


def _topics(entries: pa.Table, predictions: Predictions, weights: Weights) -> Replicates:
    try:
        words = [[str(word) for word in topic["words"]] for topic in predictions.topics or ()]
        assigned = [
            [(int(topic["topic_id"]), float(topic["confidence"])) for topic in row["topic_details"]]
            for row in predictions.rows
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(predictions, "topic_details with topic_id and confidence") from error
    if not all(0 <= confidence <= 1 + 1e-6 for own in assigned for _, confidence in own):
        raise _broken(predictions, "a confidence from 0 to 1 for each topic")
    gold = None
    if "topics" in entries.column_names:
        gold = [list(filter(None, named or ())) for named in entries["topics"].to_pylist()]
    return topics.topic_metrics(words, entries["text"].to_pylist(), assigned, gold, weights)


def _frequent(train: pa.Table, candidate: Predictions, n: int, seed: int) -> Predictions:
    n_topics = max(1, len(candidate.topics or ()))
    words = topics.frequent_word_topics(train["text"].to_pylist(), n_topics, seed)
    named = [{"topic_id": i, "topic_name": "", "words": own} for i, own in enumerate(words)]
    return Predictions([{"topic_details": [{"topic_id": 0, "confidence": 1.0}]}] * n, named, "")


def _broken(predictions: Predictions, needed: str) -> UserError:
    return UserError(
        f"The answers of model {predictions.digest} break the contract; each needs {needed}.",
        "Check the predict method of the model's family.",
    )


TASKS: dict[str, Task] = {
    "sentiment": Task("label", True, _sentiment, _prior, sentiment.RANGES),
    "topics": Task("topics", False, _topics, _frequent, topics.RANGES),
}
