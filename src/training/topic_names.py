"""Names for topics as a person would write them: noun phrases out of the topic's own texts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from src.training.known_terms import Authors

    Floats = npt.NDArray[np.float64]

LONGEST = 100  # characters of a name
LONGEST_PHRASE = 3  # words
LEADING = 3  # words of a topic that show whether it is about anything
LEAST_TEXTS = 3  # of a topic that hold a phrase
OF_WORD, OF_PHRASE = 0.02, 0.015  # least share of the topic's texts that hold a word, a phrase
LEAST_LIFT = 2.0  # how much more frequent than in all texts
CANDIDATES = 40  # phrases of a topic that are looked at closely
# Least cosine to the topic, and share of a phrase's uses that are a noun's: phrases further off
# name something else. Nouns near by come first, then other nouns, then what is very near.
BOUNDS = ((0.35, 0.15), (0.2, 0.15), (0.5, 0.0))
MOST_VERB = 0.05  # share of a name's uses that follow a pronoun
WITHIN = 0.8  # of a phrase's texts that hold a longer one: it is but a part of that
SURELY_NOUN = 0.3
PER_SHARE, PER_NOUN = 0.25, 0.3  # worth of a factor 10 of frequency, and of surely being a noun
COMMON = 0.35  # a first phrase in fewer texts may be joined by a second
ADDS = 0.08  # least share of the texts that hold the second alone
SECOND_COSINE, SECOND_NOUN = 0.4, 0.2  # a second phrase has to be surer than a first
# Any entry may hold these: a phrase that ends with one names no topic.
_GENERAL = """
happy happier happiest happiness feel feels feeling feelings felt moment moments event events thing
things life time times day days today yesterday tomorrow week weeks weekend month months year years
hour hours minute minutes morning evening night nights past ago recent long lot way end start good
better best great nice bad new old big little people person bit reason part kind sort fact man men
guy guys say says said saying tell told ask asked know knew think thought go going went gone come
came coming get getting take took make makes making made want wanted like liked spend spent enjoy
enjoyed try trying tried able tonight
lol haha yay wow omg yeah yes okay hey hello thanks thank please damn hell shit fuck fucking ass
bitch
"""
# After these stand nouns, or what goes with a noun.
_BEFORE_NOUNS = """
a an the my our his her their your this some new at from about of for with in on by after before
during
"""
INSIDE = frozenset(("of", "in", "at", "for", "with", "and", "the", "to"))
BEFORE_VERBS = frozenset(("i", "you", "he", "she", "we", "they", "who"))
GENERAL, BEFORE_NOUNS = frozenset(_GENERAL.split()), frozenset(_BEFORE_NOUNS.split())


@dataclass(frozen=True)
class Phrase:
    """A phrase that might name a topic.

    Attributes
    ----------
    texts
        The topic's texts that hold it.
    cosine
        Of its direction to the topic's.
    noun
        Share of its uses that look like a noun's in all texts; its last word's, if that is less.
    verb
        Share that look like a verb's.
    """

    text: str
    texts: frozenset[int]
    cosine: float
    noun: float
    verb: float

    def worth(self, n_texts: int) -> float:
        """How good a name it is: near the topic, frequent there, a noun."""
        frequent = PER_SHARE * math.log10(len(self.texts) / n_texts)
        return self.cosine + frequent + PER_NOUN * min(self.noun / SURELY_NOUN, 1)

    def fits(self, cosine: float, noun: float) -> bool:
        """Whether it is near enough to the topic, and noun enough."""
        return self.cosine >= cosine and self.noun >= noun and self.verb <= MOST_VERB


def kinds(
    entries: Sequence[Sequence[str]], stop: Collection[str], wanted: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Tell how much of a phrase's use is that of a noun and of a verb, from the words around it.

    A noun stands after an article, a possessive or a preposition, perhaps with one word between,
    and before a word without content or the end; a verb after a pronoun.

    Examples
    --------
    >>> entries = [["the", "dog", "ran"], ["a", "nice", "dog"], ["my", "dog"]] * 5
    >>> found = kinds(entries, {"the", "a", "my"}, {"dog", "nice"})
    >>> found["dog"][0] > 0.5 > found["nice"][0]
    True
    """
    uses, nouns, verbs = Counter[str](), Counter[str](), Counter[str]()
    for entry in entries:
        for start, end in _places(entry, stop):
            phrase = " ".join(entry[start:end])
            if phrase in wanted:
                uses[phrase] += 1
                ends = end == len(entry) or entry[end] in stop
                before = entry[max(start - 2, 0) : start]
                nouns[phrase] += ends and not BEFORE_NOUNS.isdisjoint(before)
                verbs[phrase] += bool(before) and before[-1] in BEFORE_VERBS
    return {phrase: (nouns[phrase] / (n + 4), verbs[phrase] / n) for phrase, n in uses.items()}


