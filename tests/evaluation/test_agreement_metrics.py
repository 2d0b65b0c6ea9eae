"""NMI and mAP agree with scikit-learn where it can compute them, and with counting elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, normalized_mutual_info_score

from src.evaluation.agreement import mean_average_precision, nmi
from src.evaluation.bootstrap import bootstrap_weights

pytestmark = pytest.mark.unit

GOLD = ["family", "sleep", "work"]


def once(n):
    return np.ones((1, n), np.uint8)


@st.composite
def labelled(draw):
    n = draw(st.integers(2, 25))
    gold = draw(st.lists(st.sampled_from(GOLD), min_size=n, max_size=n))
    first = draw(st.lists(st.sampled_from([None, 0, 1, 2, 3]), min_size=n, max_size=n))
    return gold, first


def as_assigned(first):
    return [[] if topic is None else [(topic, 0.5)] for topic in first]


@given(labelled())
def test_nmi_of_each_row_is_scikit_learns_of_the_entries_drawn(case):
    gold, first = case
    weights = bootstrap_weights(len(gold), 4, seed=0)
    found = nmi(as_assigned(first), [[name] for name in gold], weights)
    for row, drawn in enumerate(weights):
        entries = np.repeat(np.arange(len(gold)), drawn)
        names = [gold[i] for i in entries]
        if len(set(names)) == 1:
            assert np.isnan(found[row])
            continue
        expected = normalized_mutual_info_score(names, [str(first[i]) for i in entries])
        assert found[row] == pytest.approx(expected, abs=1e-9)


def test_an_entry_of_two_gold_topics_counts_half_for_each():
    gold = [["work"], ["sleep"], ["work", "sleep"]]
    doubled = nmi([[(0, 1.0)], [(1, 1.0)], [(0, 1.0)]], gold, once(3))[0]
    names = ["work", "work", "sleep", "sleep", "work", "sleep"]
    assert doubled == pytest.approx(normalized_mutual_info_score(names, [0, 0, 1, 1, 0, 0]))


def test_leaving_entries_out_is_not_rewarded():
    gold = [[name] for name in GOLD * 6]
    good = [[(GOLD.index(name), 0.9)] for (name,) in gold]
    shy = [own if i % 2 else [] for i, own in enumerate(good)]
    assert nmi(good, gold, once(18))[0] == pytest.approx(1.0)
    assert nmi(shy, gold, once(18))[0] < 0.8
    assert nmi([[]] * 18, gold, once(18))[0] == 0.0


def test_entries_without_gold_topics_do_not_count():
    gold, assigned = [["work"], ["sleep"], [], []], [[(0, 1.0)], [(1, 1.0)], [(0, 1.0)], []]
    assert nmi(assigned, gold, once(4))[0] == pytest.approx(1.0)
    assert np.isnan(nmi(assigned, [[], [], [], []], once(4))[0])
    none_drawn = np.array([[1, 1, 1, 1], [0, 0, 2, 2]], np.uint8)
    assert np.isnan(nmi(assigned, gold, none_drawn)[1])


@st.composite
def ranked(draw):
    n = draw(st.integers(10, 30))
    relevant = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda r: sum(r) >= 5))
    tenths = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return relevant, [tenth / 10 for tenth in tenths]


@given(ranked())
def test_average_precision_of_each_row_is_scikit_learns_of_the_entries_drawn(case):
    relevant, confidence = case
    gold = [["work"] if is_work else ["rare"] for is_work in relevant]
    gold = [own if own == ["work"] else [f"rare {i}"] for i, own in enumerate(gold)]
    assigned = [[(7, score)] if score else [] for score in confidence]
    weights = bootstrap_weights(len(gold), 4, seed=0)
    found = mean_average_precision(assigned, gold, weights)
    for row, drawn in enumerate(weights):
        entries = np.repeat(np.arange(len(gold)), drawn)
        truth, scores = np.array(relevant)[entries], np.array(confidence)[entries]
        if truth.any():
            assert found[row] == pytest.approx(average_precision_score(truth, scores))
        else:
            assert np.isnan(found[row])


def test_each_gold_topic_is_ranked_by_its_best_topic():
    gold = [["work"]] * 5 + [["sleep"]] * 5 + [["once"]]
    assigned = [[(0, 0.9)]] * 5 + [[(1, 0.9), (0, 0.1)]] * 5 + [[]]
    assert mean_average_precision(assigned, gold, once(11))[0] == pytest.approx(1.0)
    swapped = [[(1 - topic, score) for topic, score in own] for own in assigned]
    assert mean_average_precision(swapped, gold, once(11))[0] == pytest.approx(1.0)


def test_the_match_is_kept_for_the_resamples():
    gold = [["work"]] * 6 + [["other"]] * 4
    # topic 0 finds five of six and is the best; topic 1 finds the sixth alone
    assigned = [[(0, 0.9)]] * 5 + [[(1, 0.9)]] + [[]] * 4
    only_the_sixth = np.array([[1] * 10, [0, 0, 0, 0, 0, 6, 1, 1, 1, 1]], np.uint8)
    found = mean_average_precision(assigned, gold, only_the_sixth)
    assert found[1] == pytest.approx(0.6), "by topic 0 all entries of this resample tie"


def test_without_topics_precision_is_the_share_of_the_gold_topic():
    gold = [["work"]] * 5 + [["other"]] * 15
    assert mean_average_precision([[]] * 20, gold, once(20))[0] == pytest.approx((0.25 + 0.75) / 2)


def test_rare_gold_topics_alone_leave_it_undefined():
    assert np.isnan(mean_average_precision([[(0, 1.0)]] * 4, [["work"]] * 4, once(4))).all()


def test_a_topic_listed_twice_counts_once_with_its_first_confidence():
    gold = [["work"]] * 5 + [["a"], ["b"]]
    twice = [[(0, 0.9), (0, 0.1)]] * 5 + [[(0, 0.5)], []]
    assert mean_average_precision(twice, gold, once(7))[0] == pytest.approx(1.0)
