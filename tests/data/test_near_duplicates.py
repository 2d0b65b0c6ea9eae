from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data import near_duplicates
from src.data.near_duplicates import THRESHOLD, jaccard, near_others, shingles

pytestmark = pytest.mark.unit


def near(text: str, *others: str) -> bool:
    return bool(near_others([text], others)[0])


def test_shingles_are_runs_of_three_words() -> None:
    assert shingles("One two, THREE four five.") == {
        "one two three",
        "two three four",
        "three four five",
    }
    assert shingles("Good, good day!") == {"good", "day"}
    assert shingles("😀 …") == frozenset()
    assert shingles("今日は雨") == set("今日は雨")


def test_jaccard_by_hand() -> None:
    assert jaccard(frozenset("ab"), frozenset("ab")) == 1
    assert jaccard(frozenset("abcd"), frozenset("abce")) == 3 / 5
    assert jaccard(frozenset(), frozenset()) == 0


WORDS = "we walked along the river until it was dark and then took the late train back home"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WORDS.upper() + "!!", True),
        (WORDS + " again", True),  # 15 of 16 shingles
        (WORDS.replace("river", "lake"), False),  # 12 of 18 shingles
        (" ".join(reversed(WORDS.split())), False),
        ("😀", False),
        ("", False),
    ],
)
def test_known_pairs(text: str, expected: bool) -> None:
    assert near(text, "something else was written here", WORDS) is expected


def test_short_texts_are_compared_by_words() -> None:
    assert near("Great product!", "great product")
    assert not near("Great product!", "great phone")
    assert not near("😀", "😀 😀")


def test_an_empty_index_has_no_near_texts() -> None:
    assert near_others(["some words", ""], []).tolist() == [False, False]
    assert near_others([], []).shape == (0,)


@pytest.fixture(params=[False, True], ids=["at once", "in small parts"], scope="module")
def in_parts(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param:
            sizes = {"CHUNK": 3, "BLOCK": 4, "PAIRS": 40, "CHARACTERS": 300}
            for name, size in sizes.items():
                patch.setattr(near_duplicates, name, size)
        yield


@pytest.mark.usefixtures("in_parts")
@settings(max_examples=30, deadline=None)
@given(draw=st.randoms(use_true_random=False), n=st.integers(2, 40))
def test_it_finds_what_comparing_all_pairs_finds(draw: random.Random, n: int) -> None:
    base = [f"w{draw.randrange(60)}" for _ in range(60)]

    def variant() -> str:
        words = list(base)
        for _ in range(draw.randrange(5)):
            words[draw.randrange(len(words))] = f"x{draw.randrange(9)}"
        return " ".join(words[: draw.randrange(4, 61)])

    held, asked = [variant() for _ in range(n)], [variant() for _ in range(n)]
    by_all_pairs = [
        any(jaccard(shingles(one), shingles(other)) >= THRESHOLD for other in held) for one in asked
    ]
    assert np.array_equal(near_others(asked, held), by_all_pairs)
