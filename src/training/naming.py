"""Names for topics that a person might have written."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.training.known_terms import Authors

LONGEST = 100  # characters
LEAST_ENTRIES = 3  # that hold a phrase
OF_TOPIC = 0.03  # least share of the topic's entries that hold the phrase
OF_PHRASE = 0.5  # least share of the phrase's entries that are of the topic
OF_WORD = 0.15  # least share of the entries with its rarer word that hold the phrase
LEADING = 3  # words of a topic; one of them stands in its phrase


def name_topics(
    topic_words: Sequence[Sequence[str]],
    entries: Sequence[Sequence[str]],
    topic_of: Sequence[int],
    authors: Authors,
) -> list[str]:
    """Name each topic by a phrase from its entries, or else by two of its words.

    A phrase is two neighbouring words of the topic ("video games") that belong together, that
    enough authors used, and that the topic's entries hold often, others seldom; the most frequent
    one is taken. Names are unique: a topic goes on to its next choice where an earlier one has
    the name.

    Parameters
    ----------
    topic_words
        Each topic's words, the most characteristic first, at least one.
    entries
        The words of each entry in their order.
    topic_of
        The strongest topic of each entry, -1 for none.
    authors
        Who wrote each entry.

    Examples
    --------
    >>> import numpy as np
    >>> from src.training.known_terms import Authors
    >>> authors = Authors(np.arange(3), least=3)
    >>> entries = [["new", "video", "games"], ["video", "games"], ["a", "video", "games", "night"]]
    >>> name_topics([["games", "video"], ["tea", "cup"]], entries, [0, 0, 0], authors)
    ['video games', 'tea and cup']
    """
    known = frozenset(itertools.chain.from_iterable(topic_words))
    size = Counter(topic_of)
    holding, inside = Counter[str](), Counter[tuple[int, str]]()
    places = dict[str, list[int]]()
    for place, (entry, topic) in enumerate(zip(entries, topic_of, strict=True)):
        held = known.intersection(entry)
        pairs = itertools.pairwise(entry)
        here = {f"{a} {b}" for a, b in pairs if a != b and a in held and b in held}
        holding.update(held | here)
        inside.update((topic, phrase) for phrase in here)
        for phrase in here:
            places.setdefault(phrase, []).append(place)
    phrases: dict[int, list[tuple[int, str]]] = {}
    for (topic, phrase), count in inside.items():
        a, b = phrase.split()
        words = topic_words[topic]
        if (
            topic >= 0
            and {a, b} <= set(words)
            and not {a, b}.isdisjoint(words[:LEADING])
            and count >= max(LEAST_ENTRIES, OF_TOPIC * size[topic])
            and count >= OF_PHRASE * holding[phrase]
            and holding[phrase] >= OF_WORD * min(holding[a], holding[b])
            and authors.enough(places[phrase])
        ):
            phrases.setdefault(topic, []).append((-count, phrase))
    names = list[str]()
    for topic, words in enumerate(topic_words):
        best = [phrase for _, phrase in sorted(phrases.get(topic, []))]
        names.append(_first_free([*best, *_pairs(words)], names))
    return names


def named_by_words(names: Sequence[str], topic_words: Sequence[Sequence[str]]) -> list[str]:
    """Name topics that have no name yet by two of their words, where they have any.

    Examples
    --------
    >>> named_by_words(["tea", "", ""], [["cup"], ["rain", "storm"], []])
    ['tea', 'rain and storm', '']
    """
    found = list(names)
    for topic, words in enumerate(topic_words):
        if not found[topic] and words:
            found[topic] = _first_free(_pairs(words), found)
    return found


def _pairs(words: Sequence[str]) -> list[str]:
    """Join words two by two, the most characteristic first; two forms of a word are no pair."""
    pairs = [
        f"{a} and {b}"
        for a, b in itertools.combinations(words, 2)
        if not (a.startswith(b[:4]) or b.startswith(a[:4]))
    ]
    return [*pairs, *words]


def _first_free(choices: Sequence[str], taken: Collection[str]) -> str:
    free = (name for name in choices if name not in taken and len(name) <= LONGEST)
    return next(free, f"topic {len(taken) + 1}")
