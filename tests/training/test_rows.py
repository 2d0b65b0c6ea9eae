"""What families read: draws keep every class and the project's own journal."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.training.rows import draw
from src.training.train_sentiment_analysis_roberta import chosen

pytestmark = pytest.mark.unit
LABEL_LISTS = st.lists(st.sampled_from(["negative", "neutral", "positive"]), max_size=300)


@given(LABEL_LISTS, st.integers(1, 100), st.integers(0, 9), st.integers(1, 20))
def test_a_draw_loses_no_class(labels, most, seed, least):
    places = draw(labels, most, seed, least)
    assert places == sorted(set(places))
    assert places == draw(labels, most, seed, least)
    there, drawn = Counter(labels), Counter(labels[place] for place in places)
    for label, count in there.items():
        wanted = count if len(labels) <= most else max(least, round(most * count / len(labels)))
        assert drawn[label] == min(count, wanted)


def test_one_entry_too_many_is_drawn_from_like_any_other_number():
    labels = ["negative", "neutral", "positive"] * 2_000 + ["neutral"]
    assert len(draw(labels, 6_000, 7)) == pytest.approx(6_000, abs=3)


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 50))
def test_the_projects_own_journal_is_always_trained_on(own, most):
    labels = ["neutral" if place % 3 else "positive" for place in range(len(own))]
    places = chosen(labels, own, most, 7)
    assert {place for place, journal in enumerate(own) if journal} <= set(places)
    if not most:
        assert places == list(range(len(own)))
