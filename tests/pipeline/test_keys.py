"""Keys: equal exactly when nothing that matters differs, and able to say what does."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.pipeline.keys import Key, nearest_key, sentence, versions

pytestmark = pytest.mark.unit

words = st.text("abc/._", min_size=1, max_size=6)
parts = st.dictionaries(words, words, max_size=4)
values = st.one_of(words, st.integers(-9, 9), st.floats(0, 1), st.booleans())
keys = st.builds(Key, words, parts, st.dictionaries(words, values, max_size=4), parts, parts)

BASE = Key(
    "train",
    {"src/training/train_topics.py": "aa", "steps/train.py": "bb"},
    {"seed": 7, "family": ""},
    {"splits": "cc"},
    {"python": "3.13", "numpy": "2.5.5"},
)


@given(keys, keys)
def test_equal_digests_and_no_reasons_go_together(one: Key, other: Key) -> None:
    if one.step == other.step:
        assert (one.digest == other.digest) == (one.why(other) == [])


@given(keys)
def test_order_does_not_count(key: Key) -> None:
    turned = {
        name: dict(reversed(getattr(key, name).items()))
        for name in ("code", "params", "inputs", "environment")
    }
    assert replace(key, **turned).digest == key.digest


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"params": {"seed": 8, "family": ""}}, "param seed: 7 → 8"),
        ({"params": {"seed": 7, "family": "nmf"}}, "param family: '' → nmf"),
        ({"params": {"family": ""}}, "param seed: 7 → none"),
        (
            {"code": {**BASE.code, "src/training/train_topics.py": "ab"}},
            "code src/training/train_topics.py",
        ),
        ({"inputs": {"splits": "cd"}}, "input splits"),
        ({"environment": {"python": "3.13", "numpy": "2.6.0"}}, "numpy 2.5.5 → 2.6.0"),
    ],
)
def test_names_what_differs(change: dict, reason: str) -> None:
    now = replace(BASE, **change)
    assert now.why(BASE) == [reason]
    assert now.digest != BASE.digest


def test_nearest_has_the_fewest_differences_and_is_the_newest() -> None:
    far = replace(BASE, params={"seed": 1, "family": "x"})
    near, older = replace(BASE, inputs={"splits": "1"}), replace(BASE, inputs={"splits": "2"})
    assert nearest_key(BASE, [far, near, older]) is near
    assert nearest_key(BASE, []) is None


def test_a_long_list_is_cut() -> None:
    assert sentence(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_versions_are_those_installed() -> None:
    import numpy
    import sklearn

    found = versions({"numpy", "sklearn", "no_such_module"})
    assert found == {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
        "no_such_module": "absent",
    }
