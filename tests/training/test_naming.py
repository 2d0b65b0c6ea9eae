"""Names of topics: phrases where there are good ones, unique, short enough, never empty."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.training import naming
from src.training.known_terms import Authors

pytestmark = pytest.mark.unit
name_topics = partial(naming.name_topics, authors=Authors(np.arange(100), least=1))
WORD = st.sampled_from(
    ["tea", "cup", "cups", "rain", "sun", "sea", "walk", "walking", "book", "night"]
)


def test_a_phrase_must_belong_to_the_topic_and_hold_together():
    topics = [["games", "video", "night"], ["rain", "sun", "night"]]
    good = [["new", "video", "games"]] * 5
    assert name_topics(topics, good, [0] * 5)[0] == "video games"
    # Seldom in the topic: its two entries could be chance.
    assert name_topics(topics, good[:2], [0] * 2)[0] == "games and video"
    # As often in entries of other topics.
    assert name_topics(topics, good * 3, [0] * 5 + [1] * 10)[0] == "games and video"
    # The words seldom stand side by side.
    apart = [["games", "of", "video"]] * 40
    assert name_topics(topics, good + apart, [0] * 45)[0] == "games and video"


def test_a_phrase_of_too_few_authors_is_no_name():
    topics, entries = [["games", "video"]], [["new", "video", "games"]] * 6
    for codes, name in (
        ([0, 1, 2, 3, 4, 5], "video games"),
        ([0, 1, 2, 3, 0, 0], "games and video"),
    ):
        authors = Authors(np.array(codes), least=5)
        assert naming.name_topics(topics, entries, [0] * 6, authors) == [name]


def test_two_forms_of_a_word_make_no_pair():
    assert name_topics([["walk", "walking", "dog", "dogs"]], [], []) == ["walk and dog"]
    assert name_topics([["dog", "dogs"]], [], []) == ["dog"]


def test_a_taken_name_is_not_taken_twice():
    names = name_topics([["tea", "cup"], ["tea", "cup"], ["tea", "cup"], ["tea", "cup"]], [], [])
    assert names == ["tea and cup", "tea", "cup", "topic 4"]


def test_no_name_is_longer_than_a_hundred_characters():
    long = ["a" * 60, "b" * 60, "tea"]
    assert name_topics([long], [], []) == ["a" * 60 + " and tea"]


@given(
    st.lists(st.lists(WORD, min_size=1, max_size=10, unique=True), min_size=1, max_size=6),
    st.lists(st.tuples(st.lists(WORD, max_size=8), st.integers(-1, 5)), max_size=30),
)
def test_names_are_unique_and_made_of_words_of_the_topic(topic_words, entries):
    topic_of = [min(topic, len(topic_words) - 1) for _, topic in entries]
    names = name_topics(topic_words, [words for words, _ in entries], topic_of)
    assert len(set(names)) == len(names) == len(topic_words)
    for i, (name, words) in enumerate(zip(names, topic_words, strict=True)):
        assert 1 <= len(name) <= 100
        assert name == f"topic {i + 1}" or set(name.split()) <= {*words, "and"}
