"""Topics that are made of words alone: what their families share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UserError
from src.pipeline.step import param
from src.training.files import text_array, write_model
from src.training.known_terms import min_authors_param
from src.training.naming import name_topics
from src.training.topic_words import content_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from src.training.known_terms import Authors

    Floats = npt.NDArray[np.float64]

TOP_WORDS = 10
WORDS_PER_TOPIC = 5  # fewer make no topic


@dataclass(frozen=True)
class TopicParams:
    """Parameters of topics that are made of words."""

    n_topics: int = param(20, "Number of topics", low=2, high=200, search=(5, 60), log=True)
    topics_as: str = param(
        "names", "What predict puts into topics by default", choices=("names", "records")
    )
    min_df: int = param(
        5, "Training entries that a word must stand in", low=1, high=1000, search=(2, 20), log=True
    )
    min_authors: int = min_authors_param()
    max_df: float = param(
        0.3, "Largest share of entries that a word may stand in", low=0, high=1, search=(0.05, 0.5)
    )
    max_features: int = param(5000, "Words kept, the most frequent", low=100, high=10_000)


def topic_vocabulary(
    entries: Sequence[Sequence[str]], authors: Authors, params: TopicParams, stop: frozenset[str]
) -> list[str]:
    """List the words that topics are made of, in alphabetical order.

    The most frequent of the `content_words` that are neither too rare nor too frequent, and that
    enough authors used.

    Raises
    ------
    UserError
        There are too few for so many topics.
    """
    counts = content_words(entries, params.min_df, stop)
    shared = authors.shared(entries, iter)
    kept = [
        w for w, count in counts.items() if count <= params.max_df * len(entries) and w in shared
    ]
    if len(kept) < WORDS_PER_TOPIC * params.n_topics:
        fewer = len(kept) // WORDS_PER_TOPIC
        more = "Give a source with more entries: -P source=…"
        raise UserError(
            f"{params.n_topics} topics need {WORDS_PER_TOPIC * params.n_topics:,} words that stand "
            f"in {params.min_df} training entries of {params.min_authors} authors or more; "
            f"{len(entries):,} entries have only {len(kept):,}.",
            f"Ask for fewer topics: -P n_topics={fewer}" if fewer > 1 else more,
        )
    return sorted(sorted(kept, key=lambda word: (-counts[word], word))[: params.max_features])


def write_words(
    folder: Path,
    entries: Sequence[Sequence[str]],
    authors: Authors,
    vocabulary: Sequence[str],
    weights: Floats,
    topics_as: str,
) -> int:
    """Name topics that are made of words, and write the model; gives how many there are.

    Parameters
    ----------
    entries, authors
        The words of each training entry, and who wrote it.
    weights
        Shape `(n_words, n_topics)`: how much each word of an entry speaks for each topic.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, vocabulary=vocabulary)
    features = vectorizer.fit_transform(entries)
    strengths = features @ weights
    squares = strengths**2
    shares = squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-300)
    order = np.argsort(-shares.sum(axis=0), kind="stable")  # topic 0 is the most frequent
    weights, strengths = np.ascontiguousarray(weights[:, order]), strengths[:, order]
    presence = np.sqrt(np.bincount(features.indices, minlength=len(vocabulary)))
    topic_words = [_first_words(column, presence, vocabulary) for column in weights.T]
    topic_of = np.where(strengths.any(axis=1), strengths.argmax(axis=1), -1).tolist()
    names = name_topics(topic_words, entries, topic_of, authors)
    described = [
        {"topic_id": i, "topic_name": name, "words": topic_words[i]} for i, name in enumerate(names)
    ]
    arrays = {"terms": text_array(vocabulary), "idf": vectorizer.idf_, "weights": weights}
    write_model(folder, {"topics": described, "topics_as": topics_as}, arrays)
    return len(names)


def _first_words(weights: Floats, presence: Floats, vocabulary: Sequence[str]) -> list[str]:
    """Choose ten words that a topic weighs and entries hold, and put the telling ones first."""
    import numpy as np

    chosen = np.argsort(-weights * presence, kind="stable")[:TOP_WORDS]
    telling = np.argsort(-(weights[chosen] ** 1.5) * presence[chosen], kind="stable")
    return [vocabulary[row] for row in chosen[telling] if weights[row]]
