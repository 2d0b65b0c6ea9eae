"""Topics in the space of a sentence encoder: the teacher of a fast topic model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

DIMENSIONS = 64  # principal components kept
FIRST_WHITENING = 0.25  # exponent on the standard deviations before the first clustering
WHITENING = 0.25  # exponent on the variances within clusters after it
ROUNDS = 2  # of whitening by clusters, then clustering anew
STARTS, ROUNDS_OF_KMEANS = 10, 200
CANDIDATES = (12, 16, 20, 25, 32, 40, 50)  # numbers of topics to choose from
LEAST_PER_TOPIC = 15  # texts
TOLERANCE = 0.02  # of stability, for fewer topics
RUNS_OF_SPLITS = 3
PER_ANCHOR = 5  # texts that a phrase of a wanted topic counts for
NEW_SHARE = 0.02  # least share of all texts that a new topic has
NEW_OVERLAP = 0.2  # most that a topic's texts may share with one there was, to be a new one


@dataclass(frozen=True)
class Space:
    """Where texts are points: from a sentence encoder's unit vectors to unit vectors.

    Attributes
    ----------
    mean, projection
        Shapes `(d,)` and `(d, m)`: what is taken off a vector, and what then turns it.
    """

    mean: Floats
    projection: Floats

    def points(self, vectors: Floats) -> Floats:
        """Place vectors, shape `(n, d)`; gives shape `(n, m)`, each of length 1."""
        return unit((unit(vectors) - self.mean) @ self.projection)


@dataclass(frozen=True)
class Clustering:
    """Topics as directions in a space.

    Attributes
    ----------
    space
        Where they are.
    centroids
        Shape `(n_centroids, m)`, each of length 1.
    labels
        Shape `(n_texts,)`: the nearest centroid of each text that it was fitted on.
    joined
        Shape `(n_centroids,)`: the topic of each, where a topic was made of several; None if each
        is one.
    """

    space: Space
    centroids: Floats
    labels: Codes
    joined: Codes | None = None

    @property
    def topic_of(self) -> Codes:
        """The topic of each centroid, shape `(n_centroids,)`."""
        import numpy as np

        return np.arange(len(self.centroids)) if self.joined is None else self.joined

    @property
    def n_topics(self) -> int:
        """How many topics there are."""
        import numpy as np

        return int(np.max(self.topic_of)) + 1

    def cosines(self, vectors: Floats) -> Floats:
        """Give the cosines of texts to the centroids, shape `(n_texts, n_centroids)`."""
        found: Floats = self.space.points(vectors) @ self.centroids.T
        return found

    def summed(self, shares: Floats) -> Floats:
        """Sum the shares that centroids have in texts by topic, shape `(n_texts, n_topics)`."""
        return cluster_sums(shares.T, self.topic_of, self.n_topics).T

    def nearness(self, vectors: Floats) -> Floats:
        """Give the cosine of texts to each topic: to the nearest of its centroids."""
        import numpy as np

        cosines = self.cosines(vectors)
        own = (cosines[:, self.topic_of == topic] for topic in range(self.n_topics))
        return np.stack([np.max(near, axis=1) for near in own], axis=1)


def unit(rows: Floats) -> Floats:
    """Scale each row to length 1; one without any length stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = rows / np.maximum(lengths, 1e-12)
    return scaled


def drawn(texts: Sequence[str], most: int, seed: int) -> list[int]:
    """Draw at most so many texts by a digest of each: more texts change few of those drawn.

    Returns
    -------
    Their places, in order.
    """
    if len(texts) <= most:
        return list(range(len(texts)))
    salt = seed.to_bytes(8, "big")
    rank = [hashlib.blake2b(text.encode(), digest_size=16, key=salt).digest() for text in texts]
    return sorted(sorted(range(len(texts)), key=lambda i: (rank[i], i))[:most])


