"""Topics from the words that keep company: NMF of a word correlation matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.training.family import TASKS, Family
from src.training.known_terms import authors_of
from src.training.rows import texts
from src.training.topic_words import stop_words
from src.training.word_topics import TopicParams, topic_vocabulary, write_words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from scipy import sparse

    Floats = npt.NDArray[np.float64]

SPAN = 20  # words of an entry that count as said together
SMOOTHING = 0.75  # exponent on frequencies of neighbours: less weight on rare words


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
    authors = authors_of(train, params.min_authors)
    vocabulary = topic_vocabulary(entries, authors, params, stop_words())
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
        n_topics = write_words(*(folder, entries, authors, vocabulary, weights, params.topics_as))
    return {"n_topics": n_topics, "n_words": len(vocabulary), "n_iterations": model.n_iter_}


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
