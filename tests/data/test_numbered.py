from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.numbered import UNKNOWN, Numbered, keys_of

pytestmark = pytest.mark.unit

words = st.lists(st.lists(st.text("abc", max_size=3), max_size=30), max_size=30)


@given(words)
def test_it_numbers_as_a_dictionary_does(batches: list[list[str]]) -> None:
    numbered, known = Numbered(), dict[str, int]()
    for batch in batches:
        before = numbered.find(keys_of(batch)).tolist()
        assert before == [known.get(word, UNKNOWN) for word in batch]
        numbers = numbered.number(keys_of(batch)).tolist()
        assert numbers == [known.setdefault(word, len(known)) for word in batch]
        assert numbered.count == len(known)


def test_many_keys_take_few_bytes_each() -> None:
    numbered, rng = Numbered(), np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 200_000, dtype=np.uint64)
    for start in range(0, len(keys), 1_000):
        numbered.number(keys[start : start + 1_000])
    assert numbered.count == len(keys)
    runs = numbered._runs
    assert sum(run.nbytes + numbers.nbytes for run, numbers in runs) == 12 * len(keys)
    assert len(runs) < 10
    assert numbered.find(keys[:5]).tolist() == [0, 1, 2, 3, 4]
