"""What the service is promised of a topic model, for every family there is."""

import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from src.models.topic_extractor import TopicExtractor, words
from src.training.family import families
from src.training.files import text_array, write_model
from src.training.rows import texts as texts_by_id
from tests.models.corpus import ENTRIES, HELD_OUT, NOTHING_KNOWN, TEXTS, THEMES

pytestmark = pytest.mark.unit
FAMILIES = pytest.mark.parametrize("family", families("topics").values(), ids=lambda f: f.name)
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.lists(
    st.sampled_from(" ".join(THEMES.values()).split()), max_size=80
).map(" ".join)


@pytest.fixture(scope="module")
def nmf(model_of):
    return model_of(families("topics")["nmf"], n_topics=12)


def frame(texts):
    return pd.DataFrame({"text": pd.Series(texts, dtype=object)})


def assert_conforms(answer):
    assert list(answer) == ["topics", "topic_details"]
    details = answer["topic_details"]
    for topic in details:
        assert list(topic) == ["topic_id", "topic_name", "confidence"]
        assert type(topic["topic_id"]) is int
        assert type(topic["topic_name"]) is str
        assert 1 <= len(topic["topic_name"]) <= 100
        assert type(topic["confidence"]) is float
    confidences = [topic["confidence"] for topic in details]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 < confidence <= 1 for confidence in confidences)
    assert sum(confidences) <= 1 + 1e-12
    assert len({topic["topic_id"] for topic in details}) == len(details) <= 5
    assert json.loads(json.dumps(answer)) == answer


@FAMILIES
def test_one_conforming_answer_per_row_in_order(model_of, family):
    model = model_of(family)
    answers = model.predict(None, frame(TEXTS))
    assert type(answers) is list
    for answer in answers:
        assert_conforms(answer)
        assert answer["topics"] == [topic["topic_name"] for topic in answer["topic_details"]]
    assert answers == [model.predict(None, frame([text]))[0] for text in TEXTS]
    assert sum(map(bool, (answer["topics"] for answer in answers))) > 0.9 * len(answers)


@FAMILIES
def test_topics_have_unique_readable_names_and_ten_words(model_of, family):
    model = model_of(family)
    topics = model.topics
    assert [topic["topic_id"] for topic in model.every_topic] == list(range(model.n_topics))
    assert len({topic["topic_name"] for topic in topics}) == len(topics)
    for topic in topics:
        assert {"topic_id", "topic_name", "words"} <= topic.keys()
        assert 1 <= len(topic["words"]) <= 10
        assert all(word == word.lower() and len(word.split()) == 1 for word in topic["words"])
        assert "_" not in topic["topic_name"]


def test_it_finds_the_themes(nmf):
    themes = [theme for (theme,) in HELD_OUT["topics"].to_pylist()]
    said = [a["topic_details"][0]["topic_id"] for a in nmf.predict(None, frame(TEXTS))]
    theme_of = [
        max(THEMES, key=lambda theme, own=topic["words"]: len({*own} & {*THEMES[theme].split()}))
        for topic in nmf.topics
    ]
    assert len(set(theme_of)) == len(THEMES)
    assert np.mean([theme_of[i] == theme for i, theme in zip(said, themes, strict=True)]) > 0.95


@FAMILIES
@pytest.mark.parametrize("value", NOTHING_KNOWN.values(), ids=NOTHING_KNOWN.keys())
def test_what_says_nothing_has_no_topics(model_of, family, value):
    assert model_of(family).predict(None, frame([value])) == [{"topics": [], "topic_details": []}]


@given(st.lists(ANY_TEXT, max_size=4), st.integers())
@settings(max_examples=60)
def test_any_text_gets_an_answer_that_no_other_row_changes(nmf, texts, seed):
    texts = [*texts, *TEXTS[:3]]
    answers = nmf.predict(None, frame(texts))
    for answer in answers:
        assert_conforms(answer)
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    assert nmf.predict(None, frame([texts[i] for i in order])) == [answers[i] for i in order]


