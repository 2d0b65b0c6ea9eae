"""NMF and LDA as scikit-learn has them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from child import Fitted, Given
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import normalize

warnings.simplefilter("ignore")


def nmf(given: Given, tfidf: bool = True, min_df: int = 5, rows: bool = False) -> Fitted:
    """Fit NMF; `rows` scales each text's topics to length 1."""
    model = NMF(given.k, init="nndsvda", random_state=given.seed, max_iter=400)
    return _fitted(model, given, tfidf, min_df, rows)


def lda(
    given: Given, tfidf: bool = False, min_df: int = 5, prior: float | None = None, rounds: int = 10
) -> Fitted:
    """Fit LDA by variational Bayes; `prior` is that of topics in a text, by default 1 / k."""
    model = LatentDirichletAllocation(
        given.k,
        doc_topic_prior=prior,
        max_iter=rounds,
        learning_method="batch",
        random_state=given.seed,
    )
    return _fitted(model, given, tfidf, min_df, False)


def _fitted(model: Any, given: Given, tfidf: bool, min_df: int, rows: bool) -> Fitted:
    kind = TfidfVectorizer if tfidf else CountVectorizer
    vectorizer = kind(min_df=min_df, stop_words="english")
    model.fit(vectorizer.fit_transform(given.texts))
    vocabulary = vectorizer.get_feature_names_out()
    words = [list(vocabulary[np.argsort(-row)[:10]]) for row in model.components_]

    def ask(texts: list[str], vectors: Any) -> Any:
        found = model.transform(vectorizer.transform(texts))
        return normalize(found) if rows else found

    return Fitted(words, ask)
