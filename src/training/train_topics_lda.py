"""Topics by latent Dirichlet allocation, the classic: every entry a mixture, every topic words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from src.training.family import TASKS, Family
from src.training.known_terms import authors_of
from src.training.rows import texts
from src.training.topic_words import stop_words
from src.training.word_topics import TopicParams, topic_vocabulary, write_words

if TYPE_CHECKING:
    import pyarrow as pa

ROUNDS = 30


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: TopicParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit topics on all training entries by variational Bayes (Hoffman et al., 2010).

    What ships folds a text in by the probability of each topic given each of its words, instead
    of the iterations of the model itself: a table answers at once.

    Raises
    ------
    UserError
        There are too few words for so many topics.
    """
    import numpy as np
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer
    from threadpoolctl import threadpool_limits

    from src.models.topic_extractor import words

    entries = [words(text) for text in texts(train)]
    authors = authors_of(train, params.min_authors)
    vocabulary = topic_vocabulary(entries, authors, params, stop_words())
    progress(f"lda: {params.n_topics} topics of {len(vocabulary):,} words")
    counts = CountVectorizer(analyzer=list, vocabulary=vocabulary).transform(entries)
    model = LatentDirichletAllocation(params.n_topics, max_iter=ROUNDS, random_state=seed)
    with threadpool_limits(1):  # sums in another order have other last digits
        model.fit(counts)
        topics = model.components_ / model.components_.sum(axis=1, keepdims=True)
        weights = (topics / np.maximum(topics.sum(axis=0), 1e-300)).T
        n_topics = write_words(*(folder, entries, authors, vocabulary, weights, params.topics_as))
    return {"n_topics": n_topics, "n_words": len(vocabulary), "n_iterations": model.n_iter_}


FAMILY = Family("lda", TASKS["topics"], fit, TopicParams, requires=("scikit-learn",))
