"""The words that topics are made of, and how often they keep company."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.training.known_terms import Authors
from src.training.topic_words import (
    TopicWords,
    content_words,
    frequent_words,
    is_content,
    stop_words,
)
from src.training.train_topics import correlation
from src.training.word_topics import TopicParams, topic_vocabulary
from tests.models.corpus import ENTRIES as JOURNAL
from tests.models.corpus import FILLERS, MOODS, THEMES

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
    authors = Authors(np.arange(len(entries)), least=5)
    assert topic_vocabulary(entries, authors, params, frozenset(["the"])) == sorted(often)
    with pytest.raises(UserError, match="3 topics need 15 words that stand in 5") as caught:
        topic_vocabulary(entries, authors, TopicParams(n_topics=3), frozenset(["the"]))
    assert caught.value.hint == "Ask for fewer topics: -P n_topics=2"


def test_words_of_too_few_authors_make_no_topic():
    often = [f"word{letter}" for letter in "abcdefghij"]
    entries = [[*often, "gossip"]] * 6 + [[*often, "name"]] * 4
    authors = Authors(np.array([0, 1, 2, 3, 4, 5, 6, 6, 7, 8]), least=5)
    params = TopicParams(n_topics=2, min_df=1, max_df=1.0)
    assert topic_vocabulary(entries, authors, params, frozenset()) == ["gossip", *often]


def test_the_most_topic_vocabulary_are_kept():
    entries = [[f"word{chr(97 + i)}" for i in range(26) if i < n] for n in range(27)] * 5
    params = TopicParams(n_topics=2, max_df=1.0, max_features=10)
    authors = Authors(np.arange(len(entries)), least=5)
    kept = topic_vocabulary(entries, authors, params, frozenset())
    assert kept == [f"word{chr(97 + i)}" for i in range(10)]


FEW = [["tea", "cup", "tea"], ["tea"], ["dog"], ["dog", "tea", "oven"]]


@pytest.fixture
def few():
    return TopicWords.count(FEW, ["cup", "dog", "tea"], np.array([0, 0, 1, 1]), 2)


def test_shares_and_lifts_by_hand(few):
    """Half a text more has each word as often as all texts do: a quarter, a half, three quarters.

    So of topic 0 (1 + 0.125) / 2.5 hold cup, which is 1.8 times as many as of all texts.
    """
    assert few.held.toarray().tolist() == [[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert few.sizes.tolist() == [2, 2]
    assert few.frequency.tolist() == [0.25, 0.5, 0.75]
    assert few.share == pytest.approx(np.array([[0.45, 0.1, 0.95], [0.05, 0.9, 0.55]]))
    lift = np.array([[1.8, 0.2, 0.95 / 0.75], [0.2, 1.8, 0.55 / 0.75]])
    assert few.lift == pytest.approx(lift)
    expected = few.share**1.6 * np.log(np.maximum(lift, 1))
    assert few.weights == pytest.approx(expected)
    assert few.weights[0, 1] == few.weights[1, 2] == 0


def test_a_topics_words_are_those_it_holds_more_often_than_others(few):
    assert few.words(0) == ["cup"]  # tea stands everywhere
    assert few.words(1) == ["dog"]


def test_a_topic_of_words_that_are_everywhere_shows_those_it_holds_most():
    entries = [["tea", "cup"]] * 9 + [["tea"]] * 8
    found = TopicWords.count(entries, ["cup", "tea"], np.array([0] * 10 + [1] * 7), 3)
    assert found.words(0) == ["cup"]
    assert found.words(1) == []
    assert found.words(2) == []  # without any text


def test_each_theme_has_ten_words_of_its_own():
    entries = [text.lower().strip(".!… :)").split() for text in JOURNAL["text"].to_pylist()]
    themes = [theme for (theme,) in JOURNAL["topics"].to_pylist()]
    labels = np.array([sorted(THEMES).index(theme) for theme in themes])
    vocabulary = list(content_words(entries, 3, stop_words()))
    assert {*" ".join(MOODS.values()).split()} <= {*vocabulary}
    found = TopicWords.count(entries, vocabulary, labels, len(THEMES))
    for topic, theme in enumerate(sorted(THEMES)):
        words = found.words(topic)
        assert len(words) == 10
        assert {*words} <= {*THEMES[theme].split()}


WORDS_OF_ANY = st.sampled_from(["cup", "rain", "sun", "tea", "茶", "dog", "ok", "the", "don't"])


@given(
    st.lists(st.tuples(st.lists(WORDS_OF_ANY, max_size=9), st.integers(0, 3)), min_size=1),
    st.integers(1, 3),
)
def test_words_are_at_most_ten_different_ones_with_content(labelled, min_df):
    entries, labels = [words for words, _ in labelled], np.array([label for _, label in labelled])
    vocabulary = list(content_words(entries, min_df, stop_words()))
    assert not {*vocabulary} & {"ok", "the", "don't"}
    found = TopicWords.count(entries, vocabulary, labels, 4)
    for topic in range(4):
        words = found.words(topic)
        assert len(words) == len({*words}) <= 10
        own = {word for text, label in labelled if label == topic for word in text}
        assert {*words} <= {*vocabulary} & own


def test_of_many_words_ten_that_stand_together_are_chosen():
    """Two halves of a topic talk of twelve things each: ten words of one half are shown."""
    tea = [f"tea{chr(97 + i)}" for i in range(12)]
    dog = [f"dog{chr(97 + i)}" for i in range(12)]
    entries = [tea] * 11 + [dog] * 9 + [["rain"]] * 80
    labels = np.array([0] * 20 + [1] * 80)
    found = TopicWords.count(entries, sorted([*tea, *dog, "rain"]), labels, 2)
    assert len(found.words(0)) == 10
    assert {*found.words(0)} < {*tea}


def test_words_are_counted_once_an_entry_by_alphabet():
    entries = [["tea", "tea", "cup"], ["tea", "the"], ["the", "cup"]]
    assert frequent_words(entries, 2) == {"cup": 2, "tea": 2, "the": 2}
    assert [*frequent_words(entries, 1)] == ["cup", "tea", "the"]
    assert content_words(entries, 2, frozenset(["the"])) == {"cup": 2, "tea": 2}


@pytest.mark.parametrize("word", ["tea", "fire", "mine", "interest", "茶", "été", "computer"])
def test_a_topic_may_be_made_of_it(word):
    assert is_content(word, stop_words())


@pytest.mark.parametrize("word", ["the", "ok", "don't", "isn't", "really", *{*FILLERS} - {"today"}])
def test_no_topic_is_made_of_it(word):
    assert not is_content(word, stop_words())
