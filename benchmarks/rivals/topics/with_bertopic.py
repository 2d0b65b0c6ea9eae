"""BERTopic: UMAP, HDBSCAN and c-TF-IDF over sentence embeddings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from bertopic import BERTopic
from child import Fitted, Given
from hdbscan import HDBSCAN
from sklearn.feature_extraction.text import CountVectorizer
from umap import UMAP

warnings.simplefilter("ignore")


def fit(
    given: Given, min_cluster_size: int = 10, min_samples: int | None = None, reduced: bool = False
) -> Fitted:
    """Fit, merging clusters down to k; `reduced` gives outliers the topic nearest by vector.

    Of few texts clusters may be smaller, a quarter of what each of k would have, or there would
    not be k. Scores are HDBSCAN's probabilities, or where outliers are reduced cosines to topics'
    vectors.
    """
    least = max(2, min(min_cluster_size, len(given.texts) // (4 * given.k)))
    model = BERTopic(
        nr_topics=given.k + 1,  # outliers are counted as one
        umap_model=UMAP(15, 5, min_dist=0.0, metric="cosine", random_state=given.seed),
        hdbscan_model=HDBSCAN(
            min_cluster_size=least, min_samples=min_samples, prediction_data=True
        ),
        vectorizer_model=CountVectorizer(stop_words="english"),
        calculate_probabilities=not reduced,
    )
    topics, _ = model.fit_transform(given.texts, given.vectors)
    if reduced and -1 in topics:
        topics = model.reduce_outliers(
            given.texts, topics, strategy="embeddings", embeddings=given.vectors
        )
        model.update_topics(given.texts, topics=topics, vectorizer_model=model.vectorizer_model)
    own = sorted(set(model.get_topics()) - {-1})
    words = [[word for word, _ in model.get_topic(topic) if word] for topic in own]

    def ask(texts: list[str], vectors: Any) -> Any:
        found, probabilities = model.transform(texts, vectors)
        if not reduced:
            return np.asarray(found), probabilities
        centres = np.asarray(model.topic_embeddings_)[-len(own) :]
        cosines = vectors @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
        return np.where(np.asarray(found) < 0, cosines.argmax(axis=1), found), cosines

    def read(texts: list[str], answer: Any) -> tuple[Any, Any]:
        found, scores = answer
        place = {topic: i for i, topic in enumerate(own)}
        return scores, np.array([place.get(int(topic), -1) for topic in found])

    return Fitted(words, ask, read)