def cluster(
    vectors: Floats,
    n_topics: int,
    seed: int,
    labels: Codes | None = None,
    anchors: tuple[Floats, Codes] | None = None,
    space: Space | None = None,
) -> Clustering:
    """Cluster sentence vectors by direction, in a space that the clusters themselves shape.

    The leading principal components, weighed down by what varies much, are clustered by spherical
    k-means (Dhillon and Modha, 2001). Then twice the space is turned so that what varies within
    clusters weighs less, half-way to linear discriminant analysis (as in Ding and Li, "Adaptive
    dimension reduction using discriminant analysis and k-means clustering", 2007), and the
    clusters are fitted on in it.

    Parameters
    ----------
    vectors
        Shape `(n, d)`, at least two.
    labels
        Shape `(n,)`: clusters to start from, -1 for a text without; drawn if None.
    anchors
        Vectors of phrases, and the clusters that they belong to in any case.
    space
        Where to stay, with the labels to start from; shaped anew if None.

    Returns
    -------
    Without the anchors.
    """
    import numpy as np

    n_texts = len(vectors)
    fixed = np.zeros(0, np.int64)
    if space is not None and labels is not None:
        points = space.points(vectors)
        centroids = _kmeans(points, _started(points, labels, n_topics), fixed)
        return Clustering(space, centroids, _nearest(points, centroids, fixed))
    if anchors is not None:
        fixed = np.repeat(anchors[1], PER_ANCHOR)
        vectors = np.vstack([vectors, np.repeat(anchors[0], PER_ANCHOR, axis=0)])
        labels = None if labels is None else np.concatenate([labels, fixed])
    units = unit(vectors)
    mean = units.mean(axis=0)
    centred = units - mean
    values, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = min(DIMENSIONS, len(vectors) - 1, int((values > 1e-9).sum())) or 1
    values, directions = values[::-1][:kept], directions[:, ::-1][:, :kept]
    projection = directions * np.maximum(values, 1e-12) ** (-FIRST_WHITENING / 2)
    points = unit(centred @ projection)
    if labels is None:
        centroids = _best_of(points, n_topics, seed, fixed)
    else:
        centroids = _kmeans(points, _started(points, labels, n_topics), fixed)
    for _ in range(ROUNDS):
        found = _nearest(points, centroids, fixed)
        projection = directions @ _within(centred @ directions, found, n_topics)
        points = unit(centred @ projection)
        centroids = _kmeans(points, _started(points, found, n_topics), fixed)
    found = _nearest(points, centroids, fixed)
    return Clustering(Space(mean, projection), centroids, found[:n_texts])


def _started(points: Floats, labels: Codes, n_topics: int) -> Floats:
    """Give the directions of clusters, of the points that are in one."""
    known = labels >= 0
    return unit(cluster_sums(points[known], labels[known], n_topics))


def _within(points: Floats, labels: Codes, n_topics: int) -> Floats:
    """Half-whiten by what varies within clusters; shape `(m, m)`."""
    import numpy as np

    residuals = points - cluster_sums(points, labels, n_topics, mean=True)[labels]
    scatter = residuals.T @ residuals / len(points)
    scatter += np.eye(len(scatter)) * (1e-3 * np.trace(scatter) / len(scatter) + 1e-12)
    values, directions = np.linalg.eigh(scatter)
    half: Floats = directions * values**-WHITENING
    return half


def cluster_sums(points: Floats, labels: Codes, n_topics: int, mean: bool = False) -> Floats:
    """Sum the points of each cluster, or take their mean; shape `(n_topics, m)`."""
    import numpy as np
    from scipy import sparse

    shape = (n_topics, len(points))
    member = sparse.csr_array((np.ones(len(points)), (labels, np.arange(len(points)))), shape)
    sums: Floats = member @ points
    if mean:
        sums /= np.maximum(np.bincount(labels, minlength=n_topics), 1)[:, None]
    return sums


def _nearest(points: Floats, centroids: Floats, fixed: Codes) -> Codes:
    """Give each point its nearest centroid, the last ones those that are fixed."""
    import numpy as np

    labels: Codes = np.argmax(points @ centroids.T, axis=1)
    if len(fixed):
        labels[-len(fixed) :] = fixed
    return labels


