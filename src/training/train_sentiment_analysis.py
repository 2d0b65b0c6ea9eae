"""Logistic regression on words and pieces of words: quick to fit and to answer, needs no GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from src.training.family import TASKS, Family
from src.training.known_terms import authors_of
from src.training.linear import Blocks, LinearParams, logistic_regression, write_linear
from src.training.rows import labelled_for_training

if TYPE_CHECKING:
    import pyarrow as pa


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
        A class has too few labelled entries, or no term is of `min_authors` authors.
    """
    from src.models.sentiment_analyzer import ANALYZERS

    texts, labels = labelled_for_training(train)
    progress(f"linear: counting terms in {len(texts):,} entries")
    authors = authors_of(train, params.min_authors, labelled_only=True)
    blocks = Blocks(ANALYZERS, texts, authors, params.max_features)
    n_terms = blocks.features.shape[1]
    progress(f"linear: fitting weights of {n_terms:,} terms")
    model = logistic_regression(blocks.features, labels, params)
    scale = write_linear(folder, blocks, model.classes_, model.coef_.T, model.intercept_, valid)
    return {"n_terms": n_terms, "temperature": scale, "n_labelled": len(texts)}


FAMILY = Family("linear", TASKS["sentiment"], fit, LinearParams, requires=("scikit-learn",))
