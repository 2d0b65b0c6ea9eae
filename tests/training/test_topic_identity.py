"""The same topic keeps its id and name in the next model; ids that left never come back."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.topic_extractor import TopicExtractor
from src.training.files import text_array, write_model
from src.training.topic_identity import (
    Change,
    Start,
    carry_over,
    counts,
    free_name,
    name_fits,
    similarities,
    story,
    table,
)

pytestmark = pytest.mark.unit
ABOUT = {
    "sea": "harbour sailing wave anchor",
    "tea": "cup kettle brew leaves",
    "dog": "leash puppy vet paw",
    "rain": "storm puddle umbrella thunder",
    "song": "guitar melody chorus piano",
}
WORDS = sorted(" ".join(ABOUT.values()).split())
TEXTS = [
    " ".join(np.random.default_rng(i).choice(words.split(), 3).tolist())
    for i, words in enumerate([*ABOUT.values()] * 12)
]


def topic(topic_id, about, **more):
    """Describe a topic as training does."""
    return {"topic_id": topic_id, "topic_name": about, "words": ABOUT[about].split(), **more}


def speaking(*abouts):
    """Give words weights for topics: 1 where a topic is about it, else 0."""
    own = [ABOUT[about].split() for about in abouts]
    return np.array([[1.0 if word in words else 0.0 for words in own] for word in WORDS])


def written(folder, topics, weights, **settings):
    """Write a model in the plain form; gives the folder."""
    folder.mkdir(parents=True)
    arrays = {"terms": text_array(WORDS), "idf": np.ones(len(WORDS)), "weights": weights}
    write_model(folder, {"topics": topics, "topics_as": "names", **settings}, arrays)
    return folder


def model(folder, *abouts, **settings):
    """Write a model of such topics, numbered as they come."""
    topics = [topic(i, about) for i, about in enumerate(abouts)]
    return written(folder, topics, speaking(*abouts), **settings)


def opened(folder):
    return TopicExtractor.from_folder(folder)


def ids(folder):
    return [topic["topic_id"] for topic in opened(folder).every_topic]


def names(folder):
    return [topic["topic_name"] for topic in opened(folder).every_topic]


@pytest.fixture
def first(tmp_path):
    return opened(model(tmp_path / "first", "sea", "tea", "dog"))


def test_the_same_topic_in_another_column_keeps_its_id_and_name(first, tmp_path):
    folder = model(tmp_path / "next", "dog", "sea", "tea")
    changes = carry_over(folder, Start(first), TEXTS)
    assert ids(folder) == [2, 0, 1]
    assert names(folder) == ["dog", "sea", "tea"]
    assert [(c.topic_id, c.change) for c in changes] == [(2, "kept"), (0, "kept"), (1, "kept")]
    for change in changes:
        assert change.similarity == pytest.approx(1)
        assert change.share_before == pytest.approx(change.share_after)
        assert change.previous_name == change.topic_name
        assert change.topic_id in change.from_ids
        assert change.topic_id in change.to_ids
    found = opened(folder)
    assert found.next_id == 3
    assert found.retired == {}
    (answer,) = found.predict(None, {"text": ["puppy paw"]})
    assert answer["topic_details"][0]["topic_id"] == 2


def test_a_new_topic_gets_an_id_never_used_and_one_that_left_is_retired(first, tmp_path):
    folder = model(tmp_path / "next", "rain", "tea", "sea")
    changes = carry_over(folder, Start(first), TEXTS)
    assert ids(folder) == [3, 1, 0]
    assert names(folder) == ["rain", "tea", "sea"]
    new, *_, left = changes
    assert (new.topic_id, new.topic_name, new.change, new.similarity) == (3, "rain", "new", 0)
    assert (left.topic_id, left.topic_name, left.change, left.share_after) == (2, "dog", "left", 0)
    assert left.share_before > 0.1
    assert opened(folder).retired == {"2": "dog"}
    assert opened(folder).next_id == 4
    assert counts(changes) == {
        "topics_kept": 2,
        "topics_renamed": 0,
        "topics_new": 1,
        "topics_left": 1,
    }


def test_an_id_that_left_never_comes_back(first, tmp_path):
    second = model(tmp_path / "second", "sea", "tea", "rain")
    carry_over(second, Start(first), TEXTS)
    third = model(tmp_path / "third", "dog", "rain", "song")
    carry_over(third, Start(opened(second)), TEXTS)
    assert ids(third) == [4, 3, 5]  # dog was 2 in the first
    assert opened(third).retired == {"0": "sea", "1": "tea", "2": "dog"}
    fourth = model(tmp_path / "fourth", "sea", "dog")
    carry_over(fourth, Start(opened(third)), TEXTS)
    assert ids(fourth) == [6, 4]
    assert opened(fourth).retired == {"0": "sea", "1": "tea", "2": "dog", "3": "rain", "5": "song"}
    assert opened(fourth).next_id == 7


def test_a_new_topic_beside_a_strong_one_does_not_take_the_place_of_one_that_left(tmp_path):
    """No text is about both; their weights are alike in that neither has those of the sea."""
    strong = np.array([3.0, 1.0])
    topics = [topic(0, "sea"), topic(1, "tea")]
    earlier = opened(written(tmp_path / "first", topics, speaking("sea", "tea") * strong))
    topics = [topic(0, "sea"), topic(1, "dog")]
    folder = written(tmp_path / "next", topics, speaking("sea", "dog") * strong)
    carry_over(folder, Start(earlier), TEXTS)
    assert ids(folder) == [0, 2]


def test_more_topics_than_before_and_fewer(first, tmp_path):
    more = model(tmp_path / "more", "song", "rain", "dog", "tea", "sea")
    carry_over(more, Start(first), TEXTS)
    assert ids(more) == [3, 4, 2, 1, 0]
    fewer = model(tmp_path / "fewer", "tea", "rain")
    carry_over(fewer, Start(opened(more)), TEXTS)
    assert ids(fewer) == [1, 4]
    assert {*opened(fewer).retired} == {"0", "2", "3"}


def test_a_name_stays_whatever_the_new_model_calls_the_topic(first, tmp_path):
    topics = [topic(0, "sea") | {"topic_name": "harbour"}, topic(1, "tea"), topic(2, "dog")]
    folder = written(tmp_path / "next", topics, speaking("sea", "tea", "dog"))
    carry_over(folder, Start(first), TEXTS)
    assert names(folder) == ["sea", "tea", "dog"]


def test_names_stay_unique(first, tmp_path):
    """What is new calls itself as a topic that stays: its words tell them apart."""
    topics = [topic(0, "rain") | {"topic_name": "sea"}, topic(1, "song"), topic(2, "sea")]
    topics[1]["topic_name"] = "sea"
    folder = written(tmp_path / "next", topics, speaking("rain", "song", "sea"))
    carry_over(folder, Start(first), TEXTS)
    assert ids(folder) == [3, 4, 0]
    assert names(folder) == ["sea: storm", "sea: guitar", "sea"]


def test_a_topic_that_gets_a_name_or_loses_it_is_renamed(tmp_path):
    generic = {"topic_name": "general: cup kettle brew 1", "generic": True}
    topics = [topic(0, "sea", generic=False), topic(1, "tea") | generic]
    earlier = opened(written(tmp_path / "first", topics, speaking("sea", "tea")))
    topics = [
        topic(0, "tea", generic=False),
        topic(1, "sea") | {"topic_name": "general: wave 1", "generic": True},
    ]
    folder = written(tmp_path / "next", topics, speaking("tea", "sea"))
    changes = carry_over(folder, Start(earlier), TEXTS)
    found = opened(folder).every_topic
    assert [(t["topic_id"], t["topic_name"], t["generic"]) for t in found] == [
        (1, "tea", False),
        (0, "general: wave 1", True),
    ]
    assert [(c.change, c.previous_name) for c in changes] == [
        ("renamed", "general: cup kettle brew 1"),
        ("renamed", "sea"),
    ]
    assert "tea (1) was called general: cup kettle brew 1." in story(changes)


def test_a_topic_that_is_generic_and_stays_so_keeps_its_name(tmp_path):
    generic = {"topic_name": "general: cup kettle brew 1", "generic": True}
    topics = [topic(0, "sea", generic=False), topic(1, "tea") | generic]
    earlier = opened(written(tmp_path / "first", topics, speaking("sea", "tea")))
    topics[1]["topic_name"] = "general: leaves 1"
    folder = written(tmp_path / "next", topics, speaking("sea", "tea"))
    carry_over(folder, Start(earlier), TEXTS)
    assert names(folder) == ["sea", "general: cup kettle brew 1"]


def test_merged_topics_are_not_carried_on(first, tmp_path):
    """The new model has one topic of the words of two: it stays that which it was to join."""
    both = {"topic_id": 0, "topic_name": "tea", "words": [*ABOUT["tea"].split(), "leash"]}
    weights = np.stack([speaking("tea", "dog").max(axis=1), speaking("sea")[:, 0]], axis=1)
    folder = written(tmp_path / "next", [both, topic(1, "sea")], weights)
    changes = carry_over(folder, Start(first, merged={1: 2}), TEXTS)
    assert ids(folder) == [2, 0]
    assert opened(folder).retired == {"1": "tea"}
    kept, _, left = changes
    assert kept.from_ids == [1, 2]
    assert (left.topic_id, left.change, left.to_ids) == (1, "left", [2])
    told = story(changes)
    assert told[0] == "2 stayed, 0 appeared, 1 left."
    assert any(line.startswith("tea (1) left; its entries went to") for line in told)


def test_a_merged_topic_is_gone_even_where_it_is_found_again(first, tmp_path):
    folder = model(tmp_path / "next", "sea", "tea", "dog")
    carry_over(folder, Start(first, merged={1: 2}), TEXTS)
    assert ids(folder) == [0, 3, 2]


def test_a_topic_that_was_parted_tells_of_both(tmp_path):
    two = {"topic_id": 0, "topic_name": "pets", "words": ["leash", "storm"]}
    weights = np.stack([speaking("dog", "rain").max(axis=1), speaking("sea")[:, 0]], axis=1)
    earlier = opened(written(tmp_path / "first", [two, topic(1, "sea")], weights))
    folder = model(tmp_path / "next", "dog", "sea", "rain")
    changes = carry_over(folder, Start(earlier), TEXTS)
    (new,) = [change for change in changes if change.change == "new"]
    assert (new.topic_id, new.from_ids) == (2, [0])
    told = " ".join(story(changes))
    assert f"{new.topic_name} (2) is new out of" in told
    assert f"(0) gave to {new.topic_name}." in told


def test_the_story_tells_what_grew():
    changes = [
        Change(4, "sea", "kept", "sea", 0.9, 0.1, 0.25, [4], [4]),
        Change(5, "tea", "kept", "tea", 0.9, 0.2, 0.205, [5], [5]),
        Change(6, "rain", "new", share_after=0.1, from_ids=[]),
    ]
    assert story(changes) == [
        "2 stayed, 1 appeared, 0 left.",
        "rain (6) is new.",
        "sea (4) went from 10.0% to 25.0% of the entries.",
    ]


def test_models_without_a_word_or_a_text_in_common_share_nothing(first, tmp_path):
    found, shared = similarities(first, first, [])
    assert found.shape == shared.shape == (3, 3)
    assert np.isfinite(found).all()
    arrays = {"terms": text_array(["oven"]), "idf": np.ones(1), "weights": np.ones((1, 1))}
    topics = [{"topic_id": 0, "topic_name": "oven", "words": ["oven"]}]
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    changes = carry_over(tmp_path, Start(first), TEXTS)
    assert [change.change for change in changes] == ["new", "left", "left", "left"]
    assert ids(tmp_path) == [3]


def test_the_table_has_a_row_for_each_change(first, tmp_path):
    folder = model(tmp_path / "next", "rain", "sea")
    changes = carry_over(folder, Start(first), TEXTS)
    found = table(changes)
    ids_of = pa.list_(pa.int64())
    assert dict(zip(found.schema.names, found.schema.types, strict=True)) == {
        "topic_id": pa.int64(),
        "topic_name": pa.string(),
        "change": pa.string(),
        "previous_name": pa.string(),
        "similarity": pa.float64(),
        "share_before": pa.float64(),
        "share_after": pa.float64(),
        "from_ids": ids_of,
        "to_ids": ids_of,
    }
    assert found["topic_id"].to_pylist() == [change.topic_id for change in changes]
    assert found["to_ids"].to_pylist() == [[*change.to_ids] for change in changes]
    assert table([]).schema == found.schema


@pytest.mark.parametrize(
    ("old", "new", "likeness", "fits"),
    [
        ("green tea", ["cup", "tea"], 0.3, True),
        ("green tea", ["cup", "oven"], 0.3, False),
        ("green tea", ["cup", "oven"], 0.4, True),
        ("salt and pepper", ["bread", "and"], 0.3, False),  # a link is no word of its own
    ],
)
def test_a_name_stays_while_the_topic_has_a_word_of_it_or_is_much_the_same(
    old, new, likeness, fits
):
    assert name_fits({"topic_name": old}, {"topic_name": "x", "words": new}, likeness) is fits


def test_a_taken_name_is_made_longer_by_the_next_word_that_is_free():
    tea = {"topic_id": 5, "topic_name": "tea", "words": ["cup", "kettle"]}
    assert free_name(tea, set()) == "tea"
    assert free_name(tea, {"tea"}) == "tea: cup"
    assert free_name(tea, {"tea", "tea: cup"}) == "tea: kettle"
    assert free_name(tea, {"tea", "tea: cup", "tea: kettle"}) == "topic 5"
    long = tea | {"topic_name": "t" * 98}
    assert free_name(long, {"t" * 98}) == "topic 5"


WEIGHTS = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([0.0, 0.1, 1.0, 3.0]), min_size=n, max_size=n),
        min_size=len(WORDS),
        max_size=len(WORDS),
    )
)


@given(
    st.lists(WEIGHTS, min_size=2, max_size=4),
    st.lists(st.sampled_from(["tea", "sea", "general: x"]), min_size=24, max_size=24),
    st.dictionaries(st.integers(0, 5), st.integers(0, 5), max_size=2),
)
def test_over_any_models_ids_and_names_stay_apart(tmp_path_factory, generations, called, merged):
    folder, earlier, ever = tmp_path_factory.mktemp("generations"), None, set()
    for number, weights in enumerate(generations):
        rows = np.array(weights)
        topics = [
            {
                "topic_id": i,
                "topic_name": called[6 * number + i] if number else f"topic of {i}",
                "words": WORDS[i : i + 3],
                "generic": called[6 * number + i].startswith("general"),
            }
            for i in range(rows.shape[1])
        ]
        own = written(folder / str(number), topics, rows)
        if earlier is not None:
            there = {topic["topic_id"] for topic in earlier.every_topic}
            gone = {i: into for i, into in merged.items() if i in there and into in there}
            changes = carry_over(own, Start(earlier, merged=gone), TEXTS)
            found = {change.topic_id for change in changes if change.change in ("kept", "renamed")}
            new = {change.topic_id for change in changes if change.change == "new"}
            left = {change.topic_id for change in changes if change.change == "left"}
            assert found <= there - {*gone}
            assert left == there - found
            assert all(topic_id >= earlier.next_id for topic_id in new)
            assert not new & ever
            assert [c.topic_id for c in changes[: rows.shape[1]]] == ids(own)
            now = opened(own)
            assert {*now.retired} == {str(i) for i in ever - {*ids(own)}}
            assert now.next_id > max(ever | {*ids(own)})
            assert len({*names(own)}) == len(names(own))
            assert all(isinstance(line, str) for line in story(changes))
            assert table(changes).num_rows == len(changes)
            before = json.loads((own / "settings.json").read_bytes())["topics"]
            assert [t["generic"] for t in before] == [t["generic"] for t in topics]
        assert len({*ids(own)}) == len(ids(own))
        ever |= {*ids(own)}
        earlier = opened(own)
