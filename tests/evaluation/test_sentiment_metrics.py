"""Sentiment metrics agree with scikit-learn, by hand, and on literally drawn resamples."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier

from src.evaluation.bootstrap import bootstrap_weights, estimate
from src.evaluation.sentiment import CLASSES, RANGES, prior_scores, sentiment_metrics

pytestmark = pytest.mark.unit


def simulated(n, seed=0, skill=2.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, size=n)
    logits = rng.normal(size=(n, 3)) + skill * np.eye(3)[truth]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return [CLASSES[code] for code in truth], scores


def once(n):
    return np.ones((1, n), np.uint8)


def reference(truth, scores):
    """The same figures from scikit-learn, and calibration bin by bin."""
    answers = [CLASSES[code] for code in scores.argmax(axis=1)]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        truth, answers, labels=list(CLASSES), zero_division=0
    )
    confidence, right = scores.max(axis=1), np.array(truth) == np.array(answers)
    ece = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            ece += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return {
        "accuracy": sk.accuracy_score(truth, answers),
        "recall_macro": recall.mean(),
        "precision_macro": precision.mean(),
        "f1_macro": f1.mean(),
        **{f"recall_{label}": recall[i] for i, label in enumerate(CLASSES)},
        **{f"precision_{label}": precision[i] for i, label in enumerate(CLASSES)},
        "ece": ece,
        "brier": ((scores - np.eye(3)[[CLASSES.index(t) for t in truth]]) ** 2).sum(1).mean(),
        "log_loss": sk.log_loss(truth, scores, labels=list(CLASSES)),
    }


@pytest.mark.parametrize("skill", [0.0, 1.0, 4.0])
def test_every_row_is_the_metric_of_the_entries_drawn(skill):
    truth, scores = simulated(120, skill=skill)
    weights = bootstrap_weights(120, 30, seed=3)
    found = sentiment_metrics(truth, scores, weights)
    for row, drawn in enumerate(weights):
        entries = np.repeat(np.arange(120), drawn)
        expected = reference([truth[i] for i in entries], scores[entries])
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert found[name][row] == pytest.approx(value, abs=1e-9), name


def test_reference_numbers_by_hand():
    truth = ["negative", "negative", "neutral", "positive"]
    scores = np.array([[0.9, 0.1, 0.0], [0.2, 0.6, 0.2], [0.2, 0.6, 0.2], [0.0, 0.0, 1.0]])
    found = {name: values[0] for name, values in sentiment_metrics(truth, scores, once(4)).items()}
    assert found["accuracy"] == 0.75
    assert (found["recall_negative"], found["precision_neutral"]) == (0.5, 0.5)
    assert found["recall_macro"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # bins: 0.9 all right (gap 0.1), two at 0.6 half right (gap 0.1 each), 1.0 right
    assert found["ece"] == pytest.approx((0.1 + 2 * 0.1) / 4)
    assert found["brier"] == pytest.approx((0.02 + 1.04 + 0.24 + 0) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.2, 0.6, 1.0]).mean())


def test_a_class_never_answered_costs_and_a_class_never_seen_does_not():
    scores = np.array([[1.0, 0.0, 0.0]] * 4)
    found = sentiment_metrics(["negative", "negative", "positive", "positive"], scores, once(4))
    assert found["precision_positive"][0] == found["recall_positive"][0] == 0
    assert np.isnan(found["recall_neutral"][0])
    assert found["recall_macro"][0] == 0.5
    assert found["f1_macro"][0] == pytest.approx((2 / 3 + 0) / 2)


def test_what_the_model_answered_counts_not_its_highest_score():
    scores = np.array([[0.4, 0.35, 0.25]])
    found = sentiment_metrics(["neutral"], scores, once(1), answers=["neutral"])
    assert found["accuracy"][0] == 1.0
    assert found["ece"][0] == pytest.approx(0.65)


def test_a_true_class_of_score_zero_is_a_large_finite_loss():
    loss = sentiment_metrics(["positive"], np.array([[1.0, 0.0, 0.0]]), once(1))["log_loss"][0]
    assert 30 < loss < 40


@st.composite
def answered(draw):
    n = draw(st.integers(1, 25))
    truth = draw(st.lists(st.sampled_from(CLASSES), min_size=n, max_size=n))
    parts = draw(st.lists(st.tuples(*[st.integers(0, 9)] * 3).filter(any), min_size=n, max_size=n))
    scores = np.array(parts, dtype=float)
    return truth, scores / scores.sum(axis=1, keepdims=True)


@given(answered(), st.randoms(use_true_random=False))
def test_in_range_and_blind_to_the_order_of_entries(case, random):
    truth, scores = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = sentiment_metrics(truth, scores, bootstrap_weights(len(truth), 5, seed=0))
    for name, values in found.items():
        low, high = RANGES.get(name, (0.0, 1.0))
        defined = values[~np.isnan(values)]
        assert (defined >= low - 1e-12).all(), name
        assert (defined <= high + 1e-12).all(), name
    order = random.sample(range(len(truth)), len(truth))
    again = sentiment_metrics([truth[i] for i in order], scores[order], once(len(truth)))
    for name, values in again.items():
        assert values[0] == pytest.approx(found[name][0], nan_ok=True), name


def test_the_interval_of_macro_f1_holds_the_figure_of_a_very_large_sample():
    wanted = sentiment_metrics(*simulated(200_000, seed=99, skill=1.0), once(200_000))
    truth, scores = simulated(200 * 150, seed=5, skill=1.0)
    held = 0
    for start in range(0, 200 * 150, 150):
        part = slice(start, start + 150)
        weights = bootstrap_weights(150, 200, seed=start)
        result = estimate(sentiment_metrics(truth[part], scores[part], weights)["f1_macro"])
        held += result.low <= wanted["f1_macro"][0] <= result.high
    assert 0.88 <= held / 200 <= 0.99


def test_perfect_scores_are_not_called_badly_calibrated_in_small_samples():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([0.6] * 3, size=300)
    truth = [CLASSES[rng.choice(3, p=row)] for row in scores]
    replicates = sentiment_metrics(truth, scores, bootstrap_weights(300, 300, seed=0))["ece"]
    plain_low = np.quantile(replicates[1:], 0.025)
    assert estimate(replicates).low < plain_low, "resampling inflates ECE; the interval must not"
    assert estimate(replicates).low <= 0.05


def test_prior_scores_are_the_dummy_classifiers():
    labels = ["positive"] * 5 + ["neutral"] * 2 + ["negative"]
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((8, 1)), labels)
    np.testing.assert_allclose(prior_scores(labels, 3), dummy.predict_proba(np.zeros((3, 1))))
    assert prior_scores(["neutral"], 1).tolist() == [[0.0, 1.0, 0.0]]
