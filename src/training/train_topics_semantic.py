"""Topics by meaning: a sentence encoder teaches a table of words, which needs none to answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.step import param
from src.training.calibration import temperature
from src.training.encoder import encoded
from src.training.family import TASKS, Family
from src.training.files import text_array, write_model
from src.training.known_terms import Authors, authors_of, min_authors_param
from src.training.minilm import (
    INT8,
    WEIGHTS,
    known_words,
    read_encoder,
    word_vectors,
)
from src.training.naming import named_by_words
from src.training.rows import texts
from src.training.topic_identity import Start
from src.training.topic_later import (
    earlier_table,
    half_way,
    joined,
    moved,
    steadied,
    steadied_table,
    updated,
)
from src.training.topic_names import name_topics, own_words
from src.training.topic_seeds import Seeds, read_seeds, seeds_digest
from src.training.topic_space import (
    Clustering,
    Space,
    choose_n_topics,
    cluster,
    cluster_sums,
    drawn,
    grouped,
    matched_sharpness,
    unit,
    with_new,
)
from src.training.topic_student import Table, fit_table
from src.training.topic_words import (
    TopicWords,
    content_words,
    frequent_words,
    is_content,
    stop_words,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from src.models.topic_extractor import TopicExtractor

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

LEAST_WINDOWS = 20  # fewer hold no topics
WINDOW = 30  # known words that are read as one
LEAST_OWN = 2  # windows that a word must stand in which the encoder does not know
LEAST_DF = 3  # windows that a word which shows a topic must stand in
OUTGROWN = 2.0  # times the windows of an earlier model, at which its space is fitted anew
MOST_NEW = 5  # topics that a retrain may add where their number is not given
IN_GROUP_NAME = 3  # topics that name their group
MOST_COUNTED = 30_000  # windows whose words show what the topics are
MOST_VALID = 1_000  # windows that fix the confidence
# A first topic with less confidence is none; of over 20 topics, one below three times chance.
CLEAR, TIMES_CHANCE = 0.15, 3


@dataclass(frozen=True)
class SemanticTopicParams:
    """Parameters of topics by meaning."""

    n_topics: int = param(0, "Number of topics; chosen from the entries if 0", low=0, high=200)
    seeds: str = param(
        "",
        "JSON file of topics to find in any case: their names, each with a list of phrases",
        content=False,
    )
    topics_as: str = param(
        "names", "What predict puts into topics by default", choices=("names", "records")
    )
    most_encoded: int = param(
        4_000, "Windows of entries that the encoder reads; more teach little", low=100, high=100_000
    )
    min_authors: int = min_authors_param()
    penalty: float = param(
        3e-4, "L2 penalty of the words' weights", low=1e-6, high=1, search=(3e-5, 3e-3), log=True
    )


@dataclass(frozen=True)
class Windows:
    """Windows of entries as the encoder and the student read them.

    Attributes
    ----------
    words
        The words of each.
    vectors
        Shape `(n, 384)`.
    """

    words: list[list[str]]
    vectors: Floats


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: SemanticTopicParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Cluster what an encoder makes of the entries, and teach a table of words to say the same.

    Long entries are read window by window, a sample where there are many. Clusters that no noun
    names, nor words of their own, hold what entries have in common: they are generic, and no
    answer ever names them.

    Raises
    ------
    UserError
        There are too few entries for so many topics, or a package cannot be fetched.
    """
    return fit_from(train, valid, params, folder, seed, progress, None)


