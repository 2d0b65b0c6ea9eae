"""Texts that are nearly the same, found without comparing each with each, in bounded memory.

MinHash sketches and banded locality-sensitive hashing propose pairs (A. Z. Broder, On the
Resemblance and Containment of Documents, 1997; Leskovec, Rajaraman & Ullman, Mining of Massive
Datasets, chapter 3); each pair is then compared exactly. The bands lie on disk, and texts are
read again only where a pair asks for them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

THRESHOLD = 0.8  # Jaccard similarity from which two texts are nearly the same
SHINGLE = 3  # words
SHORT = 5  # words: below, a text is compared by its single words

# 32 bands of 4 values miss a pair of similarity 0.8 once in 20 million, (1 - 0.8 ** 4) ** 32.
PERMUTATIONS, BANDS, SEED = 128, 32, 0
VALUES = PERMUTATIONS // BANDS

CHUNK = 4_096  # texts whose shingles are in memory at once
BLOCK = 262_144  # texts that are asked about at once
PAIRS = 8_000_000  # agreements in memory at once
CROWD = 64  # of more texts with an equal band only the first are looked at
CHARACTERS = 64 * 2**20  # of texts that are compared at once

# Scripts that put no spaces between words count by the letter.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")

Places = npt.NDArray[np.int64]  # of texts, in the order in which they are read
Keys = npt.NDArray[np.uint64]


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


def alike(one: str, other: str) -> bool:
    """Tell whether two texts are nearly the same."""
    return jaccard(shingles(one), shingles(other)) >= THRESHOLD


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Give the share of what two sets have in common, 0 to 1.

    >>> jaccard(frozenset("abc"), frozenset("bcd"))
    0.5
    """
    return len(one & other) / len(one | other) if one or other else 0.0


class Sketches(NamedTuple):
    """What is known of texts without them.

    Attributes
    ----------
    bands
        What texts that are nearly the same have in common, one key at least: `(n, BANDS)`.
    whole
        The same for texts of the same shingles, in processes of one hash seed: `(n,)`.
    has_words
        Whether a text has any shingles: `(n,)`.
    """

    bands: Keys
    whole: Places
    has_words: npt.NDArray[np.bool_]