def _best_of(points: Floats, n_topics: int, seed: int, fixed: Codes) -> Floats:
    """Run spherical k-means from several draws and keep the tightest."""
    import numpy as np

    rng = np.random.default_rng(seed)
    found = [
        _kmeans(points, _drawn_centroids(points, n_topics, rng, fixed), fixed)
        for _ in range(STARTS)
    ]
    return max(found, key=lambda centroids: float(np.mean(np.max(points @ centroids.T, axis=1))))


def _drawn_centroids(
    points: Floats, n_topics: int, rng: np.random.Generator, fixed: Codes
) -> Floats:
    """Draw points far apart, of five tries each the best (Arthur and Vassilvitskii, 2007)."""
    import numpy as np

    chosen: list[Floats] = []
    if len(fixed):
        chosen += list(unit(cluster_sums(points[-len(fixed) :], fixed, int(np.max(fixed)) + 1)))
    else:
        chosen.append(points[rng.integers(len(points))])
    distance = np.maximum(1 - np.max(points @ np.array(chosen).T, axis=1), 0)
    while len(chosen) < n_topics:
        total = distance.sum()
        share = distance / total if total > 0 else None
        tries = points[rng.choice(len(points), 5, p=share)]
        left = np.minimum(distance[:, None], np.maximum(1 - points @ tries.T, 0))
        best = int(np.argmin(left.sum(axis=0)))
        chosen.append(tries[best])
        distance = left[:, best]
    return np.array(chosen[:n_topics])


def _kmeans(points: Floats, centroids: Floats, fixed: Codes) -> Floats:
    """Move centroids until no point changes sides; one that loses all stays where it was.

    So a fit that starts where an equal one ended gives the same bytes.
    """
    import numpy as np

    before: Codes | None = None
    for _ in range(ROUNDS_OF_KMEANS):
        labels = _nearest(points, centroids, fixed)
        if before is not None and (labels == before).all():
            break
        sums = cluster_sums(points, labels, len(centroids))
        centroids = np.where(sums.any(axis=1)[:, None], unit(sums), centroids)
        before = labels
    return centroids


