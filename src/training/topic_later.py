"""Topics by meaning that go on from an earlier model: moved, joined, described, taught on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.training.topic_identity import Start
from src.training.topic_space import Clustering, Space, cluster_sums, unit, with_new
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
    """Move the topics of an earlier model as far as new texts outweigh its own; add new ones."""
    import numpy as np

    space, centroids = Space(*earlier.space), earlier.centroids
    points = space.points(vectors)
    n_topics = len(centroids)
    wider = with_new(labels, fresh.labels, max(most, n_topics), n_kept=n_topics)
    labels = np.where(wider < 0, labels, wider)  # beyond `most` they stay where they were
    sums = cluster_sums(points, labels, max(int(np.max(labels)) + 1, n_topics))
    weight = np.array([topic["share"] for topic in earlier.every_topic]) * earlier.n_windows
    sums[:n_topics] += centroids * weight[:, None]
    centroids = unit(sums)
    return Clustering(space, centroids, np.argmax(points @ centroids.T, axis=1))


def joined(found: Clustering, vectors: Floats, before: Codes, start: Start) -> Clustering:
    """Join the topics that most texts of earlier topics are now in, where those are to be one.

    Raises
    ------
    UserError
        The earlier model has no topic of such an id.
    """
    import numpy as np

    place = {topic["topic_id"]: i for i, topic in enumerate(start.earlier.every_topic)}
    labels, points = found.labels.copy(), found.space.points(vectors)
    for pair in start.merged.items():
        for topic in pair:
            if topic not in place:
                known = ", ".join(
                    f"{t['topic_id']} {t['topic_name']}" for t in start.earlier.topics
                )
                raise UserError(f"merge: there is no topic {topic}.", f"There are: {known}.")
        texts_of = [labels[before == place[topic]] for topic in pair]
        if all(map(len, texts_of)):
            gone, into = (int(np.argmax(np.bincount(own))) for own in texts_of)
            labels[labels == gone] = into
    kept, labels = np.unique(labels, return_inverse=True)
    if len(kept) == len(found.centroids) or not start.merged:
        return found
    return Clustering(found.space, unit(cluster_sums(points, labels, len(kept))), labels)


def earlier_table(earlier: TopicExtractor, n_topics: int) -> Table:
    """Read the table of words of an earlier model, with room for topics that it had not."""
    import numpy as np

    weights, idf = earlier.word_weights(), earlier.idf
    scale, more = earlier.temperature, n_topics - earlier.n_topics
    rows = np.stack([weights[term] / idf[term] for term in weights]) * scale
    intercept = earlier.intercept * scale
    return Table(
        list(weights),
        np.array([idf[term] for term in weights]),
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