def fit_from(
    train: pa.Table,
    valid: pa.Table,
    params: SemanticTopicParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
    start: Start | None,
) -> dict[str, float | int | str]:
    """Fit as `fit` does; from the topics of an earlier model where there is one.

    Its topics are where the clustering starts, and clusters of the entries that none of them is
    like join. Until the entries are twice as many as the earlier model's, its space stays, and
    topics that go on move, like their words' weights, only half as far as a fit anew would move
    them, which is in part chance. For an update, they stay in that space and move by as much as
    the new entries weigh beside the old (as in mini-batch k-means, Sculley, 2010), and the table
    of words is drawn to the earlier one.

    Raises
    ------
    UserError
        As for `fit`; or an update or merging that the earlier model or wanted topics rule out.
    """
    import numpy as np
    from scipy.special import softmax
    from threadpoolctl import threadpool_limits

    from src.models.topic_extractor import Encoder, words

    seeds = read_seeds(params.seeds)
    if start and start.update and start.merged:
        raise UserError("update and merge are two things.", "Do one after the other.")
    if start and (start.update or start.merged) and (seeds.names or not start.earlier.learned):
        why = "wanted topics are found anew" if seeds.names else "it has topics of words alone"
        raise UserError(
            f"update and merge go on from a version's topics, but {why}.",
            "Leave seeds out." if seeds.names else "Fit semantic topics first, without them.",
        )
    files = read_encoder()
    encoder = Encoder(files["encoder.onnx"], files["tokenizer.json"])

    def encode(found: Sequence[str]) -> Floats:
        return encoded(encoder.vector, found, progress)

    of_entry = [windows_of([text]) for text in texts(train)]
    every = [window for own in of_entry for window in own]
    owner = np.repeat(np.arange(len(of_entry)), [len(own) for own in of_entry])
    authors = authors_of(train, params.min_authors).take(owner)
    check_enough(len(every), max(params.n_topics, len(seeds.names), 2))
    shared = authors.shared(every, words)
    windows = read_windows(every, params.most_encoded, seed, encode)
    held_out = read_windows(windows_of(texts(valid)), MOST_VALID, seed, encode)
    # One thread: sums in another order have other last digits.
    with threadpool_limits(1):
        found = find_topics(windows, len(every), seeds, params, seed, encode, progress, start)
        n_columns = len(found.centroids)
        progress(f"semantic: teaching a table of words from {len(windows.words):,} windows")
        cosines = found.cosines(windows.vectors)
        before = earlier_table(start.earlier, n_columns) if start and start.update else None
        sharpness = matched_sharpness(cosines, windows.vectors, n_columns, seed)
        steady = start.earlier if start and stays(start, found) else None
        if steady:
            sharpness = float(half_way(np.array(sharpness), steady.sharpness))
        # Words without content count too: beside others, "we" and "my" tell of people.
        tokenizer = files["tokenizer.json"]
        known = {*known_words(tokenizer), *(before.terms if before else ())}
        terms = sorted({*shared.intersection(frequent_words(windows.words, LEAST_OWN)), *known})
        table = fit_table(
            windows.words,
            softmax(cosines * sharpness, axis=1),
            terms,
            spread(word_vectors(terms, tokenizer)),
            params.penalty,
            before,
            shared,
        )
        if steady:
            table = steadied_table(table, steady, nearest(steady, windows.vectors), found)
        scale = calibrated(table, found, sharpness, held_out)
        some = drawn(every, MOST_COUNTED, seed)
        counted = [words(every[i]) for i in some]
        shares = softmax(table.logits(counted) / scale, axis=1)
        labels = np.argmax(found.summed(shares), axis=1)
        described = describe(counted, labels, found, seeds, encode, authors.take(some), shared)
        if start and start.update:
            described = updated(described, start.earlier, len(every))
    settings = {
        "topics": described,
        "topics_as": params.topics_as,
        "n_windows": len(every) + (start.earlier.n_windows if start and start.update else 0),
        "window": WINDOW,
        "clear": min(CLEAR, TIMES_CHANCE / n_columns),
        "encoder": {name: hashlib.sha256(files[name]).hexdigest() for name in files},
    }
    stop = stop_words()
    arrays: dict[str, npt.NDArray[Any]] = {
        "terms": text_array(table.terms),
        "idf": table.idf.astype(np.float32),
        "content": np.array([is_content(term, stop) for term in table.terms]),
        "weights": (table.weights / scale).astype(np.float32),
        "intercept": table.intercept / scale,
        "temperature": np.array(scale),
        "teacher.mean": found.space.mean,
        "teacher.projection": found.space.projection,
        "teacher.centroids": found.centroids,
        "teacher.sharpness": np.array(sharpness),
        "teacher.topic_of": found.topic_of,
    }
    write_model(folder, settings, arrays)
    generic = sum(topic["generic"] for topic in described)
    return {
        "n_topics": len(described) - generic,
        "n_generic": generic,
        "n_words": len(table.terms),
        "n_encoded": len(windows.words),
        "temperature": scale,
        "sharpness": sharpness,
    }


