"""Coherence, diversity, coverage: by hand, on drawn resamples, on odd input."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.evaluation import bootstrap
from src.evaluation.bootstrap import bootstrap_weights
from src.evaluation.topics import (
    RANGES,
    diversity,
    frequent_word_topics,
    npmi,
    tokens,
    topic_metrics,
)

pytestmark = pytest.mark.unit

WORDS = ["tea", "cup", "rain", "walk", "sleep", "night"]


def once(n):
    return np.ones((1, n), np.uint8)


def point(topic_words, texts):
    return npmi(topic_words, texts, once(len(texts)))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't STOP", {"don't", "stop"}),
        ("rock ’n’ roll — it’s", {"rock", "roll", "it's"}),
        ("a b cd 12 3rd x2y no_score", {"cd", "rd", "no", "score"}),
        ("naïve nai\u0308ve", {"naïve", "nai\u0308ve"}),
        ("हिन्दी में", {"हिन्दी", "में"}),
        ("'quoted' dogs'", {"quoted", "dogs"}),
        ("", set()),
        ("🙂 … 42", set()),
    ],
)
def test_words_are_runs_of_letters_and_marks(text, words):
    assert tokens(text) == words


@given(st.text())
def test_words_are_lower_case_and_of_two_characters_or_more(text):
    for word in tokens(text):
        assert len(word) > 1
        assert tokens(word) == {word}


def test_npmi_by_hand():
    texts = ["tea cup", "tea cup", "tea rain", "rain", "walk", "walk", "walk", "walk"]
    # p(tea, cup) = 2/8, p(tea) = 3/8, p(cup) = 2/8
    expected = math.log((2 / 8) / (3 / 8 * 2 / 8)) / -math.log(2 / 8)
    assert point([["tea", "cup"]], texts) == pytest.approx(expected)
    assert point([["tea", "walk"]], texts) == -1.0, "they never meet"
    assert point([["tea", "moon"]], texts) == -1.0, "no text holds moon"
    assert point([["tea", "cup"], ["tea", "walk"]], texts) == pytest.approx((expected - 1) / 2)


def test_words_that_always_come_together_score_one_and_independent_ones_zero():
    assert point([["tea", "cup"]], ["tea cup", "rain"]) == pytest.approx(1.0)
    assert point([["tea", "cup"]], ["tea cup", "tea", "cup", "rain"]) == pytest.approx(0.0)
    assert point([["tea", "cup"]], ["tea cup"]) == 1.0


def test_only_the_first_ten_words_count_and_case_does_not():
    texts = ["tea cup", "rain"]
    padded = ["Tea", "CUP", *["tea"] * 8, "rain"]
    assert point([padded], texts) == pytest.approx(1.0)


def test_repeating_a_word_is_no_coherence():
    assert point([["tea", "tea"]], ["tea", "rain"]) == -1.0
    assert point([["tea"]], ["tea", "rain"]) == -1.0
    assert point([[]], ["tea"]) == point([], ["tea"]) == -1.0


texts_of_words = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join), min_size=1, max_size=15
)
some_topics = st.lists(
    st.lists(st.sampled_from([*WORDS, "absent"]), min_size=2, max_size=5), min_size=1, max_size=4
)


@given(texts_of_words, some_topics)
def test_npmi_of_each_row_is_that_of_the_texts_drawn(texts, topic_words):
    weights = bootstrap_weights(len(texts), 5, seed=1)
    found = npmi(topic_words, texts, weights)
    assert ((found >= -1) & (found <= 1 + 1e-12)).all()
    for row, drawn in enumerate(weights):
        resample = [text for text, times in zip(texts, drawn, strict=True) for _ in range(times)]
        assert found[row] == pytest.approx(point(topic_words, resample), abs=1e-12)


@given(texts_of_words, some_topics, st.randoms(use_true_random=False))
def test_npmi_is_blind_to_the_order_of_texts_topics_and_words(texts, topic_words, random):
    shuffled = [
        random.sample(own, len(own)) for own in random.sample(topic_words, len(topic_words))
    ]
    assert point(shuffled, random.sample(texts, len(texts))) == pytest.approx(
        point(topic_words, texts)
    )


def test_diversity():
    assert diversity([["tea", "cup"], ["rain", "walk"]]) == 1.0
    assert diversity([["tea", "cup"], ["TEA", "cup"]]) == 0.5
    assert diversity([[*list("abcdefghij"), "k"], list("abcdefghij")]) == 0.5
    assert diversity([]) == diversity([[]]) == 0.0


def test_shares_and_means_follow_the_entries_drawn():
    assigned = [[(0, 0.9), (1, 0.5)], [], [(1, 0.7)], [(0, 0.6), (1, 0.3), (2, 0.2)]]
    weights = bootstrap_weights(4, 20, seed=0)
    found = topic_metrics([["tea", "cup"]], ["tea"] * 4, assigned, None, weights)
    assert set(found) == {"npmi", "diversity", "coverage", "topics_per_entry"}
    np.testing.assert_allclose(found["coverage"], weights @ [1, 0, 1, 1] / 4)
    np.testing.assert_allclose(found["topics_per_entry"], weights @ [2, 0, 1, 3] / 4)
    assert (found["diversity"] == 1.0).all()
    assert all(values.shape == (21,) for values in found.values())


def test_gold_topics_bring_two_more_metrics_and_empty_ones_do_not():
    texts, assigned = ["tea"] * 10, [[(0, 1.0)]] * 5 + [[(1, 1.0)]] * 5
    gold = [["work"]] * 5 + [["sleep"]] * 5
    found = topic_metrics([["tea"]], texts, assigned, gold, once(10))
    assert (found["nmi"][0], found["map"][0]) == pytest.approx((1.0, 1.0))
    assert "nmi" not in topic_metrics([["tea"]], texts, assigned, [[]] * 10, once(10))
    assert set(RANGES) <= set(found)


def test_baseline_topics_are_frequent_words_without_stop_words():
    texts = ["the tea and the cup"] * 5 + ["the rain"] * 3 + ["the walk"] * 2 + ["the zebra"]
    (topic,) = frequent_word_topics(texts, n_topics=1, seed=0)
    assert set(topic) == {"tea", "cup", "rain", "walk", "zebra"}
    many = [f"{word}{suffix}" for word in WORDS for suffix in "abcdefghij"]
    topics = frequent_word_topics([" ".join(many), " ".join(many[:20])], n_topics=2, seed=0)
    assert sorted(word for topic in topics for word in topic) == sorted(many[:20])
    assert topics != frequent_word_topics([" ".join(many), " ".join(many[:20])], 2, seed=1)
    assert frequent_word_topics([], n_topics=3, seed=0) == [[], [], []]


def test_cutting_the_work_into_blocks_changes_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=3)) for _ in range(40)]
    assigned = [[(int(rng.integers(3)), float(rng.random()))] for _ in texts]
    gold = [[str(rng.choice(["work", "sleep"]))] for _ in texts]
    case = ([WORDS[:4], WORDS[2:]], texts, assigned, gold, bootstrap_weights(40, 30, seed=0))
    whole = topic_metrics(*case)
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 90)
    for name, values in topic_metrics(*case).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12, err_msg=name)
