"""What the service is promised of a sentiment model, for every family there is."""

import json
import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline

from src.models.sentiment_analyzer import ANALYZERS, SentimentAnalyzer, characters, normalise, words
from src.training.family import families
from src.training.files import text_array, write_model
from src.training.rows import labelled_for_training
from tests.models.corpus import ENTRIES, HELD_OUT, NOTHING_KNOWN, TEXTS

pytestmark = pytest.mark.unit
FAMILIES = pytest.mark.parametrize("family", families("sentiment").values(), ids=lambda f: f.name)
CLASSES = {"positive", "negative", "neutral"}
LABELLED = [
    (text, label)
    for text, label in zip(TEXTS, HELD_OUT["label"].to_pylist(), strict=True)
    if label and text.strip()
]
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text("wonderful terrible!' ’🦕\ud83d")


@pytest.fixture(scope="module")
def linear(model_of):
    return model_of(families("sentiment")["linear"])


def frame(texts, **more):
    return pd.DataFrame({"text": pd.Series(texts, dtype=object), **more})


def assert_conforms(answer):
    assert list(answer) == ["sentiment", "confidence", "confidence_level", "all_scores", "mixed"]
    assert type(answer["mixed"]) is float
    assert 0 <= answer["mixed"] <= 1
    scores, confidence = answer["all_scores"], answer["confidence"]
    assert set(scores) == CLASSES
    assert all(type(score) is float and 0 <= score <= 1 for score in scores.values())
    assert math.isclose(sum(scores.values()), 1, abs_tol=1e-12)
    assert type(confidence) is float
    assert confidence == scores[answer["sentiment"]] == max(scores.values())
    level = "high" if confidence >= 0.7 else "medium" if confidence >= 0.5 else "low"
    assert answer["confidence_level"] == level
    assert json.loads(json.dumps(answer)) == answer


@FAMILIES
def test_one_conforming_answer_per_row_in_order(model_of, family):
    model = model_of(family)
    answers = model.predict(None, frame(TEXTS))
    assert type(answers) is list
    for answer in answers:
        assert_conforms(answer)
    assert answers == [model.predict(None, frame([text]))[0] for text in TEXTS]


@FAMILIES
def test_it_learned_the_classes(model_of, family):
    answers = model_of(family).predict(None, frame(TEXTS))
    pairs = [
        (answer["sentiment"], label)
        for answer, label in zip(answers, HELD_OUT["label"].to_pylist(), strict=True)
        if label
    ]
    assert np.mean([said == label for said, label in pairs]) > 0.8


@FAMILIES
@pytest.mark.parametrize("value", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN.keys())
def test_what_says_nothing_is_neutral_and_unreliable(model_of, family, value):
    (answer,) = model_of(family).predict(None, frame([value]))
    assert_conforms(answer)
    assert answer["sentiment"] == "neutral"
    assert answer["confidence_level"] == "low"
    assert answer["confidence"] < 0.4


@given(st.lists(ANY_TEXT, max_size=4), st.integers())
@settings(max_examples=60)
def test_any_text_gets_an_answer_that_no_other_row_changes(linear, texts, seed):
    texts = [*texts, *TEXTS[:3]]
    answers = linear.predict(None, frame(texts))
    for answer in answers:
        assert_conforms(answer)
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    assert linear.predict(None, frame([texts[i] for i in order])) == [answers[i] for i in order]


def test_index_and_other_columns_do_not_matter(linear):
    plain = linear.predict(None, frame(TEXTS[:3]))
    odd = frame(TEXTS[:3], id=["a", "b", "c"], Text=["x"] * 3)
    odd.index = pd.Index([7, 7, -1])
    assert linear.predict(None, odd) == plain
    assert linear.predict(None, {"text": TEXTS[:3]}) == plain
    assert linear.predict(None, frame(TEXTS[:3]).astype("string"), {}) == plain
    assert linear.predict(None, frame(TEXTS[:3]).astype("category"), None) == plain


def test_no_rows_no_answers(linear):
    assert linear.predict(None, frame([])) == []


