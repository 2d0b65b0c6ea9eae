"""Gates and contests are judged on intervals, and say so in a sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.evaluation.bootstrap import Estimate
from src.evaluation.gates import (
    CONTESTS,
    GATES,
    JOURNAL_GATES,
    TOLERANCE,
    Gate,
    better_than,
    judge,
    spelled,
)

pytestmark = pytest.mark.unit

FLOOR = Gate("floor", "f1_macro", 0.45, "an example")
CEILING = Gate("ceiling", "ece", 0.10, "an example", at_least=False)
GAIN = Gate("gain", "npmi", 0.0, "an example", against="baseline")


def replicates(middle, spread=0.01, n=200):
    return np.concatenate([[middle], middle + np.linspace(-spread, spread, n)])


@pytest.mark.parametrize("task", GATES)
def test_codes_are_unique_and_metrics_are_known(task):
    gates = GATES[task] + JOURNAL_GATES
    assert len({gate.code for gate in gates}) == len(gates)
    assert all(gate.why and gate.against in ("", "baseline") for gate in gates)
    assert CONTESTS.keys() == GATES.keys()


@pytest.mark.parametrize(
    ("low", "high", "passed", "says"),
    [
        (0.598, 0.627, True, "macro-F1 0.600 [0.598, 0.627] is at least 0.45"),
        (0.45, 0.70, True, "is at least 0.45"),
        (0.449, 0.70, False, "may be below 0.45"),
        (0.20, 0.40, False, "is below 0.45"),
    ],
)
def test_a_floor_must_be_shown(low, high, passed, says):
    verdict = judge(FLOOR, {"f1_macro": Estimate(0.6, low, high)}, {})
    assert verdict.passed is passed
    assert says in verdict.sentence


@pytest.mark.parametrize(
    ("low", "high", "passed", "says"),
    [
        (0.02, 0.06, True, "calibration error 0.080 [0.020, 0.060] is at most 0.1"),
        (0.06, 0.14, True, "is not shown to exceed 0.1"),
        (0.101, 0.14, False, "is above 0.1"),
    ],
)
def test_a_ceiling_must_not_be_shown_broken(low, high, passed, says):
    verdict = judge(CEILING, {"ece": Estimate(0.08, low, high)}, {})
    assert verdict.passed is passed
    assert says in verdict.sentence


def test_the_baseline_must_be_beaten_not_equalled():
    own = {"npmi": Estimate(0.1, 0.0, 0.2)}
    won = judge(GAIN, own, {"npmi": Estimate(0.31, 0.29, 0.33)})
    assert won.passed
    assert won.sentence.endswith("beats the trivial baseline by 0.310 [0.290, 0.330]")
    tie = judge(GAIN, own, {"npmi": Estimate(0.0, 0.0, 0.0)})
    assert not tie.passed
    assert "does not surely beat the trivial baseline" in tie.sentence


def test_where_less_is_better_the_gain_is_how_much_less():
    gate = Gate("loss", "log_loss", 0.1, "an example", at_least=False, against="baseline")
    own = {"log_loss": Estimate(0.5, 0.4, 0.6)}
    less = judge(gate, own, {"log_loss": Estimate(-0.5, -0.6, -0.4)})
    assert less.passed
    assert "by 0.500 [0.400, 0.600]" in less.sentence
    more = judge(gate, own, {"log_loss": Estimate(0.5, 0.4, 0.6)})
    assert not more.passed
    assert "by 0.1:" in more.sentence


def test_a_metric_that_is_undefined_fails_its_gate():
    for gate in (*GATES["sentiment"], *GATES["topics"]):
        verdict = judge(gate, {}, {})
        assert not verdict.passed
        assert "cannot be judged" in verdict.sentence


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_interval_never_loses_a_floor(low, high, rise):
    low, high = min(low, high), max(low, high)
    before = judge(FLOOR, {"f1_macro": Estimate(high, low, high)}, {})
    after = judge(FLOOR, {"f1_macro": Estimate(high + rise, low + rise, high + rise)}, {})
    assert after.passed >= before.passed


def contest(task, challenger, champion, n_shared=1000):
    return better_than(
        task,
        {name: replicates(middle) for name, middle in challenger.items()},
        {name: replicates(middle, spread=0.005) for name, middle in champion.items()},
        n_shared,
    )


def test_a_clear_gain_is_better_and_a_clear_loss_is_worse():
    better = contest("sentiment", {"f1_macro": 0.65}, {"f1_macro": 0.60})
    assert better.passed
    assert better.sentence.startswith("better than the champion: macro-F1 changes by 0.050 [")
    assert better.sentence.endswith("on 1,000 shared entries")
    worse = contest("sentiment", {"f1_macro": 0.55}, {"f1_macro": 0.60})
    assert not worse.passed
    assert worse.sentence.startswith("worse than the champion")


def test_a_gain_within_the_noise_and_an_identical_model_are_not_better():
    for gain in (0.0, 0.001):
        verdict = contest("sentiment", {"f1_macro": 0.6 + gain}, {"f1_macro": 0.6})
        assert not verdict.passed
        assert verdict.sentence.startswith("not better than the champion")
    same = {"f1_macro": replicates(0.6)}
    verdict = better_than("sentiment", same, same, 1000)
    assert not verdict.passed
    assert "changes by 0.000 [0.000, 0.000]" in verdict.sentence


@pytest.mark.parametrize("task", CONTESTS)
def test_too_few_shared_entries_decide_nothing(task):
    fewest = CONTESTS[task].fewest
    names = ["f1_macro", "npmi", "diversity", "coverage"]
    high, low = dict.fromkeys(names, 0.9), dict.fromkeys(names, 0.1)
    short = contest(task, high, low, n_shared=fewest - 1)
    assert not short.passed
    assert f"{fewest - 1} held-out entries" in short.sentence
    assert f"{fewest} are needed" in short.sentence
    assert contest(task, high, low, n_shared=fewest).passed
    assert not better_than(task, {}, {}, 0).passed
    assert "undefined" in better_than(task, {}, {}, fewest).sentence


@pytest.mark.parametrize("lost", ["diversity", "coverage"])
def test_coherence_may_not_be_bought_with_what_must_be_kept(lost):
    champion = {"npmi": 0.0, "diversity": 0.8, "coverage": 0.9}
    challenger = champion | {"npmi": 0.1, lost: champion[lost] - 0.1}
    verdict = contest("topics", challenger, champion)
    assert not verdict.passed
    assert f"but {lost} by -0.100" in verdict.sentence
    within = champion | {"npmi": 0.1, lost: champion[lost] - TOLERANCE}
    assert contest("topics", within, champion).passed


def test_names_read_as_people_write_them():
    assert spelled("precision_macro") == "macro-precision"
    assert spelled("map") == "mAP"
    assert spelled("log_loss") == "log loss"
