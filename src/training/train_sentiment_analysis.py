"""Logistic regression on words and pieces of words: quick to fit and to answer, needs no GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.pipeline.step import param
from src.training.family import TASKS, Family
from src.training.linear import Blocks, write_linear
from src.training.rows import class_weights, labelled_for_training

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
        50_000, "Terms kept of words and of pieces, the most frequent", low=100, high=1_000_000
    )


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: LinearParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit weights on the labelled training entries, and confidence on the validation entries.

    Two blocks of sublinear TF-IDF, words with pairs of words and pieces of words, which know
    endings and misspellings; then multinomial logistic regression and temperature scaling. A
    class of n entries weighs `(n_entries / (n_classes * n)) ** balance`.

    Raises
    ------
    UserError
        A class has too few labelled entries, or no term stands in `min_df` entries.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    from src.models.sentiment_analyzer import ANALYZERS

    texts, labels = labelled_for_training(train)
    progress(f"linear: counting terms in {len(texts):,} entries")
    blocks = Blocks(ANALYZERS, texts, params.min_df, params.max_features)
    n_terms = blocks.features.shape[1]
    progress(f"linear: fitting weights of {n_terms:,} terms")
    class_weight = class_weights(labels, params.balance)
    model = LogisticRegression(C=params.c, class_weight=class_weight, max_iter=500)
    with threadpool_limits(1):  # sums in another order have other last digits
        model.fit(blocks.features, labels)
    scale = write_linear(folder, blocks, model.classes_, model.coef_.T, model.intercept_, valid)
    return {"n_terms": n_terms, "temperature": scale, "n_labelled": len(texts)}


FAMILY = Family("linear", TASKS["sentiment"], fit, LinearParams, requires=("scikit-learn",))
