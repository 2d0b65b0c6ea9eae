"""Whether two samples differ: how often it is a false alarm, and what is caught."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from src.monitoring.drift import Shift, differences, holm, shift
from src.monitoring.features import Floats, Sums, blocks_of, summed

pytestmark = pytest.mark.unit

DRAWS = 399
MIX = np.array([0.4, 0.3, 0.2, 0.1])


def sample(
    rng: np.random.Generator, n_authors: int, each: int, mix: Floats = MIX, least: int = 1
) -> Sums:
    """Draw one-hot entries of authors who each have habits of their own."""
    habits = rng.dirichlet(mix * 4, n_authors)
    rows = np.concatenate([rng.multinomial(1, own, each) for own in habits]).astype(np.float64)
    authors = np.repeat(np.arange(n_authors), each)
    return summed(rows, blocks_of(authors, least, 7))


def p_values(n: int, here: tuple[int, int], there: tuple[int, int]) -> list[float]:
    """Test n pairs of samples without drift, each of so many authors with so many entries."""
    found = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        old, new = sample(rng, *there, least=5), sample(rng, *here)
        found.append(shift(old, new, shares=True, seed=seed, draws=DRAWS).p)
    return found


# As many entries of each author in both samples, and as it is: a month beside years.
@pytest.mark.parametrize(
    ("here", "there"), [((60, 5), (300, 5)), ((60, 2), (300, 20)), ((30, 20), (100, 5))]
)
def test_undrifted_samples_raise_false_alarms_as_often_as_stated(
    here: tuple[int, int], there: tuple[int, int]
) -> None:
    found = np.array(p_values(200, here, there))
    # Of 200 fair tests at 5 %, 19 or more would be significant in 1 of 200 such runs.
    assert (found <= 0.05).sum() <= 18
    # And the test is not cautious to the point of being worth nothing.
    assert (found <= 0.5).sum() >= 70


def test_two_hundred_looks_at_five_aspects_give_no_more_false_alarms_than_alpha() -> None:
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(1_000 + seed)
        shifts = {
            str(aspect): shift(
                sample(rng, 150, 4, least=5), sample(rng, 40, 3), shares=True, seed=seed, draws=499
            )
            for aspect in range(5)
        }
        alarms += any(each.drifted(0.01, 0.0) for each in holm(shifts).values())
    assert alarms <= 6  # 7 or more of 200 at 1 % would come in 1 of 200 such runs


def test_entries_taken_one_by_one_would_have_raised_many_more() -> None:
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        old, new = sample(rng, 300, 20, least=5), sample(rng, 40, 20)
        rows = np.repeat(np.eye(4), np.rint(new.values.sum(axis=0)).astype(int), axis=0)
        alone = summed(rows, blocks_of(np.arange(len(rows)), 1, 7))
        alarms += shift(old, alone, shares=True, seed=seed, draws=DRAWS).p <= 0.05
    assert alarms > 15


def test_a_shift_is_caught_and_its_size_is_the_share_that_moved() -> None:
    moved = np.array([0.2, 0.3, 0.2, 0.3])
    for seed in range(10):
        rng = np.random.default_rng(seed)
        found = shift(
            sample(rng, 400, 5, least=5), sample(rng, 120, 5, moved), shares=True, seed=seed
        )
        assert found.p <= 0.002
        assert 0.1 < found.effect < 0.3


def test_the_effect_of_chance_alone_is_taken_away() -> None:
    rng = np.random.default_rng(0)
    effects = [
        shift(
            *(sample(rng, 2_000, 1, least=5), sample(rng, 1_000, 1)),
            shares=True,
            seed=seed,
            draws=DRAWS,
        ).effect
        for seed in range(40)
    ]
    assert np.median(effects) < 0.02
    assert max(effects) < 0.06


def test_hand_checkable() -> None:
    old = Sums(np.full(20, 10.0), np.tile([10.0, 0.0], (20, 1)))
    new = Sums(np.full(20, 10.0), np.tile([5.0, 5.0], (20, 1)))
    found = shift(old, new, shares=True, seed=0)
    assert found.effect == pytest.approx(0.5, abs=0.02)  # half of the entries moved
    assert found.p == 1 / 5_000
    assert shift(old, old, shares=True, seed=0) == Shift(0.0, 1.0)
    moved, half = differences(old, new)
    assert moved.tolist() == [-0.5, 0.5]
    assert half.tolist() == [0.0, 0.0]


def test_a_sample_that_says_nothing_has_not_moved() -> None:
    nothing = Sums(np.zeros(5), np.zeros((5, 2)))
    something = Sums(np.ones(20), np.ones((20, 2)))
    assert shift(something, nothing, shares=True, seed=0) == Shift(0.0, 1.0)


def test_vectors_move_by_standard_deviations() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4_000, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    blocks = blocks_of(np.arange(2_000), 1, 7)
    old = summed(rows[:2_000], blocks)
    same = shift(old, summed(rows[2_000:], blocks), shares=False, seed=0)
    assert not same.drifted(0.01, 0.0)
    turned = rows[2_000:] + np.eye(8)[0] / 2
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    assert 0.3 < shift(old, summed(turned, blocks), shares=False, seed=0).effect < 0.6


def test_the_same_seed_gives_the_same() -> None:
    rng = np.random.default_rng(0)
    old, new = sample(rng, 100, 3), sample(rng, 100, 3)
    assert shift(old, new, shares=True, seed=1) == shift(old, new, shares=True, seed=1)


def test_drift_is_no_chance_and_large() -> None:
    assert Shift(0.2, 0.001, 0.005).drifted(0.01, 0.1)
    assert not Shift(0.05, 0.001, 0.005).drifted(0.01, 0.1)
    assert not Shift(0.2, 0.01, 0.05).drifted(0.01, 0.1)


def test_corrected_p_values_keep_their_order() -> None:
    found = holm({str(n): Shift(0.1, p) for n, p in enumerate([0.2, 0.001, 0.04, 0.04, 1.0])})
    ranked = sorted(found.values(), key=lambda own: own.p)
    assert all(a.adjusted <= b.adjusted for a, b in pairwise(ranked))
    assert ranked[0].adjusted == pytest.approx(0.005)


@pytest.mark.parametrize("least", [1, 5])
def test_blocks_hold_whole_authors_and_never_too_few(least: int) -> None:
    authors = np.random.default_rng(0).integers(0, 211, 2_000)
    blocks = blocks_of(authors, least, 7)
    for block in set(blocks.tolist()):
        own = set(authors[blocks == block].tolist())
        assert len(own) >= least
        assert not own & set(authors[blocks != block].tolist())
    assert len(set(blocks.tolist())) == 211 // least


def test_blocks_of_many_authors_are_at_most_500() -> None:
    assert set(blocks_of(np.arange(10_000), 1, 7).tolist()) == set(range(500))
