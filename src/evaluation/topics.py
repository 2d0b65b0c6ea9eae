"""Topic metrics that need no gold topics: words that belong together, entries that get one."""

from __future__ import annotations

import functools
import itertools
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from src.evaluation.agreement import mean_average_precision, nmi
from src.evaluation.bootstrap import Floats, Replicates, Weights, blocks, resampled_sums

TOP_WORDS = 10
TEXTS_FOR_BASELINE = 20_000
RANGES = {"npmi": (-1.0, 1.0), "topics_per_entry": (0.0, math.inf)}


def topic_metrics(
    topic_words: list[list[str]],
    texts: Sequence[str],
    assigned: list[list[tuple[int, float]]],
    gold: list[list[str]] | None,
    weights: Weights,
) -> Replicates:
    """Judge topics and their assignment, in the sample and in every resample.

    `npmi`, `diversity`, and with gold topics `nmi` and `map`, are described at their functions.
    `coverage` is the share of entries with at least one topic, `topics_per_entry` a mean.

    Parameters
    ----------
    topic_words
        Each topic's words, the most typical first.
    texts
        The n held-out texts.
    assigned
        Each entry's `(topic id, confidence)`, the most confident first; may be empty.
    gold
        Each entry's topics as people named them; an entry without any counts for neither `nmi`
        nor `map`. None where nobody named any.
    weights
        Shape `(1 + n_resamples, n)`, from `bootstrap_weights`.

    Returns
    -------
    Each metric's replicates, shape `(1 + n_resamples,)`; NaN where it is undefined. Those of
    `diversity` are constant, as it does not depend on the entries.

    Examples
    --------
    >>> metrics = topic_metrics([["tea", "cup"]], ["a cup of tea", "rain"], [[(0, 0.9)], []],
    ...                         None, np.ones((1, 2), np.uint8))
    >>> {name: float(values[0]) for name, values in metrics.items()}
    {'npmi': 1.0, 'diversity': 1.0, 'coverage': 0.5, 'topics_per_entry': 0.5}
    """
    counts = np.array([len(topics) for topics in assigned], dtype=np.float64)
    means = resampled_sums(weights, sparse.csr_array(np.column_stack([counts > 0, counts])))
    means /= weights.sum(axis=1, dtype=np.float64)[:, None]
    replicates = {
        "npmi": npmi(topic_words, texts, weights),
        "diversity": np.full(len(weights), diversity(topic_words)),
        "coverage": means[:, 0],
        "topics_per_entry": means[:, 1],
    }
    if gold is not None and any(gold):
        replicates["nmi"] = nmi(assigned, gold, weights)
        replicates["map"] = mean_average_precision(assigned, gold, weights)
    return replicates


def tokens(text: str) -> set[str]:
    """Find the words of a text: lower-case runs of letters and marks, of two characters or more.

    An apostrophe between letters belongs to the word; a curly one counts as a straight one.

    Examples
    --------
    >>> sorted(tokens("I don’t sleep: 3 a.m. naïve"))
    ["don't", 'naïve', 'sleep']
    """
    return {word for word in _word().findall(_lower(text)) if len(word) > 1}


def _lower(text: str) -> str:
    return text.lower().replace("’", "'")


@functools.cache
def _word() -> re.Pattern[str]:
    """Compile the pattern once it is needed: `re` has no class for letters and marks."""
    kinds = ((unicodedata.category(chr(i))[0] in "LM", i) for i in range(sys.maxunicode + 1))
    ranges = [
        [i for _, i in run] for inside, run in itertools.groupby(kinds, lambda k: k[0]) if inside
    ]
    letters = "".join(f"\\U{run[0]:08x}-\\U{run[-1]:08x}" for run in ranges)
    return re.compile(f"[{letters}]+(?:'[{letters}]+)*")


