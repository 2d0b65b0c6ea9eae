"""MLflow warns about its own type hints when a fit first imports it."""

import warnings
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import mlflow.pyfunc  # noqa: F401


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of checkpoints, of this test alone."""
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "training"
