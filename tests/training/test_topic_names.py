"""Names of topics: noun phrases of their own texts, each once."""

import hashlib
import random
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.training import topic_names
from src.training.known_terms import Authors
from src.training.topic_names import GENERAL, kinds

pytestmark = pytest.mark.unit
ANYONE = Authors(np.arange(200), least=1)
name_topics = partial(topic_names.name_topics, authors=ANYONE)
phrases = partial(topic_names.phrases, authors=ANYONE)
STOP = frozenset(("a", "the", "i", "we", "my", "our", "to", "of", "in", "was", "it", "with"))
OTHER = [["we", "had", "the", "rain"], ["it", "was", "a", "storm"]] * 30  # another topic's


def named(entries, near=None, given_names=("", ""), other=OTHER):
    """Name a topic beside another; the encoder finds all phrases near, or as near as said."""

    def place(found):
        cosines = np.array([(near or {}).get(phrase, 0.9) for phrase in found])
        return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)

    labels = [0] * len(entries) + [1] * len(other)
    centroids = np.array([[1.0, 0.0], [0.8, 0.6]])
    return name_topics(
        [*entries, *other], labels, lambda some: place(some) @ centroids.T, STOP, list(given_names)
    )


def test_a_noun_comes_before_a_verb_that_is_more_frequent_and_nearer():
    entries = [["i", "walk", "my", "dog"]] * 8 + [["i", "walk"]] * 8
    kind = kinds(entries, STOP, {"walk", "dog"})
    assert kind["dog"] == (8 / 12, 0.0)
    assert kind["walk"] == (0.0, 1.0)
    assert named(entries, {"walk": 0.99, "dog": 0.5})[0] == "dog"


def test_a_topic_of_verbs_alone_has_no_name():
    assert named([["i", "walk"], ["we", "jog"]] * 8)[0] == ""


def test_a_noun_may_have_one_word_before_it():
    found = kinds([["the", "old", "dog"], ["my", "dog", "was"]] * 3, STOP, {"dog", "old"})
    assert found["dog"] == (0.6, 0.0)
    assert found["old"] == (0.0, 0.0)


@pytest.mark.parametrize("last", ["weekend", "day", "thing", "times"])
def test_a_phrase_that_ends_with_a_general_word_names_nothing(last):
    assert last in GENERAL
    entries = [["the", "long", last], ["a", last]] * 8
    assert named(entries)[0] == ""
    assert named([["the", last, "trip"]] * 8)[0] == f"{last} trip"


def test_a_part_gives_way_to_the_longer_phrase():
    always = [["we", "ate", "the", "ice", "cream"], ["my", "ice", "cream"]] * 8
    assert named(always, {"cream": 0.99, "ice": 0.99, "ice cream": 0.7})[0] == "ice cream"
    often_alone = [*always, *[["the", "cream", "was"], ["a", "cream"]] * 8]
    assert named(often_alone, {"cream": 0.99, "ice": 0.3, "ice cream": 0.7})[0] == "cream"


def test_the_nearest_noun_is_taken_where_all_are_as_frequent():
    entries = [["the", "dog", "with", "a", "leash"]] * 8
    near = {"dog": 0.6, "leash": 0.8, "dog with a leash": 0.0}
    assert named(entries, near)[0] == "leash"


def test_phrases_far_off_name_nothing():
    assert named([["the", "dog"]] * 8, {"dog": 0.1})[0] == ""


def test_words_that_other_topics_hold_as_often_name_nothing():
    entries = [["the", "rain"]] * 8
    assert named(entries, other=[["the", "rain"]] * 30) == ["", ""]


def test_a_second_name_joins_where_the_first_stands_in_few_texts():
    entries = [["the", animal] for animal in ("dog", "cat", "horse", "goldfish") for _ in range(6)]
    near = {"dog": 0.9, "cat": 0.8, "horse": 0.7, "goldfish": 0.6}
    assert named(entries, near)[0] == "dog and cat"
    assert named(entries, {**near, "cat": 0.39})[0] == "dog and horse"  # too far to be sure
    assert named([*entries, *[["the", "dog"]] * 10], near)[0] == "dog"


def test_two_forms_of_a_word_are_not_joined():
    forms = ("garden", "gardening", "gardens")
    entries = [["the", word] for word in (*forms, "tulip") for _ in range(6)]
    near = {"garden": 0.9, "gardening": 0.85, "gardens": 0.8, "tulip": 0.5}
    assert named(entries, near)[0] == "garden and tulip"


