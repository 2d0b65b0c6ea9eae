"""The words that topics are made of, and how often they keep company."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.training.train_topics import correlation
from src.training.word_topics import TopicParams, topic_vocabulary

pytestmark = pytest.mark.unit
WORDS = ["cup", "rain", "sun", "tea"]
ENTRIES = st.lists(st.lists(st.sampled_from([*WORDS, "the"]), max_size=50), min_size=1, max_size=30)


def test_correlation_by_hand():
    """Both words stand in 2 of 4 entries, together in 1: without smoothing NPMI would be 0."""
    entries = [["tea", "cup"], ["tea"], ["cup"], ["rain", "sun"], ["rain", "sun"]]
    matrix = correlation(entries, WORDS).toarray()
    shares = np.array([2, 2, 2, 2]) / 5
    smooth = shares**0.75 * shares.sum() / (shares**0.75).sum()
    rain_sun = math.log(0.4 / (0.4 * smooth[0])) / -math.log(0.4) * 2 / 3
    tea_cup = math.log(0.2 / (0.4 * smooth[0])) / -math.log(0.2) * 1 / 2
    assert matrix[1, 2] == pytest.approx(rain_sun)
    assert matrix[0, 3] == pytest.approx(tea_cup)
    assert np.count_nonzero(matrix) == 4


@given(ENTRIES)
def test_correlation_is_symmetric_finite_and_not_negative(entries):
    entries = [*entries, ["tea"]]
    matrix = correlation(entries, WORDS).toarray()
    assert np.isfinite(matrix).all()
    assert (matrix >= 0).all()
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()


def test_words_far_apart_in_a_long_entry_do_not_meet():
    near = [["tea", "cup"], ["rain"], ["sun"], ["rain", "sun"]]
    far = [["tea"] + ["rain", "sun"] * 20 + ["cup"], ["tea"], ["cup"], ["rain"]]
    assert correlation(near, WORDS)[0, 3] > 0
    assert correlation(far, WORDS)[0, 3] == 0


def test_words_in_every_entry_say_nothing_and_divide_by_nothing():
    assert correlation([["tea", "cup"]] * 3, ["cup", "tea"]).toarray().tolist() == [[0, 0], [0, 0]]


def test_frequent_words_are_neither_stop_words_nor_rare_nor_everywhere():
    often = ["garden", "tomato", "soil", "seed", "worm", "bee", "leaf", "hedge", "weed", "茶"]
    entry = [*often, "the", "don't", "ok"]
    entries = [[*entry, "daily"]] * 6 + [["daily", "rare"]] * 4 + [["daily"]] * 10
    params = TopicParams(n_topics=2, min_df=5, max_df=0.9)
    assert topic_vocabulary(entries, params, frozenset(["the"])) == sorted(often)
    with pytest.raises(UserError, match="3 topics need 15 words that stand in 5") as caught:
        topic_vocabulary(entries, TopicParams(n_topics=3), frozenset(["the"]))
    assert caught.value.hint == "Ask for fewer topics: -P n_topics=2"


def test_the_most_topic_vocabulary_are_kept():
    entries = [[f"word{chr(97 + i)}" for i in range(26) if i < n] for n in range(27)] * 5
    kept = topic_vocabulary(
        entries, TopicParams(n_topics=2, max_df=1.0, max_features=10), frozenset()
    )
    assert kept == [f"word{chr(97 + i)}" for i in range(10)]
