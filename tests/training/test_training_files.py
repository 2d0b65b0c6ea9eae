"""Plain files: the same content gives the same bytes, and nothing in them can run."""

import io
import json

import numpy as np
import pytest

from src.training.files import SCHEMA_VERSION, text_array, write_model

pytestmark = pytest.mark.unit
NAMES = ["manifest.json", "settings.json", "weights.npz"]


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name, keys in (("a", "xy"), ("b", "yx")):
        (tmp_path / name).mkdir()
        values = {"x": np.arange(6.0).reshape(2, 3), "y": text_array(["tea", "naïve"])}
        write_model(tmp_path / name, dict.fromkeys(keys, 1), {k: values[k] for k in keys})
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_clock_is_not_in_the_archive(tmp_path, monkeypatch):
    write_model(tmp_path, {}, {"x": np.zeros(3)})
    before = (tmp_path / "weights.npz").read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_model(tmp_path, {}, {"x": np.zeros(3)})
    assert (tmp_path / "weights.npz").read_bytes() == before


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        write_model(tmp_path, {}, {"x": np.array([{}], dtype=object)})


def test_both_shipped_files_read_the_schema_that_training_writes():
    from src.models import sentiment_analyzer, topic_extractor

    assert SCHEMA_VERSION == sentiment_analyzer.SCHEMA_VERSION == topic_extractor.SCHEMA_VERSION


def test_what_is_written_can_be_read_back(tmp_path):
    write_model(tmp_path, {"a": [1, "ä"]}, {"t": text_array(["tea", "naïve"])})
    assert json.loads((tmp_path / "settings.json").read_bytes()) == {"a": [1, "ä"]}
    arrays = np.load(io.BytesIO((tmp_path / "weights.npz").read_bytes()), allow_pickle=False)
    assert arrays["t"].tobytes().decode().split("\n") == ["tea", "naïve"]