def test_a_change_in_one_answer_never_shows_in_another(linear):
    texts = ["", TEXTS[0], ""]
    first = linear.predict(None, frame(texts))
    expected = json.dumps(first)
    for answer in first:
        answer["all_scores"]["positive"] = 9.0
        answer["sentiment"] = "changed"
    assert json.dumps(linear.predict(None, frame(texts))) == expected


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (pd.DataFrame({"body": ["my secret"], "Text": ["my secret"]}), ["are: body, Text."]),
        (
            pd.DataFrame([["my secret", "my secret"]], columns=["text", "text"]),
            ["are: text, text."],
        ),
        (pd.DataFrame({"text": ["my secret"]}).T, ["are: 0."]),
        (pd.DataFrame(columns=["my secret", "id"]), ["are: id, 1 more."]),
        (pd.DataFrame({pd.NA: ["my secret"]}), ["are: 1 more."]),
        (
            pd.DataFrame([["my secret"]], columns=pd.MultiIndex.from_tuples([("text", "a")])),
            ["are: 1 more."],
        ),
        (pd.DataFrame(), ["are: none."]),
        ({"body": ["my secret"]}, ["are: body."]),
        (pd.Series(["my secret"], name="text"), ["Series"]),
        (["my secret"], ["list"]),
        ("my secret", ["str"]),
        (None, ["NoneType"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else type(value).__name__,
)
def test_input_without_a_text_column_is_refused_by_naming_columns(linear, data, named):
    with pytest.raises(ValueError, match="column 'text'") as caught:
        linear.predict(None, data)
    assert all(name in str(caught.value) for name in named)
    assert "secret" not in str(caught.value)


def test_linear_answers_as_its_scikit_learn_pipeline(model_of):
    linear = model_of(families("sentiment")["linear"], min_authors=1)
    texts, labels = labelled_for_training(ENTRIES)
    terms = FeatureUnion(
        [
            (name, TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, min_df=2))
            for name, analyzer in ANALYZERS.items()
        ]
    )
    share = {label: labels.count(label) for label in CLASSES}
    weight = {label: (len(labels) / 3 / count) ** 0.5 for label, count in share.items()}
    model = LogisticRegression(C=0.5, class_weight=weight, max_iter=500)
    pipeline = make_pipeline(terms, model).fit(texts, labels)
    unknown = [row for row in NOTHING_KNOWN.values() if isinstance(row, str)]
    probes = [text for text in TEXTS + [t.upper() + "?? don’t" for t in TEXTS] if text]
    logits = pipeline.decision_function(probes)
    # One temperature, whatever it is, leads from the pipeline's logits to the calibrated scores.
    answers = linear.predict(None, frame(probes))
    scores = np.array([[a["all_scores"][c] for c in model.classes_] for a in answers])
    logs = np.log(scores)
    scale = (logits[0, 0] - logits[0, 1]) / (logs[0, 0] - logs[0, 1])
    powers = np.exp(logits / scale - (logits / scale).max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores, powers / powers.sum(axis=1, keepdims=True), atol=1e-6)
    assert not pipeline[0].transform(unknown).nnz


def test_scores_by_hand(tmp_path):
    """Two words, equal idf: "good bad" weighs each 1/√2; "good" alone weighs 1."""
    arrays = {
        "intercept": np.array([0.0, 0.5, 0.0]),
        "words.terms": text_array(["bad", "good"]),
        "words.idf": np.array([1.0, 1.0]),
        "words.weights": np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]),
    }
    classes = ["negative", "neutral", "positive"]
    write_model(tmp_path, {"blocks": ["words"], "classes": classes}, arrays)
    model = SentimentAnalyzer.from_folder(tmp_path)
    good, both = model.predict(None, frame(["Good", "good bad good2"]))
    e = math.exp
    assert good["sentiment"] == "positive"
    assert good["confidence"] == pytest.approx(e(2) / (1 + e(0.5) + e(2)))
    assert both["confidence"] == pytest.approx(e(2**0.5) / (2 * e(2**0.5) + e(0.5)))


@given(ANY_TEXT)
def test_analyzers_give_terms_that_a_line_can_hold(text):
    for term in words(text) + characters(text):
        assert term
        assert not set(term) & set("\n\r\t\x0b\x0c\x1c\x85\u2028")


def test_apostrophes_width_and_case_do_not_matter():
    assert words("I DON’T  ｃａｒｅ") == words("i don't care")


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "!?" * 500_000, "\u0301\u0327" * 500_000, "\ufdfa" * 10**6, " 🦕" * 500_000],
    ids=["letters", "signs", "combining marks", "long compatibility forms", "many words"],
)
def test_the_work_for_a_megabyte_is_bounded(text):
    assert len(normalise(text)) <= 100_000
    assert max(map(len, normalise(text).split())) <= 40 * 18
    assert len(characters(text)) <= 4 * 100_000


def test_sentences_are_listed_on_request_and_say_what_is_mixed(linear):
    assert linear.predict_params() == {"sentences": False}
    good, bad = (
        next(text for text, label in LABELLED if label == name) for name in ("positive", "negative")
    )
    text = f"{good} 🦕 \n{bad}"
    plain, listed = (
        linear.predict(None, frame([text]), {"sentences": wanted})[0] for wanted in (False, True)
    )
    found = listed.pop("sentences")
    assert listed == plain
    assert " ".join(text[one["start"] : one["end"]] for one in found).split() == text.split()
    alone = linear.predict(None, frame([text[one["start"] : one["end"]] for one in found]))
    assert [one["all_scores"] for one in found] == [one["all_scores"] for one in alone]
    assert [one["sentiment"] for one in found] == [one["sentiment"] for one in alone]
    both, only = (linear.predict(None, frame([t]))[0]["mixed"] for t in (text, good))
    assert both > only


def test_what_says_little_has_its_sentences_too(linear):
    (answer,) = linear.predict(None, frame([""]), {"sentences": True})
    assert answer["sentences"] == []
    assert answer["mixed"] == 0.0