def sketched(texts: Sequence[str]) -> Sketches:
    """Sketch texts that are in memory at once."""
    sets = [shingles(text) for text in texts]
    matrix = RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SEED)
    values = np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(sets), BANDS, VALUES)
    rng = np.random.default_rng(SEED)
    factors = rng.integers(0, 2**64, PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
    return Sketches(
        (values * factors.reshape(BANDS, VALUES)).sum(axis=2, dtype=np.uint64),
        np.fromiter(map(hash, sets), np.int64),
        np.fromiter(map(bool, sets), np.bool_),
    )


class NearDuplicates:
    """Texts of which can be asked which ones are nearly the same as others of them.

    Use it in a `with`: 264 bytes per text lie in a temporary folder, digests only, no text.

    Parameters
    ----------
    read
        Gives all texts in runs of any length, each time from the beginning and in one order.
    told
        Called with the number of texts sketched so far.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Sequence[str]]],
        told: Callable[[int], None] = lambda texts: None,
    ) -> None:
        self._read, self._told = read, told

    def __enter__(self) -> NearDuplicates:
        self._folder = tempfile.TemporaryDirectory(prefix="sketches-", ignore_cleanup_errors=True)
        try:
            self._sketch(Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def near(self, asked: Places, others: Places) -> npt.NDArray[np.bool_]:
        """Tell of each text asked about whether one of the others is nearly the same.

        Parameters
        ----------
        asked, others
            Places of texts, `(n_asked,)` and `(n_others,)`.

        Returns
        -------
        `(n_asked,)`. A text without words is near to none.
        """
        near = np.zeros(len(asked), dtype=np.bool_)
        with_words = np.flatnonzero(self._lengths[asked] > 0)
        # Of texts with the same shingles one stands for all.
        others = others[self._lengths[others] > 0]
        others = others[np.sort(np.unique(self._whole[others], return_index=True)[1])]
        if not len(others) or not len(with_words):
            return near
        self._index(others)
        pairs = [
            self._agreeing(asked, with_words[start : start + BLOCK], len(others))
            for start in range(0, len(with_words), BLOCK)
        ]
        own, other = np.divmod(np.concatenate(pairs), len(others))
        for part in self._parts(asked[own], others[other]):
            self._compare(asked, own[part], others[other[part]], near)
        return near

    def _sketch(self, folder: Path) -> None:
        """Keep the bands of all texts on disk, a file per band, and their lengths here."""
        self._bands = [folder / f"band-{band:02}" for band in range(BANDS)]
        lengths, whole, done = list[Places](), list[Places](), 0
        files = [path.open("wb") for path in self._bands]
        try:
            for texts in self._read():
                for start in range(0, len(texts), CHUNK):
                    part = texts[start : start + CHUNK]
                    found = sketched(part)
                    for band, file in enumerate(files):
                        file.write(found.bands[:, band].tobytes())
                    whole.append(found.whole)
                    given = np.fromiter(map(len, part), np.int64)
                    lengths.append(np.where(found.has_words, given, 0))
                    done += len(part)
                    self._told(done)
        finally:
            for file in files:
                file.close()
        self._lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64)
        self._whole = np.concatenate(whole) if whole else np.zeros(0, dtype=np.int64)

    def _band(self, band: int, places: Places) -> Keys:
        return np.fromfile(self._bands[band], dtype=np.uint64)[places]

    def _index(self, others: Places) -> None:
        """Sort each band of the texts that others are compared with, on disk."""
        for band, path in enumerate(self._bands):
            keys = self._band(band, others)
            order = np.argsort(keys, kind="stable")
            np.save(path.with_name(f"{path.name}-keys.npy"), keys[order])
            np.save(path.with_name(f"{path.name}-order.npy"), order.astype(np.int32))

    def _agreeing(self, asked: Places, block: Places, n_others: int) -> Places:
        """Give the pairs that a band agrees on, each as `own * n_others + other`, sorted."""
        found, total = list[Places](), 0
        for band, path in enumerate(self._bands):
            keys = np.load(path.with_name(f"{path.name}-keys.npy"))
            order = np.load(path.with_name(f"{path.name}-order.npy"))
            mine = self._band(band, asked[block])
            start = np.searchsorted(keys, mine, "left")
            count = np.minimum(np.searchsorted(keys, mine, "right") - start, CROWD)
            total += int(count.sum())
            if total > PAIRS and len(block) > 1:
                halves = np.array_split(block, 2)
                return np.concatenate([self._agreeing(asked, h, n_others) for h in halves])
            own = np.repeat(block, count)
            nth = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count)
            found.append(own * n_others + order[np.repeat(start, count) + nth])
        pairs: Places = np.unique(np.concatenate(found))
        return pairs

    def _parts(self, own: Places, other: Places) -> Iterator[slice]:
        """Cut pairs into runs whose texts can be in memory together."""
        size = np.cumsum(self._lengths[own] + self._lengths[other])
        start = 0
        while start < len(own):
            before = size[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(size, before + CHARACTERS, "right")))
            yield slice(start, stop)
            start = stop

    def _compare(
        self, asked: Places, own: Places, other: Places, near: npt.NDArray[np.bool_]
    ) -> None:
        """Compare pairs exactly and mark those asked about that are near to another."""
        texts = self._fetch(np.union1d(asked[own], other))
        last, words = -1, frozenset[str]()
        for each, place in zip(own.tolist(), other.tolist(), strict=True):
            if each != last:
                last, words = each, shingles(texts[int(asked[each])])
            near[each] = near[each] or jaccard(words, shingles(texts[place])) >= THRESHOLD

    def _fetch(self, places: Places) -> dict[int, str]:
        """Read the texts of these places, which are sorted."""
        found, seen = dict[int, str](), 0
        for texts in self._read():
            low, high = np.searchsorted(places, (seen, seen + len(texts)))
            found |= {place: texts[place - seen] for place in places[low:high].tolist()}
            seen += len(texts)
        return found


def near_others(asked: Sequence[str], others: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell of each text asked about whether one of the others is nearly the same: `(n_asked,)`."""
    places = np.arange(len(asked) + len(others))
    with NearDuplicates(lambda: [asked, others]) as texts:
        return texts.near(places[: len(asked)], places[len(asked) :])