def test_names_that_are_given_stay_and_no_other_topic_takes_them():
    dogs = [["the", "dog"]] * 8
    assert named(dogs, given_names=("pets", "")) == ["pets", ""]
    assert named(dogs, given_names=("", "dog"))[0] == ""
    assert named(dogs, given_names=("dog", "rain")) == ["dog", "rain"]


def test_nothing_has_no_names():
    assert name_topics([], [], lambda found: np.eye(2), STOP, ["", "x"]) == ["", "x"]


def test_phrases_hold_content_at_both_ends_and_their_texts():
    entries = [["the", "cup", "of", "tea"], ["my", "cup", "of", "tea"], ["tea"]] * 2
    found, other = phrases([*entries, *OTHER], [0] * 6 + [1] * 60, 2, STOP)
    assert {*found} == {"cup", "tea", "cup of tea"}
    assert found["cup of tea"] == {0, 1, 3, 4}
    assert found["tea"] == {*range(6)}
    assert other == {}  # nothing is twice as frequent in nearly all texts as in all


def test_phrases_of_too_few_authors_are_none_whatever_topic_they_stand_in():
    entries = [["the", "cup"]] * 4 + [["my", "tea"]] * 4 + OTHER
    entries[20] = ["the", "tea"]  # in another topic, by a fifth author
    labels, codes = [0] * 8 + [1] * 60, np.arange(68)
    found, _ = topic_names.phrases(entries, labels, 2, STOP, Authors(codes, least=5))
    assert {*found} == {"tea"}
    codes[20] = codes[4]
    found, _ = topic_names.phrases(entries, labels, 2, STOP, Authors(codes, least=5))
    assert found == {}


CORE = ["dog", "leash", "vet", "rain", "storm", "tea", "cup", "oven", "walk", "time", "dogs"]
LINKS = ["the", "a", "i", "we", "my", "of", "in", "don't", "with"]


def placed(found):
    """Give each phrase a direction of its own, the same each time."""
    rows = []
    for phrase in found:
        digest = hashlib.sha256(phrase.encode()).digest()
        rows.append(np.random.default_rng(list(digest)).normal(size=2))
    rows = np.array(rows).reshape(-1, 2)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(0, 10**6), st.integers(1, 6), st.sampled_from([1, 8]))
def test_names_are_unique_short_and_of_the_topics_own_texts(seed, n_topics, longer):
    draw = random.Random(seed)
    core = [word * longer for word in CORE]
    labels = [draw.randrange(n_topics) for _ in range(80)]
    entries = [
        draw.choices(LINKS + core[2 * label : 2 * label + 3], k=draw.randint(0, 9))
        for label in labels
    ]
    given_names = [draw.choice(["", "", "", f"given {i}"]) for i in range(n_topics)]
    centroids = placed([f"topic {i}" for i in range(n_topics)])

    def near(found):
        return placed(found) @ centroids.T

    names = name_topics(entries, labels, near, STOP, given_names)
    assert len(names) == n_topics
    known = [name for name in names if name]
    assert len({*known}) == len(known)
    for topic, (name, wanted) in enumerate(zip(names, given_names, strict=True)):
        assert len(name) <= 100
        assert not wanted or name == wanted
        if name and not wanted:
            own = {
                word
                for e, label in zip(entries, labels, strict=True)
                if label == topic
                for word in e
            }
            assert longer > 1 or {*name.split()} <= own | {"and"}  # a long one may be cut
            assert not {*name.split()[-1:]} & GENERAL
    assert names == name_topics(entries, labels, near, STOP, given_names)


def test_what_is_longer_than_a_name_names_nothing():
    first, second = "a" * 40, "b" * 40
    ends = [f"{'c' * 30}{letter}" for letter in "xy"]
    entries = [["the", first, second, end] for end in ends for _ in range(8)]
    near = {f"{first} {second} {end}": 0.9 for end in ends}

    def place(found):
        return np.array([[1.0, 0.0] if p in near else [0.0, 1.0] for p in found])

    labels = [0] * 8 + [1] * 8
    others = [["it", "was"]] * 40
    centroids = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    names = name_topics(
        *([*entries, *others], [*labels, *[2] * 40]),
        *(lambda some: place(some) @ centroids.T, STOP, ["", "", ""]),
    )
    assert names[:2] == ["", ""]  # too long for a name, and nothing else is near
