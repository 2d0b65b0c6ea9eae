"""Topics by meaning that go on from an earlier model: moved, joined, described, taught on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.training.topic_identity import Start
from src.training.topic_space import (
    Clustering,
    Space,
    best_pairs,
    cluster_sums,
    overlaps,
    unit,
    with_new,
)
from src.training.topic_student import Table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from src.models.topic_extractor import TopicExtractor

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]


def moved(
    earlier: TopicExtractor, vectors: Floats, labels: Codes, fresh: Clustering, most: int
) -> Clustering:
    """Move the topics of an earlier model as far as new texts outweigh its own; add new ones.

    Parameters
    ----------
    labels
        The earlier model's nearest centroid of each text.
    """
    import numpy as np

    space, centroids, topic_of = Space(*earlier.space), earlier.centroids, earlier.topic_of
    points = space.points(vectors)
    n_old = len(centroids)
    wider = with_new(labels, fresh.labels, max(most, n_old), n_kept=n_old)
    labels = np.where(wider < 0, labels, wider)  # beyond `most` they stay where they were
    n_new = max(int(np.max(labels)) + 1 - n_old, 0)
    sums = cluster_sums(points, labels, n_old + n_new)
    share = np.array([topic["share"] for topic in earlier.every_topic]) * earlier.n_windows
    sums[:n_old] += centroids * (share / np.bincount(topic_of))[topic_of][:, None]
    centroids = unit(sums)
    labels = np.argmax(points @ centroids.T, axis=1)
    topic_of = np.append(topic_of, earlier.n_topics + np.arange(n_new))
    return Clustering(space, centroids, labels, topic_of)


def joined(found: Clustering, before: Codes, start: Start) -> Clustering:
    """Make one topic of those that most texts of earlier ones are now in, where these are one.

    It keeps their centroids: between two topics that have little in common is neither.

    Parameters
    ----------
    before
        The earlier model's nearest centroid of each text.

    Raises
    ------
    UserError
        The earlier model has no topic of such an id.
    """
    import numpy as np

    earlier = start.earlier
    place = {topic["topic_id"]: i for i, topic in enumerate(earlier.every_topic)}
    for topic in (*start.merged, *start.merged.values()):
        if topic not in place:
            known = ", ".join(f"{t['topic_id']} {t['topic_name']}" for t in earlier.topics)
            raise UserError(f"merge: there is no topic {topic}.", f"There are: {known}.")
    together = earlier.topic_of.copy()
    for gone, into in start.merged.items():
        one, other = (together[earlier.topic_of == place[topic]][0] for topic in (gone, into))
        together[together == one] = other
    topic_of = np.arange(len(found.centroids))
    for topic in np.unique(together):
        of_each = [found.labels[before == i] for i in np.flatnonzero(together == topic)]
        now = {int(np.argmax(np.bincount(own))) for own in of_each if len(own)}
        topic_of[np.isin(topic_of, topic_of[[*now]])] = min(now, default=0)
    _, topic_of = np.unique(topic_of, return_inverse=True)
    return Clustering(found.space, found.centroids, found.labels, topic_of)


def going_on(before: Codes, now: Codes) -> tuple[Codes, Codes]:
    """Pair earlier clusters of the same texts with those that most texts of either have.

    Examples
    --------
    >>> import numpy as np
    >>> old, new = going_on(np.array([0, 0, 0, 1, 2, 2]), np.array([1, 1, 2, 2, 0, 0]))
    >>> old.tolist(), new.tolist()
    ([0, 2], [1, 0])
    """
    import numpy as np

    met = overlaps(before, now, int(np.max(before)) + 1, int(np.max(now)) + 1)
    rows, columns = best_pairs(met)
    more = np.maximum(met.sum(axis=1)[rows], met.sum(axis=0)[columns])
    same = met[rows, columns] > more / 2
    return rows[same], columns[same]


def steadied(
    earlier: TopicExtractor, vectors: Floats, before: Codes, fresh: Clustering
) -> Clustering:
    """Let clusters that go on move only half as far as the texts would have them.

    In part it is chance which texts were read, or where k-means ended.
    """
    import numpy as np

    old, new = going_on(before, fresh.labels)
    centroids = fresh.centroids.copy()
    middle = half_way(centroids[new], earlier.centroids[old])
    stayed = (middle == centroids[new]).all(axis=1)
    centroids[new] = np.where(stayed[:, None], middle, unit(middle))
    labels = np.argmax(fresh.space.points(vectors) @ centroids.T, axis=1)
    return Clustering(fresh.space, centroids, labels)


def steadied_table(
    table: Table, earlier: TopicExtractor, before: Codes, found: Clustering
) -> Table:
    """Take the mean of a table and of an earlier one, where a topic goes on and both know a word.

    Tables of much the same texts differ by chance.
    """
    import numpy as np

    old, new = going_on(before, found.labels)
    past = earlier_table(earlier, len(earlier.centroids))
    place = {term: row for row, term in enumerate(past.terms)}
    both = [(row, place[term]) for row, term in enumerate(table.terms) if term in place]
    rows, past_rows = np.array(both, np.int64).reshape(-1, 2).T
    weights, intercept = table.weights.copy(), table.intercept.copy()
    here = np.ix_(rows, new)
    weights[here] = half_way(weights[here], past.weights[np.ix_(past_rows, old)])
    intercept[new] = half_way(intercept[new], past.intercept[old])
    return Table(table.terms, table.idf, weights, intercept)


def half_way(new: Floats, old: Floats) -> Floats:
    """Take the mean; the new where rounding alone parts them, so that equal fits stay equal."""
    import numpy as np

    middle: Floats = np.where(np.isclose(new, old, rtol=1e-6, atol=1e-12), new, (new + old) / 2)
    return middle


def earlier_table(earlier: TopicExtractor, n_columns: int) -> Table:
    """Read the table of words of an earlier model, with room for topics that it had not."""
    import numpy as np

    idf, scale = earlier.idf, earlier.temperature
    rows, intercept = earlier.weights * scale, earlier.intercept * scale
    more = n_columns - len(intercept)
    return Table(
        list(idf),
        np.array(list(idf.values())),
        np.pad(rows, ((0, 0), (0, more))),
        np.pad(intercept, (0, more), constant_values=float(np.min(intercept))),
    )


def updated(
    described: list[dict[str, Any]], earlier: TopicExtractor, n_new: int
) -> list[dict[str, Any]]:
    """Leave topics that stay as they were described, as most of their entries are not at hand."""
    before, n_old = earlier.every_topic, earlier.n_windows
    for old, topic in zip(before, described, strict=False):
        new = topic["share"]
        topic |= {name: old[name] for name in ("topic_name", "words", "generic")}
        topic["share"] = (old["share"] * n_old + new * n_new) / (n_old + n_new)
    for topic in described[len(before) :]:
        topic["share"] *= n_new / (n_old + n_new)
    return described