def windows_of(found: Sequence[str]) -> list[str]:
    """Part entries into windows, those without a word left out."""
    from src.models.topic_extractor import spans, words

    return [span for text in found for span in spans(text) if words(span)]


def read_windows(
    every: Sequence[str], most: int, seed: int, encode: Callable[[Sequence[str]], Floats]
) -> Windows:
    """Read windows, a sample where there are more than `most`."""
    from src.models.topic_extractor import words

    some = [every[i] for i in drawn(every, most, seed)]
    return Windows([words(window) for window in some], encode(some))


def spread(vectors: npt.NDArray[np.float32]) -> Floats:
    """Scale vectors to length 1 around their mean: what all words share says nothing."""
    units = unit(vectors.astype(float))
    return unit(units - units.mean(axis=0))


def check(seeds: str) -> None:
    """Make sure, without the network, that wanted topics and the encoder can be read."""
    read_seeds(seeds)
    for package in (INT8, WEIGHTS):
        package.check()


def check_enough(n_windows: int, n_topics: int) -> None:
    """Refuse entries that are too few.

    Raises
    ------
    UserError
        There are fewer than 20, or than two for each topic.
    """
    least = max(LEAST_WINDOWS, 2 * n_topics)
    if n_windows < least:
        fewer = n_windows // 2
        more = "Give a source with more entries: -P source=…"
        raise UserError(
            f"{n_topics} topics need {least:,} training entries or more; {n_windows:,} are there.",
            f"Ask for fewer topics: -P n_topics={fewer}" if n_windows >= LEAST_WINDOWS else more,
        )


def find_topics(
    windows: Windows,
    n_windows: int,
    seeds: Seeds,
    params: SemanticTopicParams,
    seed: int,
    encode: Callable[[Sequence[str]], Floats],
    progress: Callable[[str], None],
    start: Start | None,
) -> Clustering:
    """Find topics, the most frequent first but wanted ones before all others.

    Those of an earlier model stay where the entries still bear them; new ones join them.

    Parameters
    ----------
    windows
        Those that were read, of the `n_windows` that there are.
    """
    import numpy as np

    anchors = None
    if seeds.names:
        of_seed = [i for i, phrases in enumerate(seeds.phrases) for _ in phrases]
        phrases = [phrase for own in seeds.phrases for phrase in own]
        anchors = encode(phrases), np.array(of_seed)
    vectors = windows.vectors
    wanted = params.n_topics or choose_n_topics(vectors, seed, progress)
    n_topics = max(wanted, len(seeds.names))
    progress(f"semantic: clustering {len(vectors):,} windows into {n_topics} topics")
    found = cluster(vectors, n_topics, seed, anchors=anchors)
    if start is None or not start.earlier.learned or seeds.names:
        return by_size(found, len(seeds.names))
    earlier = start.earlier
    before = nearest(earlier, vectors)
    most = params.n_topics or max(n_topics, earlier.n_topics + MOST_NEW)
    most += len(earlier.centroids) - earlier.n_topics
    if start.update:
        return moved(earlier, vectors, before, found, most)
    labels = with_new(before, found.labels, most)
    space = Space(*earlier.space) if n_windows < OUTGROWN * earlier.n_windows else None
    found = cluster(vectors, int(np.max(labels)) + 1, seed, labels, space=space)
    if space is not None:
        found = steadied(earlier, vectors, before, found)
    return by_size(joined(found, before, start), 0)


