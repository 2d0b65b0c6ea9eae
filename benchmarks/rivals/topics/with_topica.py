"""LDA by Gibbs sampling as topica has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import topica
from child import Fitted, Given


def lda(
    given: Given,
    alpha: float | None = None,
    beta: float = 0.01,
    min_df: int = 5,
    rounds: int = 1000,
) -> Fitted:
    """Fit LDA; `alpha` is the prior of each topic in a text."""
    words = given.words(given.texts)
    known = given.frequent(words, min_df)

    def kept(texts: list[list[str]]) -> list[list[str]]:
        return [[word for word in own if word in known] for own in texts]

    model = topica.LDA(
        given.k, alpha_sum=alpha and alpha * given.k, beta=beta, seed=given.seed, num_threads=1
    )
    model.fit([own for own in kept(words) if own], iters=rounds, progress=False)

    def ask(texts: list[str], vectors: Any) -> Any:
        found = kept(given.words(texts))
        scores = np.zeros((len(texts), given.k))
        rows = [row for row, own in enumerate(found) if own]
        if rows:
            scores[rows] = model.transform([found[row] for row in rows], seed=given.seed)
        return scores

    return Fitted(model.top_words(10), ask)
