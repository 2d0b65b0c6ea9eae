"""How topics of an earlier model move, grow, join and stay described, without an encoder."""

from types import SimpleNamespace

import numpy as np
import pytest

from src.errors import UserError
from src.models.topic_extractor import TopicExtractor
from src.training.files import text_array, write_model
from src.training.topic_identity import Start
from src.training.topic_later import (
    earlier_table,
    half_way,
    joined,
    moved,
    steadied,
    steadied_table,
    updated,
)
from src.training.topic_seeds import Seeds
from src.training.topic_space import Clustering, Space
from src.training.topic_student import Table
from src.training.train_topics_semantic import (
    SemanticTopicParams,
    Windows,
    by_size,
    check_enough,
    find_topics,
    read_windows,
    spread,
    windows_of,
)

pytestmark = pytest.mark.unit
WIDE = 6
SPACE = (np.zeros(WIDE), np.eye(WIDE))


def earlier(n_windows=100, shares=(0.5, 0.5), **more):
    """An earlier model of topics along the first axes."""
    topics = [
        {
            "topic_id": 10 + i,
            "topic_name": f"t{i}",
            "words": [f"w{i}"],
            "generic": False,
            "share": s,
        }
        for i, s in enumerate(shares)
    ]
    return SimpleNamespace(
        space=SPACE,
        centroids=np.eye(WIDE)[: len(shares)],
        topic_of=np.arange(len(shares)),
        n_topics=len(shares),
        every_topic=topics,
        topics=topics,
        n_windows=n_windows,
        **more,
    )


def fresh(vectors, labels):
    """What a clustering of new texts alone finds."""
    return Clustering(Space(*SPACE), np.eye(WIDE)[: max(labels) + 1], np.array(labels))


@pytest.mark.parametrize(("n_windows", "cosine"), [(0, 0.0), (80, 2**-0.5), (10**6, 1.0)])
def test_a_topic_moves_as_far_as_new_texts_outweigh_its_own(n_windows, cosine):
    """Its 40 old windows point one way, 40 new ones at a right angle to that."""
    vectors = np.eye(WIDE)[[5] * 40 + [1] * 40]
    before = np.array([0] * 40 + [1] * 40)
    found = moved(earlier(n_windows), vectors, before, fresh(vectors, before), most=2)
    assert found.centroids[0] @ np.eye(WIDE)[0] == pytest.approx(cosine, abs=1e-4)
    assert found.centroids[1] == pytest.approx(np.eye(WIDE)[1])
    assert len(found.centroids) == 2


def test_what_no_topic_was_like_becomes_one_and_nobody_leaves():
    """The second topic has no new text, and stays; 20 of 120 texts are about something new."""
    vectors = np.eye(WIDE)[[0] * 100 + [4] * 20]
    before = np.zeros(120, int)
    found = moved(earlier(), vectors, before, fresh(vectors, [0] * 100 + [1] * 20), most=7)
    assert found.centroids == pytest.approx(np.eye(WIDE)[[0, 1, 4]])
    assert found.labels.tolist() == [0] * 100 + [2] * 20


def test_where_there_may_be_no_more_topics_texts_about_something_new_move_those_there_are():
    vectors = np.eye(WIDE)[[0] * 100 + [4] * 20]
    before, found = np.zeros(120, int), fresh(vectors, [0] * 100 + [1] * 20)
    assert len(moved(earlier(), vectors, before, found, most=2).centroids) == 2


@pytest.mark.parametrize(("n_windows", "anew"), [(150, False), (199, False), (200, True)])
def test_a_space_is_outgrown_by_all_windows_not_by_those_that_were_read(n_windows, anew):
    """Of twice as many windows as before, 60 are read."""
    vectors = np.eye(WIDE)[[0] * 30 + [1] * 30] + np.random.default_rng(7).normal(0, 0.1, (60, 6))
    there = earlier(100, learned=True, nearness=lambda rows: rows[:, :2])
    windows = Windows([["tea"]] * 60, vectors)
    params = SemanticTopicParams(n_topics=2)
    found = find_topics(
        *(windows, n_windows, Seeds(), params, 7, lambda some: np.zeros((0, WIDE))),
        *(lambda line: None, Start(there)),
    )
    assert (found.space.projection.tolist() != np.eye(WIDE).tolist()) == anew


def test_topics_that_stay_are_described_as_before():
    """100 windows before and 300 now: a quarter of a share is from before."""
    new = [
        {"topic_id": i, "topic_name": f"n{i}", "words": ["x"], "generic": True, "share": share}
        for i, share in enumerate((0.4, 0.4, 0.2))
    ]
    found = updated(new, earlier(shares=(0.8, 0.2)), 300)
    assert [topic["topic_name"] for topic in found] == ["t0", "t1", "n2"]
    assert [topic["words"] for topic in found] == [["w0"], ["w1"], ["x"]]
    assert [topic["generic"] for topic in found] == [False, False, True]
    assert [topic["share"] for topic in found] == pytest.approx([0.5, 0.35, 0.15])