def npmi(topic_words: list[list[str]], texts: Sequence[str], weights: Weights) -> Floats:
    """Measure coherence: how much oftener than by chance a topic's words meet in an entry.

    Normalised pointwise mutual information (Bouma, 2009; for topics: Lau et al., 2014), −1 to 1:
    the mean over topics of the mean over the pairs of the ten first words. Words meet when both
    are among an entry's `tokens`. A pair that never meets counts −1, so also every pair with a
    word (or a phrase) that no held-out text holds; a pair in every text counts 1. A topic of fewer
    than two words counts −1. Below about 1,000 texts the interval is too narrow: a pair that no
    text holds cannot turn up in a resample.

    Examples
    --------
    >>> texts = ["tea cup", "tea cup", "tea rain", "rain"]
    >>> npmi([["tea", "cup"], ["cup", "rain"]], texts, np.ones((1, 4), np.uint8)).round(3).tolist()
    [-0.292]
    """
    topics = [list(dict.fromkeys(map(_lower, words[:TOP_WORDS]))) for words in topic_words]
    column = {word: i for i, word in enumerate(dict.fromkeys(itertools.chain(*topics)))}
    pairs = [list(itertools.combinations((column[w] for w in words), 2)) for words in topics]
    place = {pair: i for i, pair in enumerate(dict.fromkeys(itertools.chain(*pairs)))}
    coherence = np.full((len(topics) or 1, len(weights)), -1.0)
    if place:
        values = _pair_npmi(_presence(column, texts), np.array(list(place)), weights)
        for topic, own in enumerate(pairs):
            if own:
                coherence[topic] = values[:, [place[pair] for pair in own]].mean(axis=1)
    return coherence.mean(axis=0)


def _presence(column: dict[str, int], texts: Sequence[str]) -> sparse.csc_array:
    """Which word is in which text: 0 or 1, shape `(n_texts, n_words)`."""
    found = [sorted(column[word] for word in tokens(text) & column.keys()) for text in texts]
    starts = np.cumsum([0, *map(len, found)])
    words = np.fromiter(itertools.chain(*found), dtype=np.int64, count=starts[-1])
    ones = np.ones(len(words))
    return sparse.csr_array((ones, words, starts), shape=(len(texts), len(column))).tocsc()


def _pair_npmi(presence: sparse.csc_array, pairs: np.ndarray, weights: Weights) -> Floats:
    """For each row of weights and each pair of columns, shape `(n_rows, n_pairs)`."""
    total = weights.sum(axis=1, dtype=np.float64)[:, None]
    alone = resampled_sums(weights, presence) / total
    both = [
        presence[:, pairs[block, 0]].multiply(presence[:, pairs[block, 1]])
        for block in blocks(len(pairs), presence.shape[0])
    ]
    together = resampled_sums(weights, sparse.hstack(both)) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = alone[:, pairs[:, 0]] * alone[:, pairs[:, 1]]
        values = np.log(together / chance) / -np.log(together)
    values[together == 0] = -1.0
    values[together == 1] = 1.0
    return values


def diversity(topic_words: list[list[str]]) -> float:
    """Measure how little topics repeat each other (Dieng et al., 2020).

    The share of different words among the ten first words of all topics, 0 to 1.

    Examples
    --------
    >>> diversity([["tea", "cup"], ["tea", "rain"]])
    0.75
    """
    words = [_lower(word) for topic in topic_words for word in topic[:TOP_WORDS]]
    return len(set(words)) / len(words) if words else 0.0


def frequent_word_topics(train_texts: Sequence[str], n_topics: int, seed: int) -> list[list[str]]:
    """Draw topics from the most frequent words that are no stop words: the trivial baseline.

    The `10 * n_topics` words that most training texts hold (20,000 texts, evenly spaced, are
    looked at where there are more), shuffled and dealt out, ten to a topic.

    Examples
    --------
    >>> sorted(frequent_word_topics(["the tea", "tea and rain"], n_topics=1, seed=0)[0])
    ['rain', 'tea']
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    step = -(-len(train_texts) // TEXTS_FOR_BASELINE) or 1
    seen = Counter(itertools.chain.from_iterable(map(tokens, train_texts[::step])))
    words = sorted(seen.keys() - ENGLISH_STOP_WORDS, key=lambda word: (-seen[word], word))
    order = np.random.default_rng(seed).permutation(len(words[: TOP_WORDS * n_topics]))
    return [[words[i] for i in own] for own in np.array_split(order, n_topics)]
