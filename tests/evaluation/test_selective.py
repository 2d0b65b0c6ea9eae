"""What abstaining gains: by hand, in every order of rows, and as literally drawn."""

import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.evaluation.bootstrap import bootstrap_weights, estimates
from src.evaluation.selective import Judged, accuracy_by_coverage, selective_metrics
from src.evaluation.sentiment import CLASSES
from src.evaluation.tasks import Predictions, judged

pytestmark = pytest.mark.unit


def once(n):
    return np.ones((1, n), np.uint8)


def measured(confidence, right, low=None):
    given = Judged(np.array(confidence, float), np.array(right, bool), low)
    return {name: float(v[0]) for name, v in selective_metrics(given, once(len(right))).items()}


def in_one_order(right):
    """The area where answers are kept one by one in just this order."""
    return np.mean(np.cumsum(~np.array(right)) / np.arange(1, len(right) + 1))


def test_figures_by_hand():
    low = np.array([False, False, False, True, True])
    found = measured([0.9, 0.8, 0.7, 0.5, 0.4], [True, True, False, True, False], low)
    assert found["aurc"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)
    assert found["accuracy_at_80"] == pytest.approx(3 / 4)
    assert found["coverage_confident"] == pytest.approx(3 / 5)
    assert found["accuracy_confident"] == pytest.approx(2 / 3)


def test_equal_confidence_gives_the_mean_over_every_order():
    confidence, right = [0.9, 0.6, 0.6, 0.6, 0.6, 0.2], [True, True, False, False, True, False]
    orders = [[right[0], *(right[1 + i] for i in p), right[5]] for p in permutations(range(4))]
    expected = np.mean([in_one_order(order) for order in orders])
    assert measured(confidence, right)["aurc"] == pytest.approx(expected)
    assert measured([0.5] * 6, right)["aurc"] == pytest.approx(0.5), "nothing is told apart"
    assert measured([0.5] * 6, right)["accuracy_at_80"] == pytest.approx(0.5)


def test_who_is_sure_only_where_right_is_best():
    good = measured([0.9, 0.8, 0.4, 0.3], [True, True, False, False])["aurc"]
    bad = measured([0.3, 0.4, 0.8, 0.9], [True, True, False, False])["aurc"]
    assert good < measured([0.5] * 4, [True, True, False, False])["aurc"] < bad


@pytest.mark.parametrize("n", [1, 60])
def test_resamples_are_measured_as_if_drawn(n):
    rng = np.random.default_rng(n)
    given = Judged(rng.integers(5, 16, n) / 15, rng.random(n) < 0.7, rng.random(n) < 0.3)
    weights = bootstrap_weights(n, 20, seed=1)
    found = selective_metrics(given, weights)
    for row, drawn in enumerate(weights):
        entries = np.repeat(np.arange(n), drawn)
        again = Judged(given.confidence[entries], given.right[entries], given.low[entries])
        for name, values in selective_metrics(again, once(n)).items():
            assert found[name][row] == pytest.approx(values[0], abs=1e-12, nan_ok=True), name


@st.composite
def answers(draw):
    n = draw(st.integers(1, 20))
    confidence = np.array(draw(st.lists(st.integers(5, 15), min_size=n, max_size=n))) / 15
    right, low = (
        np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool) for _ in range(2)
    )
    return Judged(confidence, right, low)


@given(answers(), st.randoms(use_true_random=False))
def test_in_range_and_to_the_bit_blind_to_the_order_of_rows(given, random):
    n = len(given.right)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = selective_metrics(given, bootstrap_weights(n, 5, seed=0))
        curve = accuracy_by_coverage(given, [0.01, 0.5, 0.8, 1.0])
    for values in (*found.values(), curve):
        defined = values[~np.isnan(values)]
        assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()
    order = random.sample(range(n), n)
    other = Judged(given.confidence[order], given.right[order], given.low[order])
    first, again = (selective_metrics(one, once(n)) for one in (given, other))
    for name, values in again.items():
        assert np.array_equal(values, first[name], equal_nan=True), name
    assert np.array_equal(accuracy_by_coverage(other, [0.01, 0.5, 0.8, 1.0]), curve)
    assert curve[-1] == pytest.approx(given.right.mean())


def test_where_all_is_flagged_no_accuracy_is_reported_and_without_flags_no_coverage():
    given = Judged(np.array([0.4, 0.4]), np.array([True, False]), np.array([True, True]))
    found = estimates(selective_metrics(given, once(2)), {})
    assert found["coverage_confident"].value == 0.0
    assert "accuracy_confident" not in found
    assert measured([0.5], [True]).keys() == {"aurc", "accuracy_at_80"}


def row(label, **more):
    return {"sentiment": label, "all_scores": dict.fromkeys(CLASSES, 0.2) | {label: 0.6}, **more}


def test_answers_are_held_against_labels_and_entries_without_one_left_out():
    rows = [row("neutral", confidence_level=level) for level in ("low", "medium", "high")]
    found = judged(["neutral", None, "positive"], Predictions(rows, None, "m"))
    assert found.right.tolist() == [True, False]
    assert found.low.tolist() == [True, False]
    assert found.confidence.tolist() == [0.6, 0.6]
    assert judged(["neutral"] * 2, Predictions([rows[0], row("neutral")], None, "m")).low is None
    with pytest.raises(UserError, match="break the contract"):
        judged(["neutral"], Predictions([{"sentiment": "good"}], None, "m"))