def test_a_written_table_is_read_back_with_room_for_new_topics(tmp_path):
    scale = 0.25
    table = Table(
        ["dog", "tea"],
        np.array([2.0, 3.0]),
        np.array([[1.0, -1.0], [0.5, 2.0]]),
        np.array([0.5, -0.5]),
    )
    topics = [{"topic_id": i, "topic_name": f"t{i}", "words": ["tea"]} for i in range(2)]
    arrays = {
        "terms": text_array(table.terms),
        "idf": table.idf.astype(np.float32),
        "weights": (table.weights / scale).astype(np.float32),
        "intercept": table.intercept / scale,
        "temperature": np.array(scale),
    }
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    found = earlier_table(TopicExtractor.from_folder(tmp_path), 3)
    assert found.terms == table.terms
    assert found.idf == pytest.approx(table.idf)
    assert found.weights == pytest.approx(np.array([[1.0, -1.0, 0], [0.5, 2.0, 0]]))
    assert found.intercept == pytest.approx(np.array([0.5, -0.5, -0.5]))
    texts = [["tea", "dog"], ["dog"]]
    assert found.logits(texts)[:, :2] == pytest.approx(table.logits(texts))


def test_a_written_model_sums_what_the_columns_of_a_merged_topic_say(tmp_path):
    """Three columns, of which the first two are one topic."""
    topics = [{"topic_id": i, "topic_name": f"t{i}", "words": ["tea"]} for i in range(2)]
    centroids = np.eye(WIDE)[:3]
    arrays = {
        "terms": text_array(["dog", "tea"]),
        "idf": np.array([1.0, 2.0]),
        "weights": np.log(np.array([[2.0, 3.0, 5.0], [1.0, 1.0, 2.0]])),
        "intercept": np.zeros(3),
        "teacher.mean": np.zeros(WIDE),
        "teacher.projection": np.eye(WIDE),
        "teacher.centroids": centroids,
        "teacher.sharpness": np.array(2.0),
        "teacher.topic_of": np.array([0, 0, 1]),
    }
    write_model(tmp_path, {"topics": topics, "topics_as": "names"}, arrays)
    model = TopicExtractor.from_folder(tmp_path)
    assert model.confidences(["dog"]) == pytest.approx(np.array([[0.5, 0.5]]))
    assert model.word_weights()["dog"] == pytest.approx([np.log(6) / 2, np.log(5)])
    assert model.word_weights()["tea"] == pytest.approx([0, 2 * np.log(2)])
    assert model.nearness(centroids) == pytest.approx(2 * np.eye(3))
    assert model.logits(centroids[:1]) == pytest.approx(np.array([[np.log(np.exp(2) + 1), 0]]))
    assert earlier_table(model, 4).weights.shape == (2, 4)


def test_the_topics_with_most_texts_come_first_behind_those_that_were_wanted():
    labels = np.array([0] * 3 + [1] * 9 + [2] * 5 + [3] * 7)
    found = Clustering(Space(*SPACE), np.eye(WIDE)[:4], labels)
    free = by_size(found, 0)
    assert free.centroids.argmax(axis=1).tolist() == [1, 3, 2, 0]
    assert free.labels.tolist() == [3] * 3 + [0] * 9 + [2] * 5 + [1] * 7
    wanted = by_size(found, 2)
    assert wanted.centroids.argmax(axis=1).tolist() == [0, 1, 3, 2]


def test_merged_topics_are_one_and_keep_their_directions():
    before = np.repeat([0, 1, 2], 4)
    found = Clustering(Space(*SPACE), np.eye(WIDE)[:3], np.repeat([2, 0, 1], 4))
    there = earlier(shares=(0.4, 0.3, 0.3))
    one = joined(found, before, Start(there, merged={12: 10}))
    assert one.topic_of.tolist() == [0, 1, 1]
    assert one.centroids is found.centroids
    assert joined(found, before, Start(there)).n_topics == 3
    chain = joined(found, before, Start(there, merged={12: 10, 11: 12}))
    assert chain.n_topics == 1
    with pytest.raises(UserError, match=r"there is no topic 3\.") as caught:
        joined(found, before, Start(there, merged={3: 10}))
    assert caught.value.hint == "There are: 10 t0, 11 t1, 12 t2."


