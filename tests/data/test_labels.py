from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.labels import Labels
from src.data.sources import IngestParams
from src.errors import UserError

pytestmark = pytest.mark.unit


def read(
    *labels: str,
    mapping: dict[str, str | None] | None = None,
) -> list[str | None]:
    reader = Labels(mapping or {}, None)
    found = [reader.read(label, None, f"row {i}") for i, label in enumerate(labels, 1)]
    reader.finish()
    return found


def scored(*scores: float, cut_points: tuple[float, float] | None = None) -> list[str | None]:
    reader = Labels({}, cut_points)
    found = [reader.read(None, score, "row 1") for score in scores]
    reader.finish()
    return found


def problem(*labels: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read(*labels)
    return caught.value


def test_usual_spellings() -> None:
    assert read("Positive", " NEG ", "neu", "", "NaN", "null") == [
        "positive",
        "negative",
        "neutral",
        None,
        None,
        None,
    ]


def test_numbers_are_read_where_minus_one_says_what_they_mean() -> None:
    assert read("1", "0.0", "-1", "+1") == ["positive", "neutral", "negative", "positive"]
    assert read("1", "-1.0") == ["positive", "negative"]


@pytest.mark.parametrize("labels", [("0", "1"), ("1", "1"), ("0", "1", "2"), ("-1", "0", "2")])
def test_numbers_that_may_mean_anything_are_refused(labels: tuple[str, ...]) -> None:
    assert "-P labels=" in problem(*labels).hint


def test_a_mapping_comes_first() -> None:
    mapping: dict[str, str | None] = {"0": "negative", "1": "positive", "mixed": None}
    assert read("0", "1", "Mixed", "neutral", mapping=mapping) == [
        "negative",
        "positive",
        None,
        "neutral",
    ]


def test_unknown_labels_are_counted_placed_and_named() -> None:
    error = problem("positive", "happy", "sad", "happy")
    assert error.message == (
        "3 labels are not negative, neutral or positive (the first in row 2): happy, sad."
    )
    assert error.hint.endswith("-P labels=happy=neutral,sad=neutral")


def test_at_most_five_labels_are_named() -> None:
    message = problem(*"abcdefg").message
    assert "a, b, c, d, e and 2 more." in message


@pytest.mark.parametrize(
    "labels",
    [
        ("SECRET words",),
        ("happy", "SECRETSECRETSECRETSECRET"),
        ("happy", "I told nobody about SECRET"),
        tuple(f"SECRET{i}" for i in range(21)),
    ],
)
def test_what_may_be_a_text_is_not_named(labels: tuple[str, ...]) -> None:
    error = problem(*labels)
    assert "secret" not in (error.message + error.hint).casefold()
    assert "happy," not in error.message
    assert f"{len(labels)} labels" in error.message


def test_cut_points_belong_to_the_outer_classes() -> None:
    assert scored(-0.5, -0.49, 0.49, 0.5, cut_points=(-0.5, 0.5)) == [
        "negative",
        "neutral",
        "neutral",
        "positive",
    ]
    assert scored(1, 4, 5, 6.9, 7, 10) == [
        *["negative"] * 2,
        *["neutral"] * 2,
        *["positive"] * 2,
    ]


@pytest.mark.parametrize("scores", [(0, 8), (1, 11), (-1, 1), (0, 1), (1, 5), (20, 80)])
def test_scores_of_another_scale_are_refused(scores: tuple[float, float]) -> None:
    with pytest.raises(UserError, match=f"from {scores[0]} to {scores[1]}") as caught:
        scored(*scores)
    assert "-P cut_points=" in caught.value.hint
    assert len(scored(*scores, cut_points=(0.2, 0.8))) == 2


def test_a_label_wins_over_a_score() -> None:
    reader = Labels({"unsure": None}, None)
    assert reader.read("neutral", 9, "row 1") == "neutral"
    assert reader.read("unsure", 99, "row 2") is None
    assert reader.read("", 9, "row 3") == "positive"
    reader.finish()


@given(st.floats(-4, 4), st.floats(-4, 4))
def test_a_higher_score_is_never_a_worse_label(one: float, other: float) -> None:
    order = ["negative", "neutral", "positive"]
    low, high = scored(min(one, other), max(one, other), cut_points=(-0.5, 0.5))
    assert order.index(str(low)) <= order.index(str(high))


def test_parameters_say_how_labels_map() -> None:
    params = IngestParams(labels=" Happy = positive, a=b=negative,mixed=none,")
    assert params.label_map == {"happy": "positive", "a=b": "negative", "mixed": None}
    assert IngestParams().label_map == {}
    assert IngestParams(cut_points="-0.5, 2").cuts == (-0.5, 2.0)
    assert IngestParams().cuts is None


@pytest.mark.parametrize("labels", ["happy", "happy=good", "=positive", "happy:positive"])
def test_a_mapping_that_cannot_be_read_is_refused(labels: str) -> None:
    with pytest.raises(UserError, match="labels") as caught:
        _ = IngestParams(labels=labels).label_map
    assert "-P labels=" in caught.value.hint


@pytest.mark.parametrize("cut_points", ["4", "7,4", "4,4", "a,b", "1,2,3", "nan,1"])
def test_cut_points_that_cannot_be_read_are_refused(cut_points: str) -> None:
    with pytest.raises(UserError, match="two rising numbers"):
        _ = IngestParams(cut_points=cut_points).cuts
