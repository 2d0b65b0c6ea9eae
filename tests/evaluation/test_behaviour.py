"""Minimal pairs: what counts as a failure, and that the file can be passed and failed."""

from __future__ import annotations

import math

import pytest

from src.evaluation.behaviour import (
    MORE,
    SWAPS,
    Failures,
    Pair,
    behaviour_metrics,
    holds,
    judge_pairs,
    overall,
    read_pairs,
    texts_of,
)

pytestmark = pytest.mark.unit

PAIRS = read_pairs()
CLASSES = {"negative", "neutral", "positive"}


def perfect(pair: Pair) -> list[tuple[str, float]]:
    if pair.test == "minimum":
        return [(label, 0.0) for label in pair.expected]
    if pair.test == "direction":
        return [("neutral", 0.0), ("neutral", 0.1 * MORE[str(pair.expected)])]
    return [("neutral", 0.1), ("neutral", 0.1)]


def hopeless(pair: Pair) -> list[tuple[str, float]]:
    if pair.test == "minimum":
        return [(label, 0.0) for label in reversed(("x", *pair.expected[1:]))]
    if pair.test == "direction":
        return [("neutral", 0.0), ("neutral", 0.0)]
    return [("neutral", -0.2), ("neutral", 0.3)]


def judged(model) -> dict[str, Failures]:
    answers = [answer for pair in PAIRS for answer in model(pair)]
    return judge_pairs(PAIRS, [label for label, _ in answers], [mood for _, mood in answers])


def test_the_file_is_made_of_tests_that_can_be_judged() -> None:
    assert len(PAIRS) == 319
    assert set(SWAPS) < {pair.kind for pair in PAIRS}
    texts = texts_of(PAIRS)
    assert len(set(texts)) == len(texts) == 638
    assert texts[:2] == [PAIRS[0].first, PAIRS[0].second]
    for pair in PAIRS:
        if pair.test == "minimum":
            assert len(pair.expected) == 2
            assert set(pair.expected) <= CLASSES
        elif pair.test == "direction":
            assert pair.expected in MORE
        else:
            assert (pair.test, pair.expected) == ("invariance", "same")
        assert pair.kind not in SWAPS or pair.test == "invariance"


def test_a_model_that_is_right_everywhere_fails_nothing() -> None:
    found = judged(perfect)
    assert overall(found) == Failures(319, 0)
    assert {kind: one.pairs for kind, one in found.items()}["negation"] == 33
    assert [one.largest_change for kind, one in found.items() if kind in SWAPS] == [0.0] * 4
    assert set(behaviour_metrics(found).values()) == {0.0}


def test_a_model_that_is_wrong_everywhere_fails_everything() -> None:
    found = judged(hopeless)
    assert overall(found) == Failures(319, 319)
    metrics = behaviour_metrics(found)
    assert metrics["behaviour_failures"] == metrics["behaviour_failures_negation"] == 1.0
    assert metrics["swap_largest_change_name"] == 0.5
    assert sum(name.startswith("swap_") for name in metrics) == len(SWAPS)
    assert {kind for kind, one in found.items() if one.largest_change is not None} == set(SWAPS)


@pytest.mark.parametrize(
    ("test", "expected", "labels", "moods", "good"),
    [
        ("minimum", ["positive", "negative"], ("positive", "negative"), (0.0, 0.9), True),
        ("minimum", ["positive", "negative"], ("positive", "neutral"), (0.9, -0.9), False),
        ("minimum", ["positive", "negative"], ("negative", "positive"), (0.9, -0.9), False),
        ("invariance", "same", ("neutral", "neutral"), (0.0, 0.2), True),
        ("invariance", "same", ("neutral", "neutral"), (0.0, -0.21), False),
        ("invariance", "same", ("neutral", "positive"), (0.3, 0.3), False),
        ("invariance", "same", ("neutral", "neutral"), (math.nan, 0.0), False),
        ("direction", "more positive", ("negative", "negative"), (-0.5, -0.4), True),
        ("direction", "more positive", ("negative", "positive"), (0.4, 0.4), False),
        ("direction", "more negative", ("positive", "positive"), (0.5, 0.4), True),
        ("direction", "more negative", ("positive", "positive"), (0.4, 0.5), False),
    ],
)
def test_what_a_pair_must_come_to(test, expected, labels, moods, good) -> None:
    assert holds(Pair("kind", test, "a", "b", expected), labels, moods) is good


def test_mistakes_of_ours_are_not_passed_over() -> None:
    with pytest.raises(ValueError, match="no test"):
        holds(Pair("kind", "minimal", "a", "b", "same"), ("neutral",) * 2, (0.0, 0.0))
    with pytest.raises(ValueError, match="shorter"):
        judge_pairs(PAIRS, ["neutral"] * 4, [0.0] * 4)
    assert behaviour_metrics({}) == {}
