"""Predictions in, evaluation out: metrics, gates and the contest with the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from src.errors import UserError
from src.evaluation.bootstrap import Mask, Replicates, bootstrap_weights, differences, estimates
from src.evaluation.evaluation import Comparison, Evaluation
from src.evaluation.gates import GATES, Verdict, better_than, judge
from src.evaluation.tasks import TASKS, Predictions

MAX_DRAWS = 50_000_000  # entries × resamples; above, fewer resamples are drawn
MIN_RESAMPLES = 100


def evaluate(
    task: str,
    truth: pa.Table,
    train: pa.Table,
    candidate: Predictions,
    champion: Predictions | None,
    shared: Mask,
    seed: int,
    n_resamples: int = 1_000,
    checks: Mapping[str, Verdict] | None = None,
) -> Evaluation:
    """Judge a candidate, by itself and against the champion.

    Parameters
    ----------
    task
        A key of `TASKS`.
    truth
        The n held-out entries: `id`, `text`, and the task's `label` or `topics`.
    train
        Training entries, from which the trivial baseline learns.
    shared
        Shape `(n,)`: the entries that the champion was not trained on either.
    n_resamples
        For the intervals; above 50 million draws, as many as fit, but at least 100.
    checks
        Verdicts on how the candidate serves, which join those of the gates.

    Raises
    ------
    UserError
        If no entry can be judged, or predictions do not fit the entries or the contract.
    """
    rule = TASKS[task]
    for predictions in filter(None, (candidate, champion)):
        if len(predictions.rows) != truth.num_rows:
            raise UserError(
                f"Model {predictions.digest} gave {len(predictions.rows)} answers for "
                f"{truth.num_rows} entries; it must give one per entry, in order.",
                "Check the predict method of the model's family.",
            )
    known = _known(truth, rule.truth_column)
    judged = known if rule.needs_truth else np.ones(truth.num_rows, dtype=np.bool_)
    n = int(judged.sum())
    if not n:
        what = f"has a {rule.truth_column}" if truth.num_rows else "was held out"
        raise UserError(
            f"The model cannot be judged: no entry {what}.",
            f"Give a source with more entries that have a {rule.truth_column}: -P source=…"
            if rule.needs_truth
            else "Give a source with more entries: -P source=…",
        )
    drawn = min(n_resamples, max(MIN_RESAMPLES, MAX_DRAWS // n))
    entries, ours = truth.filter(pa.array(judged)), candidate.where(judged)
    weights = bootstrap_weights(n, drawn, seed)
    measured = rule.measure(entries, ours, weights)
    trivial = rule.measure(entries, rule.baseline(train, candidate, n, seed), weights)
    del weights
    metrics, gains = estimates(measured, rule.ranges), differences(measured, trivial)
    return Evaluation(
        task=task,
        candidate_digest=candidate.digest,
        n_entries=n,
        n_unlabelled=int((~known).sum()),
        n_resamples=drawn,
        metrics=metrics,
        baseline=estimates(trivial, rule.ranges),
        gates={gate.code: judge(gate, metrics, gains) for gate in GATES[task]} | dict(checks or {}),
        champion=None
        if champion is None
        else _compare(task, entries, ours, champion.where(judged), shared[judged], seed, drawn),
    )


def measure(
    task: str,
    entries: pa.Table,
    rows: Sequence[dict[str, Any]],
    topics: Sequence[dict[str, Any]] | None,
) -> dict[str, float]:
    """Measure a model's answers without intervals; empty where no entry can be judged.

    Parameters
    ----------
    entries, rows
        n entries with their truth, and the model's answers in the same order.
    """
    rule = TASKS[task]
    known = _known(entries, rule.truth_column)
    judged = known if rule.needs_truth else np.ones(entries.num_rows, dtype=np.bool_)
    if not judged.any():
        return {}
    answers = Predictions(rows, topics, "").where(judged)
    weights = np.ones((1, int(judged.sum())), dtype=np.uint8)
    found = rule.measure(entries.filter(pa.array(judged)), answers, weights)
    return {name: float(values[0]) for name, values in found.items() if not np.isnan(values[0])}


def _compare(
    task: str,
    entries: pa.Table,
    ours: Predictions,
    theirs: Predictions,
    shared: Mask,
    seed: int,
    n_resamples: int,
) -> Comparison:
    n, rule = int(shared.sum()), TASKS[task]
    challenger: Replicates = {}
    champion: Replicates = {}
    if n:
        weights, both = bootstrap_weights(n, n_resamples, seed), entries.filter(pa.array(shared))
        challenger = rule.measure(both, ours.where(shared), weights)
        champion = rule.measure(both, theirs.where(shared), weights)
    return Comparison(
        digest=theirs.digest,
        n_entries=n,
        n_left_out=len(shared) - n,
        metrics=estimates(champion, rule.ranges),
        differences=differences(challenger, champion),
        verdict=better_than(task, challenger, champion, n),
    )


def _known(truth: pa.Table, column: str) -> Mask:
    if column not in truth.column_names:
        return np.zeros(truth.num_rows, dtype=np.bool_)
    return np.array([bool(value) for value in truth[column].to_pylist()], dtype=np.bool_)
