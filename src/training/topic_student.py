"""The fast student of a topic teacher: a table of topic weights per word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    Floats = npt.NDArray[np.float64]

LEAST_DF = 2  # texts that a word must stand in to get weights of its own
MOST_IDF = 6.0  # rarer words say no more
ROUNDS = 150


@dataclass(frozen=True)
class Table:
    """Words with their weights.

    Attributes
    ----------
    terms
        The words that count.
    idf
        Shape `(n_terms,)`.
    weights, intercept
        Shapes `(n_terms, n_topics)` and `(n_topics,)`: from a text's TF-IDF row, scaled to
        length 1, to the logits of topics.
    """

    terms: list[str]
    idf: Floats
    weights: Floats
    intercept: Floats

    def logits(self, texts: Sequence[Sequence[str]]) -> Floats:
        """Read texts given as words; shape `(n_texts, n_topics)`."""
        rows = tfidf(texts, self.terms, self.idf)
        found: Floats = rows @ self.weights + self.intercept
        return found


def fit_table(
    texts: Sequence[Sequence[str]],
    targets: Floats,
    terms: Sequence[str],
    vectors: Floats,
    penalty: float,
    start: Table | None = None,
    used: Collection[str] | None = None,
) -> Table:
    """Fit a table that answers as the teacher does: distillation with soft labels.

    Multinomial logistic regression on the shares that the teacher gives (Hinton et al., 2015).
    A word's weights are a linear map of its vector, the same for all words, and for words of two
    texts or more something of their own; so words that training never saw have weights too.

    Parameters
    ----------
    texts
        The n texts as words.
    targets
        Shape `(n, n_topics)`, rows of sum 1.
    terms
        The words that may count.
    vectors
        Shape `(n_terms, d)`: what is known of each word beforehand.
    penalty
        Weight of the squared coefficients beside a text's mean loss.
    start
        An earlier table of the same topics: the fit is drawn to it instead of to zero, and the
        words it alone knows stay.
    used
        Words of which something of their own may be learned; all if left out. Others are as words
        that no text holds.
    """
    import numpy as np
    from scipy import sparse

    counts = Counter(word for text in texts for word in set(text))
    if used is not None:
        counts = Counter({word: n for word, n in counts.items() if word in used})
    if start is not None:
        known = dict(zip(start.terms, start.idf.tolist(), strict=True))
        idf = np.array([known.get(term, MOST_IDF) for term in terms])
    else:
        share = np.array([(counts[term] + 0.5) / (len(texts) + 1) for term in terms])
        idf = np.minimum(1 - np.log(share), MOST_IDF)
    rows = tfidf(texts, terms, idf)
    own = np.flatnonzero([counts[term] >= LEAST_DF for term in terms])
    before = 0.0 if start is None else start.logits(texts)
    features = sparse.csr_array(sparse.hstack([rows[:, own], sparse.csr_array(rows @ vectors)]))
    coefficients, intercept = soft_regression(features, targets, penalty, before)
    weights = vectors @ coefficients[len(own) :]
    weights[own] += coefficients[: len(own)]
    if start is not None:
        place = {term: row for row, term in enumerate(start.terms)}
        shared = [(i, place[term]) for i, term in enumerate(terms) if term in place]
        weights[[i for i, _ in shared]] += start.weights[[j for _, j in shared]]
        intercept = intercept + start.intercept
    return Table(list(terms), idf, weights, intercept)


def soft_regression(
    features: sparse.csr_array, targets: Floats, penalty: float, before: Floats | float
) -> tuple[Floats, Floats]:
    """Minimise the cross-entropy to soft targets, with an offset to the logits and an L2 penalty.

    Returns
    -------
    Coefficients of shape `(n_features, n_topics)` and intercept of shape `(n_topics,)`.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    n_texts, n_topics = targets.shape
    n_features = features.shape[1]
    across = features.T.tocsr()

    def loss(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(n_features + 1, n_topics)
        logs = log_softmax(features @ table[:-1] + table[-1] + before, axis=1)
        missed = (np.exp(logs) - targets) / n_texts
        slope = np.vstack([across @ missed + penalty * table[:-1], missed.sum(axis=0)])
        value = -(targets * logs).sum() / n_texts + penalty * (table[:-1] ** 2).sum() / 2
        return float(value), slope.ravel()

    start = np.zeros((n_features + 1) * n_topics)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    table = found.x.reshape(n_features + 1, n_topics)
    return table[:-1], table[-1]


def tfidf(texts: Sequence[Sequence[str]], terms: Sequence[str], idf: Floats) -> sparse.csr_array:
    """Weigh the known words of texts as the shipped model does; shape `(n_texts, n_terms)`."""
    import numpy as np
    from scipy import sparse

    place = {term: column for column, term in enumerate(terms)}
    columns, values, starts = list[int](), list[float](), [0]
    for text in texts:
        counts = Counter(place[word] for word in text if word in place)
        own = [(1 + math.log(n)) * float(idf[column]) for column, n in counts.items()]
        length = math.sqrt(sum(value * value for value in own))
        columns += counts
        values += [value / length for value in own]
        starts.append(len(columns))
    parts = (np.array(values), np.array(columns, np.int64), np.array(starts))
    return sparse.csr_array(parts, shape=(len(texts), len(terms)))
