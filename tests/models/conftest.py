"""Each family is fitted once for all tests of what ships."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about MLflow's own type hints, whenever it is imported
    import mlflow.pyfunc  # noqa: F401

from src.training.family import Family
from tests.models.corpus import ENTRIES, HELD_OUT
from tests.tiny import usual


def model_class(family: Family) -> Any:
    """Find the class that ships for a family's task."""
    name = family.task.model_file.removesuffix(".py").replace("/", ".")
    return importlib.import_module(name).MODEL


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Fit a family with its defaults, or the parameters given, and give the model folder."""
    folders: dict[str, Path] = {}

    def fitted(family: Family, **params: Any) -> Path:
        params = {**usual(family), **params}
        key = f"{family.task.name}-{family.name}-{sorted(params.items())}"
        if key not in folders:
            folder = tmp_path_factory.mktemp(family.name)
            family.fit(ENTRIES, HELD_OUT, family.params(**params), folder, 7, lambda line: None)
            folders[key] = folder
        return folders[key]

    return fitted


@pytest.fixture(scope="session")
def model_of(folder_of: Callable[..., Path]) -> Callable[..., Any]:
    """Fit a family and load it with the class that ships."""
    return lambda family, **params: model_class(family).from_folder(folder_of(family, **params))
