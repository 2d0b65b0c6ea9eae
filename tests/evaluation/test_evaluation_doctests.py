"""The worked examples in the docstrings are true."""

import doctest
import importlib

import pytest

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        *("agreement", "behaviour", "bootstrap", "cards.calibration", "gates", "journal"),
        *("selective", "sentiment", "topics"),
    ],
)
def test_examples_in_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(f"src.evaluation.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
