"""How right a version is where labels came later, beside what it was registered with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from src.evaluation.bootstrap import Estimate

SHOWN = {"sentiment": ("accuracy", "recall_macro", "f1_macro"), "topics": ("map", "nmi")}
FEWEST, MOST, RESAMPLES = 30, 5_000, 1_000


def live_figures(
    task: str,
    entries: pa.Table,
    answers: Sequence[Mapping[str, Any]],
    topics: Sequence[Mapping[str, Any]] | None,
    tags: Mapping[str, str],
    seed: int,
) -> dict[str, tuple[Estimate, str]]:
    """Measure a model on the entries that have a truth; nothing of fewer than 30.

    Parameters
    ----------
    answers
        The model's, in the order of `entries`.
    topics
        The model's topics; None for sentiment.
    tags
        Of the version, among which are its registered figures.

    Returns
    -------
    figures
        By metric: the estimate now, and the registered one in words.
    """
    from src.evaluation.bootstrap import bootstrap_weights, estimates
    from src.evaluation.tasks import TASKS, Predictions

    rule = TASKS[task]
    known = np.flatnonzero([bool(value) for value in entries[rule.truth_column].to_pylist()])
    if len(known) < FEWEST:
        return {}
    known = np.sort(np.random.default_rng(seed).permutation(known)[:MOST])
    rows = [dict(answers[place]) for place in known.tolist()]
    predictions = Predictions(rows, list(map(dict, topics)) if topics else None, "")
    weights = bootstrap_weights(len(rows), RESAMPLES, seed)
    found = estimates(rule.measure(entries.take(known), predictions, weights), rule.ranges)
    return {
        name: (found[name], tags.get(f"metric.{name}", "–"))
        for name in SHOWN[task]
        if name in found
    }