def choose_n_topics(vectors: Floats, seed: int, progress: Callable[[str], None]) -> int:
    """Choose the number of topics that two halves of the texts agree on best.

    Of those nearly as stable as the best, the smallest.
    """
    fitting = [k for k in CANDIDATES if k * LEAST_PER_TOPIC <= len(vectors) / 2]
    if not fitting:
        return max(2, min(CANDIDATES[0], len(vectors) // (2 * LEAST_PER_TOPIC)))
    found = dict[int, float]()
    for k in fitting:
        found[k] = stability(vectors, k, seed)
        progress(f"semantic: {k} topics, stability {found[k]:.3f}")
    best = max(found.values())
    return min(k for k, value in found.items() if value >= best - TOLERANCE)


def stability(vectors: Floats, n_topics: int, seed: int) -> float:
    """Measure how alike the topics of two halves of the texts see all texts.

    The mean over splits of the adjusted mutual information (Vinh et al., 2010) between what
    the two halves' topics make of all texts (Lange et al., 2004), at most 1; 0 is chance.
    """
    import numpy as np
    from sklearn.metrics import adjusted_mutual_info_score

    runs = (halves(vectors, n_topics, seed, run) for run in range(RUNS_OF_SPLITS))
    return float(np.mean([adjusted_mutual_info_score(*seen) for seen in runs]))


def halves(vectors: Floats, n_topics: int, seed: int, run: int = 0) -> tuple[Codes, Codes]:
    """Give every text the topics of two models, fitted on a half of the texts each."""
    import numpy as np

    order = np.random.default_rng((seed, run)).permutation(len(vectors))
    seen: list[Codes] = []
    for half in np.array_split(order, 2):
        fitted = cluster(vectors[half], n_topics, seed + run)
        seen.append(np.argmax(fitted.space.points(vectors) @ fitted.centroids.T, axis=1))
    return seen[0], seen[1]


def matched_sharpness(cosines: Floats, vectors: Floats, n_topics: int, seed: int) -> float:
    """Find how sharp confidences are to be, so that they say how sure the topics are.

    The factor on cosines at which the mean confidence of the first topic is the share of texts
    that models of two halves put into the same topic, topics matched as well as can be.

    Parameters
    ----------
    cosines
        Shape `(n, n_topics)`, of the texts to the topics.
    vectors
        Shape `(n, d)`, of the same texts.
    """
    import numpy as np
    from scipy.optimize import brentq
    from scipy.special import softmax

    one, other = halves(vectors, n_topics, seed)
    met = overlaps(one, other, n_topics, n_topics)
    same = met[best_pairs(met)].sum() / len(vectors)

    def excess(sharpness: float) -> float:
        return float(np.mean(np.max(softmax(cosines * sharpness, axis=1), axis=1)) - same)

    low, high = 1.0, 100.0
    if excess(low) >= 0 or excess(high) <= 0:
        return low if excess(low) >= 0 else high
    return float(brentq(excess, low, high, xtol=1e-6))


def overlaps(one: Codes, other: Codes, n_one: int, n_other: int) -> Floats:
    """Count the texts of each pair of labels; shape `(n_one, n_other)`."""
    import numpy as np

    met = np.zeros((n_one, n_other))
    np.add.at(met, (one, other), 1.0)
    return met


def best_pairs(worth: Floats) -> tuple[Codes, Codes]:
    """Pair rows with columns for the greatest sum (the assignment problem)."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return rows, columns


def with_new(labels: Codes, fresh: Codes, most: int, n_kept: int = 0) -> Codes:
    """Add to earlier topics those of a fresh clustering that none of them was like.

    Parameters
    ----------
    labels, fresh
        Shape `(n,)`: the topics of the same texts, earlier and fresh.
    most
        How many topics there may be.
    n_kept
        How many of the earlier ones stay, with texts or without.

    Returns
    -------
    Shape `(n,)`: topics without gaps, the earlier ones in their order before the new ones. Ones
    with hardly any texts are gone, and beyond `most` the smallest; their texts have -1.
    """
    import numpy as np

    n_old, n_new = max(int(np.max(labels)) + 1, n_kept), int(np.max(fresh)) + 1
    met = overlaps(labels, fresh, n_old, n_new)
    either = met.sum(axis=1)[:, None] + met.sum(axis=0) - met
    alike = np.max(met / np.maximum(either, 1), axis=0)
    least = max(LEAST_PER_TOPIC, NEW_SHARE * len(labels))
    labels, next_topic = labels.copy(), n_old
    for topic in np.argsort(alike, kind="stable"):
        if alike[topic] < NEW_OVERLAP and met[:, topic].sum() >= least:
            labels[fresh == topic], next_topic = next_topic, next_topic + 1
    sizes = np.bincount(labels, minlength=n_old)
    sizes[:n_kept] += len(labels)
    large = np.argsort(-sizes, kind="stable")[:most]
    kept = np.sort(large[sizes[large] >= min(LEAST_PER_TOPIC / 3, float(np.max(sizes)))])
    place = np.full(len(sizes), -1)
    place[kept] = np.arange(len(kept))
    return place[labels]


def grouped(centroids: Floats) -> Codes:
    """Put topics into about as many groups as each then has topics; shape `(n_topics,)`.

    Ward's linkage; groups are numbered by their first topic.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(centroids) < 4:
        return np.arange(len(centroids))
    tree = linkage(unit(centroids), method="ward")
    groups = fcluster(tree, round(len(centroids) ** 0.5), criterion="maxclust")
    _, first = np.unique(groups, return_index=True)
    number = {int(groups[i]): n for n, i in enumerate(sorted(first))}
    return np.array([number[int(group)] for group in groups])
