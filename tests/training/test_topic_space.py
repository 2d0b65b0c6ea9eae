"""Topics as directions: found where there are some, from where they started, as many as stand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from src.training.topic_space import (
    Space,
    best_pairs,
    choose_n_topics,
    cluster,
    drawn,
    grouped,
    halves,
    matched_sharpness,
    overlaps,
    stability,
    unit,
    with_new,
)

pytestmark = pytest.mark.unit
WIDE = 40


def around(n_topics, per_topic, noise=0.02, seed=0):
    """Vectors around as many directions at right angles, and which is around which."""
    truth = np.tile(np.arange(n_topics), per_topic)
    noises = np.random.default_rng(seed).normal(size=(len(truth), WIDE)) * noise
    return np.eye(WIDE)[truth] + noises, truth


def same_parts(one, other):
    """Whether two labellings part texts alike, whatever the labels."""
    pairs = {*zip(one.tolist(), other.tolist(), strict=True)}
    return len(pairs) == len({*one.tolist()}) == len({*other.tolist()})


def test_directions_far_apart_are_each_a_topic():
    vectors, truth = around(6, 20)
    found = cluster(vectors, 6, seed=7)
    assert same_parts(found.labels, truth)
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1)
    nearest = np.argmax(found.space.points(vectors) @ found.centroids.T, axis=1)
    assert (nearest == found.labels).all()


def test_the_length_of_a_vector_says_nothing():
    vectors, _ = around(5, 12, noise=0.05)
    lengths = np.random.default_rng(1).uniform(0.1, 9, (len(vectors), 1))
    one, other = cluster(vectors, 5, seed=7), cluster(vectors * lengths, 5, seed=7)
    assert (one.labels == other.labels).all()
    assert np.allclose(one.centroids, other.centroids)


def test_the_same_seed_gives_the_same_bytes():
    vectors, _ = around(5, 12, noise=0.3)
    one, other = cluster(vectors, 5, seed=7), cluster(vectors, 5, seed=7)
    assert one.centroids.tobytes() == other.centroids.tobytes()


def test_the_order_of_rows_changes_no_clear_topic():
    vectors, truth = around(6, 20)
    order = np.random.default_rng(3).permutation(len(vectors))
    assert same_parts(cluster(vectors[order], 6, seed=7).labels, truth[order])


def test_from_labels_the_order_of_rows_changes_nothing():
    vectors, truth = around(5, 16, noise=0.3)
    order = np.random.default_rng(3).permutation(len(vectors))
    one = cluster(vectors, 5, 7, labels=truth)
    other = cluster(vectors[order], 5, 7, labels=truth[order])
    assert (one.labels[order] == other.labels).all()


def test_topics_keep_the_numbers_of_the_labels_they_start_from():
    vectors, truth = around(5, 16, noise=0.05)
    named = np.array([3, 0, 4, 2, 1])[truth]
    partly = np.where(np.arange(len(named)) < 50, named, -1)  # the others are in none yet
    assert (cluster(vectors, 5, 7, labels=partly).labels == named).all()


def test_in_a_given_space_topics_stay_in_it():
    vectors, _ = around(5, 16, noise=0.05)
    before = cluster(vectors, 5, 7)
    more, _ = around(5, 10, noise=0.05, seed=9)
    labels = np.argmax(before.space.points(more) @ before.centroids.T, axis=1)
    found = cluster(more, 5, 7, labels=labels, space=before.space)
    assert found.space is before.space
    assert (found.labels == labels).all()
    assert (np.sum(found.centroids * before.centroids, axis=1) > 0.95).all()


@pytest.mark.parametrize(("wanted", "other"), [((0, 1), 2), ((0, 2), 1), ((1, 2), 0)])
def test_anchors_say_which_directions_are_one_topic(wanted, other):
    vectors, truth = around(3, 20, noise=0.05)
    anchors = np.eye(WIDE)[[*wanted, other]], np.array([0, 0, 1])
    found = cluster(vectors, 2, 7, anchors=anchors)
    assert len(found.labels) == len(vectors)  # without the anchors
    assert (found.labels == (truth == other)).all()


def test_anchors_come_before_topics_that_are_only_found():
    vectors, truth = around(6, 20, noise=0.05)
    anchors = np.eye(WIDE)[[4, 2]], np.array([0, 1])
    found = cluster(vectors, 6, 7, anchors=anchors)
    assert same_parts(found.labels, truth)
    assert {*found.labels[truth == 4].tolist()} == {0}
    assert {*found.labels[truth == 2].tolist()} == {1}


@pytest.mark.parametrize("vectors", [np.ones((25, 8)), np.eye(8)[[0, 1]], np.eye(3)[[0] * 9 + [1]]])
def test_texts_that_are_all_alike_are_clustered_without_harm(vectors):
    found = cluster(vectors, 4, 7)
    assert np.isfinite(found.centroids).all()
    assert found.centroids.shape[0] == 4
    assert len(found.labels) == len(vectors)


def test_a_row_without_length_stays_as_it_is():
    assert unit(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]


TEXTS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=60)


@given(TEXTS, st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_a_draw_is_so_many_places_in_order(texts, most, seed):
    found = drawn(texts, most, seed)
    assert len(found) == min(most, len(texts))
    assert found == sorted(set(found))
    assert found == drawn(texts, most, seed)


@given(TEXTS.filter(lambda texts: len(texts) > 3), st.randoms(use_true_random=False))
def test_a_draw_does_not_depend_on_the_order(texts, random):
    mixed = random.sample(texts, len(texts))
    one = sorted(texts[i] for i in drawn(texts, 3, 7))
    assert one == sorted(mixed[i] for i in drawn(mixed, 3, 7))


def test_more_texts_change_few_of_those_drawn():
    texts = [f"entry {i}" for i in range(2_000)]
    before = {texts[i] for i in drawn(texts, 500, 7)}
    more = [*texts, *(f"later {i}" for i in range(400))]
    after = {more[i] for i in drawn(more, 500, 7)}
    assert before - after == {*before} - {*after}
    assert len(before & after) > 0.75 * 500  # 5/6 are to be expected
    assert before != {texts[i] for i in drawn(texts, 500, 8)}


def test_a_fresh_topic_that_no_earlier_one_is_like_joins():
    """It shares 19 of 100 texts with the one there was: less than a fifth of either."""
    labels, fresh = np.zeros(100, int), np.repeat([0, 1], [81, 19])
    assert with_new(labels, fresh, most=5).tolist() == fresh.tolist()


@pytest.mark.parametrize("size", [14, 20])  # too few texts; too like what there is
def test_a_small_or_a_like_topic_does_not_join(size):
    fresh = np.repeat([0, 1], [100 - size, size])
    assert not with_new(np.zeros(100, int), fresh, most=5).any()


def test_earlier_topics_keep_their_order_and_new_ones_come_behind():
    labels = np.repeat([0, 1, 2], [40, 100, 60])
    fresh = np.repeat([3, 0, 2, 1], [40, 85, 15, 60])  # 15 of 100: a new one
    found = with_new(labels, fresh, most=9)
    assert found.tolist() == np.repeat([0, 1, 3, 2], [40, 85, 15, 60]).tolist()


def test_beyond_most_the_smallest_go():
    labels = np.repeat([0, 1, 2], [40, 100, 60])
    found = with_new(labels, labels, most=2)
    assert found.tolist() == np.repeat([-1, 0, 1], [40, 100, 60]).tolist()


def test_a_topic_with_hardly_a_text_is_gone_unless_it_is_to_stay():
    labels = np.repeat([0, 1, 2], [100, 3, 60])
    assert with_new(labels, labels, most=9).tolist() == np.repeat([0, -1, 1], [100, 3, 60]).tolist()
    assert with_new(labels, labels, most=9, n_kept=3).tolist() == labels.tolist()


def test_those_that_stay_have_their_places_without_any_text():
    labels = np.repeat([0, 2], [81, 40])
    fresh = np.repeat([0, 1, 2], [66, 15, 40])
    found = with_new(labels, fresh, most=9, n_kept=5)
    assert found.tolist() == np.repeat([0, 5, 2], [66, 15, 40]).tolist()


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(0, 4))
def test_there_are_no_gaps_and_no_more_than_there_may_be(seed, most, n_kept):
    random = np.random.default_rng(seed)
    labels, fresh = random.integers(0, 4, 90), random.integers(0, 6, 90) ** 2 // 5
    n_topics = max(most, n_kept)
    found = with_new(labels, fresh, n_topics, n_kept)
    there = {*found.tolist()} - {-1}
    assert there <= {*range(n_topics)}
    assert n_kept or there == {*range(len(there))}
    for topic in range(n_kept):  # with its own texts or none
        assert {*labels[found == topic].tolist()} <= {topic}


def test_the_number_of_clear_topics_is_found():
    vectors, _ = around(12, 50, noise=0.05)
    said = []
    assert choose_n_topics(vectors, 7, said.append) == 12
    assert [line.split(",")[0] for line in said] == [f"semantic: {k} topics" for k in (12, 16, 20)]


@pytest.mark.parametrize(("n", "expected"), [(2, 2), (59, 2), (90, 3), (350, 11)])
def test_few_texts_have_few_topics(n, expected):
    assert choose_n_topics(around(7, 50)[0][:n], 7, print) == expected


def test_clear_topics_are_stable_and_noise_is_not():
    assert stability(around(4, 40)[0], 4, 7) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=(160, WIDE))
    assert stability(noise, 4, 7) < 0.3


def test_confidence_is_as_sure_as_two_halves_agree():
    vectors, _ = around(4, 60, noise=0.35)
    found = cluster(vectors, 4, 7)
    cosines = found.space.points(vectors) @ found.centroids.T
    sharpness = matched_sharpness(cosines, vectors, 4, 7)
    met = overlaps(*halves(vectors, 4, 7), 4, 4)
    agreed = met[best_pairs(met)].sum() / len(vectors)
    assert 1 < sharpness < 100
    sure = softmax(cosines * sharpness, axis=1).max(axis=1).mean()
    assert sure == pytest.approx(agreed, abs=1e-4)


def test_sharpness_has_bounds():
    vectors, _ = around(4, 30)
    found = cluster(vectors, 4, 7)
    cosines = found.space.points(vectors) @ found.centroids.T
    assert matched_sharpness(cosines, vectors, 4, 7) == 100  # the halves agree in all
    assert matched_sharpness(np.ones((120, 1)), vectors, 1, 7) == 1


def test_pairs_are_those_with_the_greatest_sum():
    rows, columns = best_pairs(np.array([[9.0, 8.0, 0.0], [8.0, 1.0, 0.0]]))
    assert [*zip(rows.tolist(), columns.tolist(), strict=True)] == [(0, 1), (1, 0)]


def test_topics_in_bundles_are_grouped_by_them():
    truth = np.tile([0, 1, 2], 3)
    noise = np.random.default_rng(0).normal(size=(9, WIDE)) * 0.02
    assert grouped(np.eye(WIDE)[truth] + noise).tolist() == truth.tolist()


@given(st.integers(1, 30), st.integers(0, 10**6))
def test_groups_are_numbered_by_their_first_topic(n_topics, seed):
    found = grouped(np.random.default_rng(seed).normal(size=(n_topics, 5))).tolist()
    firsts = [found.index(group) for group in range(max(found) + 1)]
    assert firsts == sorted(firsts)
    assert len(found) == n_topics
    if n_topics > 3:
        assert max(found) + 1 <= round(n_topics**0.5)


def test_points_of_a_space_have_length_one():
    vectors, _ = around(3, 5)
    space = Space(np.zeros(WIDE), np.eye(WIDE)[:, :4])
    points = space.points(vectors * 3)
    assert points.shape == (15, 4)
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
