"""Topic models over sentence embeddings as Turftopic has them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from child import Fitted, Given
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from turftopic import GMM, KeyNMF, SemanticSignalSeparation, SensTopic


class Words:
    """Encodes words with the encoder that the texts' vectors are of, loaded when first asked."""

    def __init__(self, folder: str) -> None:
        self.folder, self.model = folder, None

    def encode(self, texts: Any, **more: Any) -> Any:
        """Give vectors of length 1."""
        from sentence_transformers import SentenceTransformer

        if self.model is None:
            self.model = SentenceTransformer(self.folder, device="cpu")
        return self.model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)


def keynmf(given: Given, top_n: int = 25, min_df: int = 5) -> Fitted:
    """Fit KeyNMF: NMF of each text's words that its vector is nearest to."""
    return _fitted(KeyNMF(top_n=top_n, **_usual(given, min_df)), given)


def gmm(given: Given, pca: int = 0, prior: str | None = None, min_df: int = 5) -> Fitted:
    """Fit a mixture of Gaussians to the vectors, reduced by PCA first if wished."""
    reduced = PCA(pca, random_state=given.seed) if pca else None
    usual = _usual(given, min_df)
    return _fitted(GMM(dimensionality_reduction=reduced, weight_prior=prior, **usual), given)


def s3(
    given: Given, importance: str = "combined", signs: str = "as they come", min_df: int = 5
) -> Fitted:
    """Fit independent components of the vectors: semantic signal separation.

    A component's sign is chance. `signs` "oriented" turns its heavier tail to the positive side,
    "absolute" counts both sides alike.
    """
    usual = _usual(given, min_df)
    model = SemanticSignalSeparation(feature_importance=importance, **usual)
    fitted = _fitted(model, given)
    if signs == "as they come":
        return fitted
    found = np.asarray(model.document_topic_matrix)
    turn = np.where(((found - found.mean(axis=0)) ** 3).sum(axis=0) < 0, -1.0, 1.0)
    words = _first_words(model, np.asarray(model.components_) * turn[:, None])

    def ask(texts: list[str], vectors: Any) -> Any:
        scores = np.asarray(fitted.ask(texts, vectors)) * turn
        return np.abs(scores) if signs == "absolute" else scores

    return Fitted(words, ask)


def senstopic(given: Given, sparsity: float = 1.0, min_df: int = 5) -> Fitted:
    """Fit semi-NMF of the vectors: the sensing topic model."""
    return _fitted(SensTopic(sparsity=sparsity, **_usual(given, min_df)), given)


def _usual(given: Given, min_df: int) -> dict[str, Any]:
    return {
        "n_components": given.k,
        "encoder": Words(given.encoder),
        "vectorizer": CountVectorizer(min_df=min_df, stop_words="english"),
        "random_state": given.seed,
    }


def _fitted(model: Any, given: Given) -> Fitted:
    with contextlib.redirect_stdout(io.StringIO()):
        model.fit(given.texts, embeddings=given.vectors)

    def ask(texts: list[str], vectors: Any) -> Any:
        return model.transform(texts, embeddings=vectors)

    return Fitted(_first_words(model, np.asarray(model.components_)), ask)


def _first_words(model: Any, weights: Any) -> list[list[str]]:
    vocabulary = np.asarray(model.get_vocab())
    return [list(vocabulary[np.argsort(-row, kind="stable")[:10]]) for row in weights]