@given(st.lists(st.sampled_from(" ".join(THEMES.values()).split()), max_size=60))
def test_short_entries_get_fewer_topics(nmf, found):
    (answer,) = nmf.predict(None, frame([" ".join(found)]))
    assert len(answer["topics"]) <= min(5, 1 + len(found) // 10)


def test_long_entries_about_several_themes_get_several_topics(nmf):
    text = " ".join(THEMES[theme] for theme in ("sea", "music", "kitchen", "office"))
    (long,) = nmf.predict(None, frame([text]))
    (short,) = nmf.predict(None, frame(["harbour guitar oven"]))
    assert len(long["topics"]) >= 3
    assert len(short["topics"]) == 1


def test_no_topic_where_nothing_is_clear(tmp_path):
    """Of 12 topics one word speaks for all alike: each has confidence 1/12, below 0.1."""
    topics = [{"topic_id": i, "topic_name": f"t{i}", "words": ["day"]} for i in range(12)]
    arrays = {"terms": text_array(["day"]), "idf": np.ones(1), "weights": np.full((1, 12), 0.5)}
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    assert TopicExtractor.from_folder(tmp_path).predict(None, frame(["day"]))[0]["topics"] == []


def test_confidence_by_hand(tmp_path):
    """Strengths 3 : 4 give 9 and 16 of 25; "sea sea" counts 1 + ln 2 once scaled to length 1."""
    topics = [{"topic_id": i, "topic_name": f"t{i}", "words": ["sea"]} for i in range(2)]
    arrays = {
        "terms": text_array(["sea"]),
        "idf": np.array([2.0]),
        "weights": np.array([[3.0, 4.0]]),
    }
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    model = TopicExtractor.from_folder(tmp_path)
    (short,) = model.predict(None, frame(["Sea sea!"]))
    assert short["topics"] == ["t1"]
    assert short["topic_details"][0]["confidence"] == pytest.approx(0.64)
    (long,) = model.predict(None, frame(["sea " * 10]))
    assert [topic["confidence"] for topic in long["topic_details"]] == pytest.approx([0.64, 0.36])


def test_records_are_fresh_mutable_dicts(nmf):
    before = json.dumps(nmf.predict(None, frame(TEXTS[:5]), {"topics_as": "records"}))
    for answer in nmf.predict(None, frame(TEXTS[:5]), {"topics_as": "records"}):
        assert answer["topics"] == answer["topic_details"]
        for record, detail in zip(answer["topics"], answer["topic_details"], strict=True):
            assert type(record) is dict
            record["written"] = True
            assert "written" not in detail
            detail["topic_name"] = "changed"
            assert record["topic_name"] != "changed"
        answer["topics"].clear()
    assert json.dumps(nmf.predict(None, frame(TEXTS[:5]), {"topics_as": "records"})) == before


def test_training_sets_the_default_form_and_predict_may_choose(model_of):
    model = model_of(families("topics")["nmf"], topics_as="records")
    assert model.predict_params() == {"topics_as": "records"}
    (records,) = model.predict(None, frame(TEXTS[:1]))
    (names,) = model.predict(None, frame(TEXTS[:1]), {"topics_as": "names"})
    assert records["topics"] == records["topic_details"] == names["topic_details"]
    assert names["topics"] == [topic["topic_name"] for topic in records["topics"]]
    assert names["topics"]


def test_an_unknown_form_is_refused(nmf):
    with pytest.raises(ValueError, match="topics_as must be one of names, records"):
        nmf.predict(None, frame(["my secret"]), {"topics_as": "table"})


def test_input_without_a_text_column_is_refused_by_naming_columns(nmf):
    doubled = pd.DataFrame([["my secret", "my secret"]], columns=["text", "text"])
    for data in (pd.DataFrame({"body": ["my secret"]}), doubled, ["my secret"]):
        with pytest.raises(ValueError, match="column 'text'") as caught:
            nmf.predict(None, data)
        assert "secret" not in str(caught.value)
    assert nmf.predict(None, frame([])) == []


def test_the_list_of_topics_can_be_changed_without_harm(nmf):
    nmf.topics[0]["words"].clear()
    nmf.topics[0]["topic_name"] = "changed"
    assert nmf.topics[0]["words"]
    assert nmf.topics[0]["topic_name"] != "changed"


def test_projection_is_that_of_scikit_learn_tfidf(nmf, folder_of):
    folder = folder_of(families("topics")["nmf"], n_topics=12)
    arrays = np.load(folder / "weights.npz", allow_pickle=False)
    terms = arrays["terms"].tobytes().decode().split("\n")
    tfidf = TfidfVectorizer(analyzer=words, sublinear_tf=True, vocabulary=terms)
    tfidf.fit(texts_by_id(ENTRIES))
    squares = (tfidf.transform(TEXTS) @ arrays["weights"]) ** 2
    expected = squares / squares.sum(axis=1, keepdims=True)
    for row, answer in zip(expected, nmf.predict(None, frame(TEXTS)), strict=True):
        for topic in answer["topic_details"]:
            assert topic["confidence"] == pytest.approx(row[topic["topic_id"]], abs=1e-6)


@pytest.mark.parametrize("text", ["é" * 10**6, "\u0301\u0327" * 500_000, "ab " * 400_000])
def test_the_work_for_a_megabyte_is_bounded(text):
    assert sum(map(len, words(text))) <= 100_000