def test_what_was_merged_once_stays_so():
    """Three centroids, of which the first two are one topic since an earlier version."""
    there = earlier(shares=(0.7, 0.3))
    there.centroids, there.topic_of = np.eye(WIDE)[[0, 2, 1]], np.array([0, 0, 1])
    found = Clustering(Space(*SPACE), np.eye(WIDE)[[1, 2, 0, 3]], np.repeat([2, 1, 0, 3], 4))
    before = np.array([0] * 4 + [1] * 4 + [2] * 8)
    assert joined(found, before, Start(there)).topic_of.tolist() == [0, 1, 1, 2]
    again = moved(there, np.eye(WIDE)[[0, 2, 1, 1]].repeat(4, axis=0), before, found, most=3)
    assert again.topic_of.tolist() == [0, 0, 1]


def test_the_shares_of_a_merged_topic_are_summed_and_the_nearest_direction_counts():
    found = Clustering(Space(*SPACE), np.eye(WIDE)[:3], np.arange(3), np.array([0, 0, 1]))
    assert found.summed(np.array([[0.3, 0.3, 0.4]])) == pytest.approx(np.array([[0.6, 0.4]]))
    assert found.nearness(np.eye(WIDE)[[1, 2]]) == pytest.approx(np.eye(2))
    first = by_size(
        Clustering(found.space, found.centroids, np.array([2, 2, 2, 0]), found.joined), 0
    )
    assert first.topic_of.tolist() == [0, 1, 1]
    assert first.centroids.argmax(axis=1)[first.labels].tolist() == [2, 2, 2, 0]


def test_a_topic_that_goes_on_moves_half_the_way():
    """The second one is new, and is where its texts are."""
    vectors = np.eye(WIDE)[[0] * 4 + [1] * 4 + [3] * 4]
    before = np.array([0] * 8 + [1] * 4)
    fresh = Clustering(Space(*SPACE), np.eye(WIDE)[[1, 4]], np.array([0] * 8 + [1] * 4))
    found = steadied(earlier(), vectors, np.array([0] * 8 + [0] * 4), fresh)
    assert found.centroids[0] == pytest.approx(np.eye(WIDE)[:2].sum(axis=0) / 2**0.5)
    assert (found.centroids[1] == fresh.centroids[1]).all()
    there = earlier()
    there.centroids = fresh.centroids
    assert (steadied(there, vectors, before, fresh).centroids == fresh.centroids).all()


def test_a_table_is_the_mean_of_two_where_a_topic_goes_on_and_both_know_a_word():
    """Columns: an earlier topic, now second, and a new one."""
    there = earlier(
        temperature=0.5,
        idf={"tea": 1.0, "old": 1.0},
        weights=np.array([[2.0, 0.0], [1.0, 1.0]]),
        intercept=np.array([4.0, 0.0]),
    )
    idf, weights = np.array([2.0, 3.0]), np.array([[5.0, 3.0], [7.0, 1.0]])
    table = Table(["tea", "new"], idf, weights, np.array([1.0, 0.0]))
    found = Clustering(Space(*SPACE), np.eye(WIDE)[:2], np.array([1, 1, 0]))
    mean = steadied_table(table, there, np.array([0, 0, 0]), found)
    assert mean.terms == ["tea", "new"]
    assert (mean.idf == idf).all()
    assert mean.weights.tolist() == [[5.0, 2.0], [7.0, 1.0]]
    assert mean.intercept.tolist() == [1.0, 1.0]
    assert (half_way(weights, weights.astype(np.float32)) == weights).all()


def test_long_entries_are_parted_and_empty_ones_left_out():
    long = " ".join(f"word{chr(97 + i % 26)}" for i in range(130))
    found = windows_of(["Tea and cake.", "", "12 3", long])
    assert found[0] == "Tea and cake."
    assert [len(window.split()) for window in found[1:]] == [43, 44, 43]


def test_of_many_windows_a_sample_is_read():
    every, asked = [f"Tea {chr(97 + i)}" for i in range(26)], []

    def encode(found):
        asked.extend(found)
        return np.ones((len(found), 2))

    windows = read_windows(every, 10, 7, encode)
    assert len(windows.words) == len(windows.vectors) == len(asked) == 10
    assert asked == sorted(asked)
    assert windows.words[0][0] == "tea"


def test_vectors_of_words_are_spread_around_their_mean():
    found = spread(np.array([[3.0, 1.0], [1.0, 3.0], [10.0, 10.0]], np.float32))
    assert np.linalg.norm(found[:2], axis=1) == pytest.approx(1)
    assert found[0] @ found[1] < 0


@pytest.mark.parametrize(
    ("n_windows", "n_topics", "needed", "hint"),
    [(30, 20, 40, "-P n_topics=15"), (19, 2, 20, "source=…"), (0, 2, 20, "source=…")],
)
def test_too_few_windows_for_topics(n_windows, n_topics, needed, hint):
    with pytest.raises(UserError, match=f"need {needed} training entries") as caught:
        check_enough(n_windows, n_topics)
    assert hint in caught.value.hint
    check_enough(needed, n_topics)
