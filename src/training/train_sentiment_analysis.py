"""Logistic regression on words and pieces of words: quick to fit and to answer, needs no GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.data import LABELS
from src.pipeline.step import param
from src.training.calibration import temperature
from src.training.family import TASKS, Family
from src.training.linear import write_linear
from src.training.rows import labelled, labelled_for_training

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LinearParams:
    """Parameters of the linear family."""

    c: float = param(1.0, "Inverse strength of the L2 penalty", low=1e-4, high=1e4)
    balance: float = param(
        0.5, "Weight of rare classes: 0 as they come, 1 as if all were as frequent", low=0, high=1
    )
    min_df: int = param(2, "Training entries that a term must stand in", low=1, high=1000)
    max_features: int = param(
        100_000, "Terms kept of each kind, the most frequent", low=100, high=1_000_000
    )


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: LinearParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit on the labelled training entries, and the confidence on the validation entries.

    Two blocks of sublinear TF-IDF, each scaled to length 1 (words with pairs of words; pieces
    of words, which know misspellings and endings), then multinomial logistic regression, and
    temperature scaling. Nothing is random; the seed has no effect.

    Raises
    ------
    UserError
        A class has too few labelled entries, or no term stands in `min_df` entries.
    """
    import numpy as np
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from src.models.sentiment_analyzer import ANALYZERS

    texts, labels = labelled_for_training(train)
    progress(f"linear: counting terms in {len(texts):,} entries")
    blocks = {
        name: TfidfVectorizer(
            analyzer=analyzer,
            sublinear_tf=True,
            min_df=params.min_df,
            max_features=params.max_features,
        )
        for name, analyzer in ANALYZERS.items()
    }
    features = sparse.hstack([block.fit_transform(texts) for block in blocks.values()]).tocsr()
    progress(f"linear: fitting weights of {features.shape[1]:,} terms")
    counts = {label: labels.count(label) for label in LABELS}
    weights = {
        label: (len(labels) / (len(LABELS) * count)) ** params.balance
        for label, count in counts.items()
    }
    model = LogisticRegression(C=params.c, class_weight=weights, max_iter=500)
    with threadpool_limits(1):  # sums in another order have other last digits
        model.fit(features, labels)
    held_out, truth = labelled(valid)
    scale = 1.0
    if held_out:
        parts = sparse.hstack([block.transform(held_out) for block in blocks.values()])
        scale = temperature(parts @ model.coef_.T + model.intercept_, truth)
    order = [list(model.classes_).index(label) for label in LABELS]
    write_linear(
        folder,
        blocks,
        np.ascontiguousarray(model.coef_[order].T) / scale,
        model.intercept_[order] / scale,
    )
    return {"n_terms": features.shape[1], "temperature": scale, "n_labelled": len(texts)}


FAMILY = Family("linear", TASKS["sentiment"], fit, LinearParams, requires=("scikit-learn",))
