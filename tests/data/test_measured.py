"""Intervals: chance alone must break nothing, and what is plain must show."""

from __future__ import annotations

import doctest
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data import measured
from src.data.measured import in_tenths, median, ratio, share, shift

pytestmark = pytest.mark.unit

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10_000), max_size=6)


def test_examples_in_docstrings_hold() -> None:
    result = doctest.testmod(measured)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_a_share_lies_in_its_interval(n: int, part: float) -> None:
    found = share(round(part * n), n)
    assert found is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_nothing_has_no_share_median_ratio_or_shift() -> None:
    assert share(0, 0) is None
    assert median({}) is None
    assert ratio(10, 0) is None
    assert shift({}, {"a": 1}) is None
    assert shift({"a": 1_000}, {"a": 29}) is None


@pytest.mark.parametrize("n", range(1, 11))
def test_of_few_numbers_any_median_is_possible(n: int) -> None:
    found = median({1: n})
    assert found is not None
    assert (found.low, found.high) == (0, math.inf)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=200))
def test_a_median_is_the_middle_of_the_sorted_numbers(numbers: list[int]) -> None:
    found = median(Counter(numbers))
    assert found is not None
    assert found.low <= found.value == sorted(numbers)[len(numbers) // 2] <= found.high


@given(st.integers(0, 10**8), st.integers(1, 10**8))
def test_a_ratio_lies_in_its_interval(now: int, before: int) -> None:
    found = ratio(now, before)
    assert found is not None
    assert found.low <= found.value * (1 + 1e-9)
    assert found.value * (1 - 1e-9) <= found.high


@given(counts, counts)
def test_a_shift_is_symmetric_and_never_negative(now: dict, before: dict) -> None:
    one, other = shift(now, before), shift(before, now)
    assert (one is None) == (other is None)
    if one and other:
        assert one.value == pytest.approx(other.value, abs=1e-12)
        assert one.value >= -1e-12
        assert one.low in (0.0, one.value)


def test_samples_of_one_kind_of_data_do_not_show_a_shift() -> None:
    draw = random.Random(0)
    weights, alarms = (50, 30, 15, 4, 1), 0
    for _ in range(2_000):
        now, before = (
            Counter(draw.choices("abcde", weights, k=draw.choice((30, 60, 500)))) for _ in "xy"
        )
        found = shift(now, before)
        alarms += bool(found and found.low > 0)
    assert alarms <= 8  # 2 in 2,000 are expected where the theory is exact


def test_the_kind_that_moved_most_is_named() -> None:
    found = shift({"a": 1, "b": 99}, {"a": 60, "b": 40})
    assert found is not None
    assert found.note in ("a 60 % → 1 %", "b 40 % → 99 %")


@given(st.lists(st.integers(0, 10**6), min_size=1), st.lists(st.integers(0, 10**6), min_size=1))
def test_tenths_lose_no_text(numbers: list[int], others: list[int]) -> None:
    found = in_tenths(Counter(numbers), Counter(others))
    assert sum(found.values()) == len(numbers)
    assert len(in_tenths(Counter(others), Counter(others))) <= 10
