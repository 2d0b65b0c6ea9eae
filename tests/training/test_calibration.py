"""Temperature scaling: the confidence moves to the truth, the answers stay."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.training.calibration import temperature

pytestmark = pytest.mark.unit
CLASSES = ["a", "b", "c"]


@given(st.floats(0.3, 5), st.integers(0, 2**32 - 1))
def test_it_finds_the_temperature_that_logits_were_made_with(true, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (3000, 3))
    chance = np.exp(logits)
    chance /= chance.sum(axis=1, keepdims=True)
    drawn = (rng.random((3000, 1)) > chance.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    found = temperature(logits * true, [CLASSES[i] for i in drawn], CLASSES)
    assert math.isclose(found, true, rel_tol=0.2)


def test_columns_are_read_by_the_order_of_classes():
    logits = np.tile([3.0, 0.0, 0.0], (50, 1))
    labels = ["c"] * 40 + ["a"] * 5 + ["b"] * 5
    assert temperature(logits, labels, ["c", "a", "b"]) == pytest.approx(3 / math.log(8), rel=1e-3)


def test_it_stays_within_its_range():
    logits = np.tile([1.0, 0.0, 0.0], (50, 1))
    assert temperature(logits, ["a"] * 50, CLASSES) == pytest.approx(0.1, rel=1e-3)
    assert temperature(logits, ["b"] * 50, CLASSES) == pytest.approx(10, rel=1e-3)


def test_few_entries_say_too_little():
    assert temperature(np.tile([9.0, 0.0, 0.0], (29, 1)), ["b"] * 29, CLASSES) == 1
    assert temperature(np.empty((0, 3)), [], CLASSES) == 1
