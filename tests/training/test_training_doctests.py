"""The worked examples in the docstrings of models and training are true."""

import doctest
import importlib

import pytest

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        "models.sentiment_analyzer",
        "models.topic_extractor",
        "training.calibration",
        "training.label_noise",
        "training.naming",
        "training.pace",
        "training.rows",
    ],
)
def test_examples_in_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(f"src.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
