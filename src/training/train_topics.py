"""Topics from the words that keep company: NMF of a word correlation matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UserError
from src.pipeline.step import param
from src.training.family import TASKS, Family
from src.training.files import text_array, write_model
from src.training.naming import name_topics
from src.training.rows import texts
from src.training.topic_words import content_words, stop_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from scipy import sparse

    Floats = npt.NDArray[np.float64]

TOP_WORDS = 10
WORDS_PER_TOPIC = 5  # fewer make no topic
SPAN = 20  # words of an entry that count as said together
SMOOTHING = 0.75  # exponent on frequencies of neighbours: less weight on rare words


@dataclass(frozen=True)
class TopicParams:
    """Parameters of the NMF family."""

    n_topics: int = param(20, "Number of topics", low=2, high=200, search=(5, 60), log=True)
    topics_as: str = param(
        "names", "What predict puts into topics by default", choices=("names", "records")
    )
    min_df: int = param(
        5, "Training entries that a word must stand in", low=1, high=1000, search=(2, 20), log=True
    )
    max_df: float = param(
        0.3, "Largest share of entries that a word may stand in", low=0, high=1, search=(0.05, 0.5)
    )
    max_features: int = param(5000, "Words kept, the most frequent", low=100, high=10_000)


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: TopicParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit topics on all training entries.

    Short entries hold too few words for a matrix of entries and words; which words stand
    together over the whole corpus is known far better. So NMF factorises the correlation of
    words (Yan et al., 2013), here their positive normalised pointwise mutual information
    (Bouma, 2009). A text is then projected by its words' topic weights, each word's divided by
    the root of their sum, so that words of many topics count less.

    Raises
    ------
    UserError
        There are too few words for so many topics.
    """
    import warnings

    import numpy as np
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    from src.models.topic_extractor import words

    entries = [words(text) for text in texts(train)]
    vocabulary = topic_vocabulary(entries, params, stop_words())
    progress(f"nmf: {params.n_topics} topics of {len(vocabulary):,} words")
    model = NMF(params.n_topics, init="nndsvda", random_state=seed)
    # One thread: sums in another order have other last digits. After 200 rounds topics change
    # no more, whatever is left to gain.
    with (
        threadpool_limits(1),
        warnings.catch_warnings(action="ignore", category=ConvergenceWarning),
    ):
        model.fit(correlation(entries, vocabulary))
        topics = model.components_[model.components_.any(axis=1)]
        topics /= np.linalg.norm(topics, axis=1, keepdims=True)
        weights = (topics / np.sqrt(np.maximum(topics.sum(axis=0), 1e-12))).T
        n_topics = write_words(folder, entries, vocabulary, weights, params.topics_as)
    return {"n_topics": n_topics, "n_words": len(vocabulary), "n_iterations": model.n_iter_}


def write_words(
    folder: Path,
    entries: Sequence[Sequence[str]],
    vocabulary: Sequence[str],
    weights: Floats,
    topics_as: str,
) -> int:
    """Name topics that are made of words, and write the model; gives how many there are.

    Parameters
    ----------
    entries
        The words of each training entry.
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
    names = name_topics(topic_words, entries, topic_of)
    described = [
        {"topic_id": i, "topic_name": name, "words": topic_words[i]} for i, name in enumerate(names)
    ]
    arrays = {"terms": text_array(vocabulary), "idf": vectorizer.idf_, "weights": weights}
    write_model(folder, {"topics": described, "topics_as": topics_as}, arrays)
    return len(names)


def topic_vocabulary(
    entries: Sequence[Sequence[str]], params: TopicParams, stop: frozenset[str]
) -> list[str]:
    """List the words that topics are made of, in alphabetical order.

    The most frequent of the `content_words` that are neither too rare nor too frequent.

    Raises
    ------
    UserError
        There are too few for so many topics.
    """
    counts = content_words(entries, params.min_df, stop)
    kept = [word for word, count in counts.items() if count <= params.max_df * len(entries)]
    if len(kept) < WORDS_PER_TOPIC * params.n_topics:
        fewer = len(kept) // WORDS_PER_TOPIC
        more = "Give a source with more entries: -P source=…"
        raise UserError(
            f"{params.n_topics} topics need {WORDS_PER_TOPIC * params.n_topics:,} words that stand "
            f"in {params.min_df} training entries or more; {len(entries):,} entries have only "
            f"{len(kept):,}.",
            f"Ask for fewer topics: -P n_topics={fewer}" if fewer > 1 else more,
        )
    return sorted(sorted(kept, key=lambda word: (-counts[word], word))[: params.max_features])


def _first_words(weights: Floats, presence: Floats, vocabulary: Sequence[str]) -> list[str]:
    """Choose ten words that a topic weighs and entries hold, and put the telling ones first."""
    import numpy as np

    chosen = np.argsort(-weights * presence, kind="stable")[:TOP_WORDS]
    telling = np.argsort(-(weights[chosen] ** 1.5) * presence[chosen], kind="stable")
    return [vocabulary[row] for row in chosen[telling] if weights[row]]


def correlation(entries: Sequence[Sequence[str]], vocabulary: Sequence[str]) -> sparse.csr_array:
    """Measure which words stand together more often than by chance.

    Positive normalised pointwise mutual information over spans of 20 known words, with context
    distribution smoothing (Levy et al., 2015) and shrunk by n / (n + 1) where words met only n
    times (Pantel and Lin, 2002).

    Returns
    -------
    Shape `(n_words, n_words)`, values within 0 to 1 up to the smoothing, zero on the diagonal.
    """
    import numpy as np
    from scipy import sparse

    place = {word: column for column, word in enumerate(vocabulary)}
    spans = list[set[int]]()
    for entry in entries:
        known = [place[word] for word in entry if word in place]
        spans += [set(known[start : start + SPAN]) for start in range(0, len(known), SPAN)]
    starts = np.cumsum([0, *map(len, spans)])
    columns = np.fromiter((column for span in spans for column in sorted(span)), np.int32)
    held = sparse.csr_array(
        (np.ones(len(columns)), columns, starts), shape=(len(spans), len(vocabulary))
    )
    together = sparse.triu(held.T @ held, k=1).tocoo()
    share = np.asarray(held.sum(axis=0)).ravel() / len(spans)
    smooth = share**SMOOTHING
    smooth *= share.sum() / smooth.sum()
    met = together.data / len(spans)
    # The mean of both directions keeps the matrix symmetric.
    chance = np.log(share[together.row] * smooth[together.col]) / 2
    chance += np.log(smooth[together.row] * share[together.col]) / 2
    information = np.log(met) - chance
    certain = met == 1
    normalised = information / np.where(certain, 1, -np.log(np.where(certain, 0.5, met)))
    values = np.maximum(normalised, 0) * together.data / (together.data + 1)
    half = sparse.coo_array((values, (together.row, together.col)), shape=together.shape)
    return (half + half.T).tocsr()


FAMILY = Family("nmf", TASKS["topics"], fit, TopicParams, requires=("scikit-learn",))