def nearest(earlier: TopicExtractor, vectors: Floats) -> Codes:
    """Give an earlier model's nearest centroid of each text."""
    import numpy as np

    found: Codes = np.argmax(earlier.nearness(vectors), axis=1)
    return found


def stays(start: Start, found: Clustering) -> bool:
    """Tell whether a fit anew is in the space of an earlier model."""
    import numpy as np

    kept = start.earlier.learned and not start.update
    return kept and np.array_equal(found.space.projection, start.earlier.space[1])


def by_size(found: Clustering, first: int) -> Clustering:
    """Put the topics with most texts first, behind the `first` ones, which stay in place."""
    import numpy as np

    sizes = np.bincount(found.topic_of[found.labels], minlength=found.n_topics)
    sizes[:first] = np.max(sizes) + np.arange(first, 0, -1)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    topic_of = place[found.topic_of]
    centroids = np.argsort(topic_of, kind="stable")
    moved_to = np.argsort(centroids, kind="stable")
    return Clustering(
        found.space, found.centroids[centroids], moved_to[found.labels], topic_of[centroids]
    )


def calibrated(table: Table, found: Clustering, sharpness: float, held_out: Windows) -> float:
    """Fit the temperature at which the student is as sure as its teacher on other entries."""
    import numpy as np
    from scipy.special import softmax

    if not held_out.words:
        return 1.0
    targets = softmax(found.cosines(held_out.vectors) * sharpness, axis=1)
    texts, topics = np.indices(targets.shape).reshape(2, -1)
    classes = [str(topic) for topic in range(targets.shape[1])]
    labels = [classes[topic] for topic in topics]
    logits = table.logits(held_out.words)
    return temperature(logits[texts], labels, classes, targets.ravel())


def describe(
    counted: Sequence[Sequence[str]],
    labels: Codes,
    found: Clustering,
    seeds: Seeds,
    encode: Callable[[Sequence[str]], Floats],
    authors: Authors,
    shared: Collection[str],
) -> list[dict[str, Any]]:
    """Give each topic its name, words, group and share of the windows.

    Parameters
    ----------
    counted, labels
        The words of n windows, and their topics.
    authors
        Who wrote each window.
    shared
        Words that enough authors used.
    """
    n_topics, stop = found.n_topics, stop_words()
    vocabulary = [word for word in content_words(counted, LEAST_DF, stop) if word in shared]
    telling = TopicWords.count(counted, vocabulary, labels, n_topics)
    names = name_topics(
        counted,
        labels.tolist(),
        lambda phrases: found.nearness(encode(phrases)),
        stop,
        [*seeds.names, *[""] * (n_topics - len(seeds.names))],
        authors,
    )
    topic_words = [telling.words(topic) for topic in range(n_topics)]
    names = named_by_words(names, [own_words(words) for words in topic_words])
    groups = grouped(cluster_sums(found.centroids, found.topic_of, n_topics)).tolist()
    described = list[dict[str, Any]]()
    for topic, name in enumerate(names):
        words = topic_words[topic]
        own = [n for n, group in zip(names, groups, strict=True) if n and group == groups[topic]]
        described.append(
            {
                "topic_id": topic,
                "topic_name": name or " ".join(["general:", *words[:3], str(topic)]),
                "words": words,
                "generic": not name,
                "group_id": groups[topic],
                "group_name": ", ".join(own[:IN_GROUP_NAME]),
                "share": float(telling.sizes[topic] / len(counted)),
            }
        )
    return described


FAMILY = Family(
    "semantic",
    TASKS["topics"],
    fit,
    SemanticTopicParams,
    requires=("scikit-learn", "onnxruntime", "tokenizers", "safetensors"),
    fit_from=fit_from,
    check=lambda params: check(params.seeds),
    outside=lambda params: {"seeds": seeds_digest(params.seeds)},
)
