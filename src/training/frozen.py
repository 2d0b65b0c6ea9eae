"""Fits a linear head on what a backbone says as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from src.training.network import Network, Rows, outputs
from src.training.pace import Pace
from src.training.rows import class_weights

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

BATCH = 64
LEAST_SPREAD = 1e-6  # features that are always the same say nothing


def fit_head(
    network: Network,
    rows: Rows,
    labels: Sequence[str],
    counts: Sequence[float],
    c: float,
    balance: float,
    pad: int,
    say: Callable[[str], None],
) -> tuple[Floats, Floats]:
    """Fit logistic regression on the mean hidden states of the training texts.

    Features are brought to mean 0 and spread 1, which weights and intercept then take in.

    Parameters
    ----------
    rows, labels, counts
        Token ids and class of each text, and how much it counts.
    c, balance
        Inverse strength of the penalty, and the weight of rare classes.
    pad
        The id of padding.

    Returns
    -------
    Weights `(d, n_classes)` and intercept `(n_classes,)`, classes in alphabetical order.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    pace, found = Pace(say, len(rows)), [np.empty(0)] * len(rows)
    for places, pooled in outputs(network, rows, pad, BATCH):
        for place, vector in zip(places, pooled.double().numpy(), strict=True):
            found[place] = vector
        pace.count(len(places), "roberta: reading")
    features = np.stack(found)
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_SPREAD)
    say(f"roberta: fitting the head on {features.shape[1]:,} features")
    model = LogisticRegression(C=c, class_weight=class_weights(labels, balance), max_iter=1000)
    with threadpool_limits(1):  # sums in another order have other last digits
        model.fit((features - mean) / spread, labels, counts)
    weights = model.coef_.T / spread[:, None]
    return weights, model.intercept_ - mean @ weights
