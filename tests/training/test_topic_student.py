"""The table of words that learns what a teacher of topics says."""

import math

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.feature_extraction.text import TfidfVectorizer

from src.models.topic_extractor import TopicExtractor, words
from src.training.files import text_array, write_model
from src.training.topic_student import Table, fit_table, tfidf
from tests.models.corpus import ENTRIES, THEMES

pytestmark = pytest.mark.unit
TERMS = ["cup", "dog", "leash", "tea"]
TEXTS = [["tea", "cup"], ["tea"], ["cup", "tea", "tea"], ["dog"], ["dog", "leash"], ["leash"]]
TARGETS = np.array([[0.9, 0.1]] * 3 + [[0.2, 0.8]] * 3)
NOTHING = np.zeros((4, 1))  # vectors that tell nothing of a word


def test_a_row_by_hand():
    """Tea twice counts (1 + ln 2) · 2, cup 3; scaled to length 1."""
    (row,) = tfidf([["tea", "cup", "tea", "oven"]], ["cup", "tea"], np.array([3.0, 2.0])).toarray()
    tea = (1 + math.log(2)) * 2
    assert row == pytest.approx(np.array([3, tea]) / math.hypot(3, tea))


def test_rows_are_those_of_scikit_learn():
    texts = [words(text) for text in ENTRIES["text"].to_pylist()[:100]]
    terms = sorted({word for text in texts[:50] for word in text})
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True, vocabulary=terms)
    expected = vectorizer.fit_transform(texts).toarray()
    assert np.allclose(tfidf(texts, terms, vectorizer.idf_).toarray(), expected)


def test_a_text_without_a_known_word_has_an_empty_row():
    found = tfidf([["oven"], [], ["tea"]], TERMS, np.ones(4)).toarray()
    assert found.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


def test_idf_by_hand():
    """Tea stands in 3 of 6 texts; a word that stands in none of many counts no more than 6."""
    table = fit_table(TEXTS, TARGETS, [*TERMS, "never"], np.zeros((5, 1)), 1e-3)
    assert table.idf[3] == pytest.approx(1 - math.log(3.5 / 7))
    assert table.idf[4] == pytest.approx(1 - math.log(0.5 / 7))
    many = fit_table(TEXTS * 200, np.tile(TARGETS, (200, 1)), ["never"], np.zeros((1, 1)), 1e-3)
    assert many.idf.tolist() == [6]


def test_it_learns_how_sure_its_teacher_is():
    table = fit_table(TEXTS, TARGETS, TERMS, NOTHING, 1e-7)
    assert softmax(table.logits(TEXTS), axis=1) == pytest.approx(TARGETS, abs=0.03)


def test_a_greater_penalty_gives_smaller_weights():
    weak, strong = (fit_table(TEXTS, TARGETS, TERMS, NOTHING, p).weights for p in (1e-4, 1e-1))
    assert np.abs(strong).max() < np.abs(weak).max() / 2


def test_no_table_near_by_is_better():
    rng, penalty = np.random.default_rng(0), 1e-2
    table = fit_table(TEXTS, TARGETS, TERMS, NOTHING, penalty)

    def loss(weights, intercept):
        moved = Table(TERMS, table.idf, weights, intercept)
        missed = -(TARGETS * log_softmax(moved.logits(TEXTS), axis=1)).sum() / len(TEXTS)
        return missed + penalty * (weights**2).sum() / 2

    best = loss(table.weights, table.intercept)
    for _ in range(50):
        other = loss(
            table.weights + rng.normal(size=table.weights.shape) * 0.05,
            table.intercept + rng.normal(size=2) * 0.05,
        )
        assert best <= other + 1e-9


def test_a_word_never_seen_speaks_as_one_with_its_vector():
    vectors = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [1, 0], [0, 1], [1, 1]], float)
    terms = [*TERMS, "mug", "puppy", "both"]
    table = fit_table(TEXTS, TARGETS, terms, vectors, 1e-4)
    tea, dog, mug, puppy, both = (
        table.weights[terms.index(word)] for word in ("tea", "dog", "mug", "puppy", "both")
    )
    assert mug[0] > mug[1]
    assert puppy[1] > puppy[0]
    assert mug @ tea > 0 > mug @ dog
    assert both == pytest.approx(mug + puppy)


def test_a_word_of_one_text_has_no_weights_of_its_own():
    terms, vectors = ["cup", "dog", "tea"], np.array([[1.0], [-1.0], [1.0]])
    table = fit_table([["cup"], ["dog"], ["dog"]], TARGETS[[0, 3, 3]], terms, vectors, 1e-3)
    assert table.weights[0].tolist() == table.weights[2].tolist()
    assert np.abs(table.weights[1]).max() > np.abs(table.weights[0]).max()


@pytest.fixture
def before():
    weights = np.array([[2.0, -2.0], [-1.0, 1.0], [-2.0, 2.0], [3.0, -3.0], [0.5, -0.5]])
    return Table([*TERMS, "mug"], np.array([2.0, 3, 4, 2, 5]), weights, np.array([0.3, -0.3]))


def test_where_an_earlier_table_says_what_the_teacher_says_it_stays(before):
    targets = softmax(before.logits(TEXTS), axis=1)
    terms = ["brew", *before.terms]
    table = fit_table(TEXTS, targets, terms, np.zeros((6, 1)), 1e-3, before)
    assert table.terms == terms
    assert table.idf.tolist() == [6, *before.idf]
    assert table.weights[0].tolist() == [0, 0]
    assert table.weights[1:] == pytest.approx(before.weights, abs=1e-4)
    assert table.intercept == pytest.approx(before.intercept, abs=1e-4)


def test_the_fit_is_drawn_to_an_earlier_table(before):
    targets, vectors = TARGETS[:, ::-1], np.zeros((5, 1))
    near, far = (
        fit_table(TEXTS, targets, before.terms, vectors, penalty, before).weights
        for penalty in (10.0, 1e-4)
    )
    assert np.abs(near - before.weights).max() < 0.1
    assert np.abs(far - before.weights).max() > 1
    # Drawn to it, not to zero: what no new text holds stays as it was.
    assert far[4].tolist() == before.weights[4].tolist()


def test_the_shipped_model_answers_as_the_table(tmp_path):
    texts = [words(text) for text in ENTRIES["text"].to_pylist()[:120]]
    terms = sorted(" ".join(THEMES.values()).split())
    rng = np.random.default_rng(0)
    targets = softmax(rng.normal(size=(120, 5)), axis=1)
    table = fit_table(texts, targets, terms, rng.normal(size=(len(terms), 6)), 1e-3)
    topics = [{"topic_id": i, "topic_name": f"t{i}", "words": ["tea"]} for i in range(5)]
    arrays = {
        "terms": text_array(table.terms),
        "idf": table.idf,
        "weights": table.weights,
        "intercept": table.intercept,
    }
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    model = TopicExtractor.from_folder(tmp_path)
    asked = ["Puppy, puppy and kitten!", *ENTRIES["text"].to_pylist()[:60], "nothing of it"]
    expected = softmax(table.logits([words(text) for text in asked]), axis=1)
    found = model.confidences(asked)
    assert np.allclose(found[:-1], expected[:-1], rtol=0, atol=1e-12)
    assert not found[-1].any()
