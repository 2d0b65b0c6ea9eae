"""Texts that are nearly the same, found without comparing each with each.

MinHash sketches and banded locality-sensitive hashing propose pairs (A. Z. Broder, On the
Resemblance and Containment of Documents, 1997; Leskovec, Rajaraman & Ullman, Mining of Massive
Datasets, chapter 3); each pair is then compared exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from rensa import RMinHash, RMinHashLSH

THRESHOLD = 0.8  # Jaccard similarity from which two texts are nearly the same
SHINGLE = 3  # words
SHORT = 5  # words: below, a text is compared by its single words

# 32 bands of 4 values miss a pair of similarity 0.8 once in 20 million, (1 - 0.8 ** 4) ** 32.
PERMUTATIONS, BANDS, SEED = 128, 32, 0
# Below this estimate a pair is not compared; 0.8 is estimated so low once in 100,000 pairs.
HOPELESS = 0.65

CHUNK = 4_096  # texts whose shingles are in memory at once

# Scripts that put no spaces between words count by the letter.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def shingles(text: str) -> frozenset[str]:
    """Cut a text into its runs of three words, or into words where there are fewer than five.

    Case and punctuation do not count; a text without words has none.

    >>> sorted(shingles("To be, or not to be!"))
    ['be or not', 'not to be', 'or not to', 'to be or']
    """
    words = _WORD.findall(text.casefold())
    if len(words) < SHORT:
        return frozenset(words)
    return frozenset(" ".join(words[i : i + SHINGLE]) for i in range(len(words) - SHINGLE + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Give the share of what two sets have in common, 0 to 1.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    return len(one & other) / len(one | other) if one or other else 0.0


class NearDuplicates:
    """An index of texts that tells which others are nearly the same as one of them."""

    def __init__(self) -> None:
        self._index = RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)
        self._texts = list[str]()
        self._sketches = list[RMinHash]()

    def add(self, texts: Sequence[str]) -> None:
        """Take texts into the index; those without words are left out."""
        for _, sketches, places in _sketched(texts):
            self._index.insert_many(sketches, len(self._texts))
            self._texts += [texts[place] for place in places]
            self._sketches += sketches

    def near(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Tell of each text whether one in the index is nearly the same: `(n_texts,)`."""
        near = np.zeros(len(texts), dtype=np.bool_)
        for words, sketches, places in _sketched(texts):
            candidates = self._index.query_all(sketches)
            for own, sketch, place, keys in zip(words, sketches, places, candidates, strict=True):
                near[place] = any(
                    sketch.jaccard(self._sketches[key]) >= HOPELESS
                    and jaccard(own, shingles(self._texts[key])) >= THRESHOLD
                    for key in keys
                )
        return near


def _sketched(
    texts: Sequence[str],
) -> Iterator[tuple[list[frozenset[str]], list[RMinHash], list[int]]]:
    """Give shingles, sketches and places of the texts that have words, some thousand at a time."""
    for start in range(0, len(texts), CHUNK):
        every = [shingles(text) for text in texts[start : start + CHUNK]]
        places = [start + i for i, words in enumerate(every) if words]
        words = [words for words in every if words]
        yield words, RMinHash.from_token_sets(words, PERMUTATIONS, SEED), places
