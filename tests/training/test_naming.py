"""Names of topics: phrases where there are good ones, unique, short enough, never empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.training.naming import name_topics

pytestmark = pytest.mark.unit
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
