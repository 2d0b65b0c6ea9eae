"""Weights are resamples; intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from src.evaluation import bootstrap
from src.evaluation.bootstrap import (
    Estimate,
    blocks,
    bootstrap_weights,
    differences,
    estimate,
    estimates,
    resampled_sums,
)

pytestmark = pytest.mark.unit

finite = st.floats(-1e6, 1e6)


@given(n=st.integers(1, 50), n_resamples=st.integers(0, 20), seed=st.integers(0, 2**32))
def test_weights_are_the_sample_and_draws_of_the_same_size(n, n_resamples, seed):
    weights = bootstrap_weights(n, n_resamples, seed)
    assert weights.shape == (1 + n_resamples, n)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == n).all()
    assert (weights == bootstrap_weights(n, n_resamples, seed)).all()


def test_another_seed_draws_others():
    assert (bootstrap_weights(50, 5, seed=1)[1:] != bootstrap_weights(50, 5, seed=2)[1:]).any()


def test_an_entry_is_left_out_of_a_resample_as_often_as_theory_says():
    left_out = (bootstrap_weights(500, 400, seed=0)[1:] == 0).mean()
    assert left_out == pytest.approx((1 - 1 / 500) ** 500, abs=0.005)


@given(n_rows=st.integers(0, 30), width=st.integers(0, 10**7))
def test_blocks_cover_every_row_once(n_rows, width):
    rows = [row for block in blocks(n_rows, width) for row in range(n_rows)[block]]
    assert rows == list(range(n_rows))


def test_sums_in_blocks_equal_a_dense_product(monkeypatch):
    contributions = np.random.default_rng(0).random((30, 4)).round(1)
    weights = bootstrap_weights(30, 50, seed=0)
    whole = resampled_sums(weights, sparse.csr_array(contributions))
    np.testing.assert_allclose(whole, weights @ contributions)
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 70)
    np.testing.assert_array_equal(resampled_sums(weights, sparse.csr_array(contributions)), whole)


@given(st.lists(finite, min_size=1, max_size=40), st.floats(0.5, 0.99))
def test_the_interval_contains_the_value(replicates, level):
    result = estimate(np.array(replicates), level)
    assert result.low <= result.value <= result.high
    assert result.value == replicates[0]


@given(st.lists(finite, min_size=2, max_size=40))
def test_a_shift_of_all_resamples_does_not_move_the_interval(replicates):
    values = np.array(replicates)
    shifted = estimate(np.concatenate([values[:1], values[1:] + 1.0]))
    plain = estimate(values)
    assert shifted.low == pytest.approx(plain.low, abs=1e-6)
    assert shifted.high == pytest.approx(plain.high, abs=1e-6)


def test_a_higher_level_widens():
    replicates = np.random.default_rng(0).normal(size=500)
    narrow, wide = estimate(replicates, 0.5), estimate(replicates, 0.95)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_undefined_resamples_are_left_out_and_an_undefined_sample_is_refused():
    assert estimate(np.array([0.5, np.nan, 0.4, 0.5, 0.6, np.nan]), 0.5) == estimate(
        np.array([0.5, 0.4, 0.5, 0.6]), 0.5
    )
    with pytest.raises(ValueError, match="undefined"):
        estimate(np.array([np.nan, 0.5]))


def test_estimates_drop_undefined_metrics_and_stay_in_range():
    replicates = {
        "share": np.array([0.98, *np.linspace(0.7, 1.0, 99)]),
        "gone": np.array([np.nan, 0.5]),
        "coherence": np.array([-0.98, *np.linspace(-1.0, -0.7, 99)]),
    }
    found = estimates(replicates, {"coherence": (-1.0, 1.0)})
    assert set(found) == {"share", "coherence"}
    assert found["share"].high == 1.0
    assert found["coherence"].low == -1.0


def test_differences_are_paired():
    ours = {"a": np.array([0.5, 0.2, 0.9]), "only_ours": np.array([1.0, 1.0, 1.0])}
    theirs = {"a": np.array([0.4, 0.1, 0.8])}
    ((name, gain),) = differences(ours, theirs).items()
    assert name == "a"
    assert (gain.low, gain.value, gain.high) == pytest.approx((0.1, 0.1, 0.1))


@pytest.mark.parametrize(
    ("share", "n"), [(0.6, 200), (0.9, 200), (0.25, 1000)], ids=lambda value: str(value)
)
def test_nine_in_ten_intervals_and_more_hold_the_true_share(share, n):
    rng = np.random.default_rng(7)
    held = 0
    for simulation in range(200):
        right = sparse.csr_array((rng.random((n, 1)) < share).astype(float))
        result = estimate(resampled_sums(bootstrap_weights(n, 200, simulation), right)[:, 0] / n)
        held += result.low <= share <= result.high
    assert 0.88 <= held / 200 <= 0.99


def test_an_estimate_reads_as_value_and_interval():
    assert str(Estimate(0.6121, 0.5978, 0.6274)) == "0.612 [0.598, 0.627]"
    assert str(Estimate(-0.0001, -0.0123, 0.0)) == "0.000 [-0.012, 0.000]"
