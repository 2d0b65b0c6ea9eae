"""Tens of millions of keys, each known again, in a few bytes each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int32]

UNKNOWN = -1
GROWTH = 4  # a run is merged with the one before it while that is at most so much longer


class Numbered:
    """Numbers keys in the order of their first appearance.

    Keys lie in sorted runs, each a few times longer than the next, which are merged as they grow
    (a log-structured merge; P. O'Neil and others, 1996): 12 bytes a key, where a set of Python
    words takes over a hundred. A key is a number of 64 bits: of ten million different words two
    have the same one with a probability of 3 in a million.
    """

    def __init__(self) -> None:
        self._runs = list[tuple[Keys, Numbers]]()
        self.count = 0

    def find(self, keys: Keys) -> Numbers:
        """Give the number of each key, -1 of one that was not added: `(n_keys,)`."""
        found = np.full(len(keys), UNKNOWN, dtype=np.int32)
        for run, numbers in self._runs:
            places = np.minimum(np.searchsorted(run, keys), len(run) - 1)
            here = run[places] == keys
            found[here] = numbers[places[here]]
        return found

    def number(self, keys: Keys) -> Numbers:
        """Give the number of each key, a new one to those that were not there: `(n_keys,)`."""
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        numbers = self.find(unique)
        new = np.flatnonzero(numbers == UNKNOWN)
        by_appearance = new[np.argsort(first[new])]
        numbers[by_appearance] = np.arange(self.count, self.count + len(new), dtype=np.int32)
        self._add(unique[new], numbers[new])
        return numbers[inverse.reshape(-1)]

    def _add(self, keys: Keys, numbers: Numbers) -> None:
        if not len(keys):
            return
        self.count += len(keys)
        while self._runs and len(self._runs[-1][0]) <= GROWTH * len(keys):
            more_keys, more_numbers = self._runs.pop()
            keys = np.concatenate((more_keys, keys))
            order = np.argsort(keys, kind="stable")  # two sorted runs merge in one pass
            keys = keys[order]
            numbers = np.concatenate((more_numbers, numbers))[order]
        self._runs.append((keys, numbers))


def keys_of(words: Iterable[str]) -> Keys:
    """Give a key of each word, which is the same in this process only."""
    return np.fromiter(map(hash, words), np.int64).view(np.uint64)