def phrases(
    entries: Sequence[Sequence[str]],
    labels: Sequence[int],
    n_topics: int,
    stop: Collection[str],
    authors: Authors,
) -> list[dict[str, frozenset[int]]]:
    """Find for each topic the words and phrases that its texts hold often, and others seldom.

    Up to three words that neither begin nor end with one without content, used by enough authors.

    Returns
    -------
    By phrase, the topic's texts that hold it; the most telling first.
    """
    everywhere = Counter[str]()
    inside: list[dict[str, set[int]]] = [{} for _ in range(n_topics)]
    sizes = Counter(labels)
    for i, (entry, label) in enumerate(zip(entries, labels, strict=True)):
        found = {" ".join(entry[start:end]) for start, end in _places(entry, stop)}
        everywhere.update(found)
        for phrase in found:
            inside[label].setdefault(phrase, set()).add(i)
    chosen = list[dict[str, frozenset[int]]]()
    for topic, held in enumerate(inside):
        telling = dict[str, float]()
        for phrase, texts in held.items():
            share = len(texts) / sizes[topic]
            lift = share / (everywhere[phrase] / len(entries))
            least = OF_PHRASE if " " in phrase else OF_WORD
            if _last(phrase) in GENERAL:
                continue
            frequent = len(texts) >= LEAST_TEXTS and share >= least and lift >= LEAST_LIFT
            if frequent and authors.enough(i for own in inside for i in own.get(phrase, ())):
                telling[phrase] = share * math.log(lift)
        first = sorted(telling, key=lambda phrase: (-telling[phrase], phrase))[:CANDIDATES]
        chosen.append({phrase: frozenset(held[phrase]) for phrase in first})
    return chosen


def _places(entry: Sequence[str], stop: Collection[str]) -> list[tuple[int, int]]:
    """List where phrases start and end: content at both ends, only links without in between."""
    content = [len(w) > 1 and w not in stop and not w.endswith("n't") for w in entry]
    return [
        (start, end)
        for start in range(len(entry))
        if content[start]
        for end in range(start + 1, min(start + LONGEST_PHRASE, len(entry)) + 1)
        if content[end - 1]
        and all(content[i] or entry[i] in INSIDE for i in range(start + 1, end - 1))
    ]


def name_topics(
    entries: Sequence[Sequence[str]],
    labels: Sequence[int],
    near: Callable[[Sequence[str]], Floats],
    stop: Collection[str],
    given: Sequence[str],
    authors: Authors,
) -> list[str]:
    """Name each topic after what its texts say, in the order of how well the names fit.

    Candidates come from the texts; the best is near the topic in the encoder's space, frequent
    and a noun (near to KeyBERT's way with keywords, Grootendorst, 2020). A second is joined by
    "and" where the first stands in few texts and the second in others.

    Parameters
    ----------
    entries, labels
        The words of each text, and its topic.
    near
        Gives the cosines of phrases to the topics, shape `(n_phrases, n_topics)`.
    stop
        Words without content.
    given
        Names that are settled, "" where there is none.
    authors
        Who wrote each text.

    Returns
    -------
    Unique names of at most 100 characters; "" for a topic that nothing names.
    """
    found = phrases(entries, labels, len(given), stop, authors)
    every = sorted(set[str]().union(*found))
    kind = kinds(entries, stop, {*every, *map(_last, every)})
    cosine = dict(zip(every, near(every), strict=True)) if every else {}
    sizes = Counter(labels)
    ranked = list[list[Phrase]]()
    for topic, held in enumerate(found):
        own = [
            Phrase(
                *(p, texts, float(cosine[p][topic])),
                min(kind[p][0], kind[_last(p)][0]),
                kind[p][1],
            )
            for p, texts in held.items()
            if not any(_is_part(p, texts, q, more) for q, more in held.items())
        ]
        fitting = ([p for p in own if p.fits(*bounds)] for bounds in BOUNDS)
        best = next(filter(None, fitting), [])
        ranked.append(sorted(best, key=lambda p: (-p.worth(sizes[topic]), p.text)))
    names = list(given)
    open_topics = [topic for topic, name in enumerate(names) if not name and ranked[topic]]
    open_topics.sort(key=lambda topic: (-ranked[topic][0].worth(sizes[topic]), topic))
    for topic in open_topics:
        choices = [p for p in ranked[topic] if p.text not in names and len(p.text) <= LONGEST]
        if choices:
            first, *others = choices
            names[topic] = _joined(first, others, sizes[topic], names)
    return names


def own_words(words: Sequence[str]) -> list[str]:
    """List the words of a topic without a noun that may name it: none if most of the first do not.

    Examples
    --------
    >>> own_words(["cook", "day", "oven", "event"])
    ['cook', 'oven']
    >>> own_words(["happy", "cake", "moment", "event"])
    []
    """
    own = [word for word in words if word not in GENERAL]
    general = sum(word in GENERAL for word in words[:LEADING])
    return [] if general > LEADING / 2 else own


def _joined(first: Phrase, others: Sequence[Phrase], n_texts: int, taken: Collection[str]) -> str:
    """Join a second phrase where the first alone says too little."""
    if len(first.texts) < COMMON * n_texts:
        for second in others:
            apart = not _stems(first.text) & _stems(second.text)
            sure = second.cosine >= SECOND_COSINE and second.noun >= SECOND_NOUN
            if apart and sure and len(second.texts - first.texts) >= ADDS * n_texts:
                both = f"{first.text} and {second.text}"
                if both not in taken and len(both) <= LONGEST:
                    return both
    return first.text


def _is_part(phrase: str, texts: frozenset[int], other: str, more: frozenset[int]) -> bool:
    inside = phrase != other and f" {phrase} " in f" {other} "
    return inside and len(texts & more) >= WITHIN * len(texts)


def _last(phrase: str) -> str:
    return phrase.rpartition(" ")[2]


def _stems(phrase: str) -> set[str]:
    return {word[:3] for word in phrase.split()}
