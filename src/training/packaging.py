"""A fitted family's plain files become a logged model that any process can load."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ParamSchema, ParamSpec

from src.errors import UserError
from src.pipeline.step import ROOT

if TYPE_CHECKING:
    from src.training.family import Task

# Runs in a process that has none of this project's folders on its path.
BARE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
texts = json.load(sys.stdin)
json.dump(model.predict(pandas.DataFrame({"text": texts})), sys.stdout)
"""
KINDS = {str: "string", bool: "boolean", int: "long", float: "double"}


def load(task: Task, folder: Path) -> Any:
    """Load a family's plain files with the class that ships, in this process."""
    module = importlib.import_module(task.module)
    return module.MODEL.from_folder(folder)


def packed(task: Task, folder: Path) -> dict[str, Any]:
    """Say what MLflow has to put into a model's folder, for its `log_model` or `save_model`.

    The signature has parameters only: with one for columns MLflow quotes rows in its errors and
    refuses what the model itself would answer.
    """
    model = load(task, folder)
    specs = [ParamSpec(n, KINDS[type(value)], value) for n, value in model.predict_params().items()]
    return {
        "python_model": str(ROOT / task.model_file),
        "artifacts": {"model": str(folder)},
        "pip_requirements": list(model.requirements()),
        "signature": ModelSignature(params=ParamSchema(specs)) if specs else None,
    }


def log_model(task: Task, folder: Path, metadata: Mapping[str, Any]) -> str:
    """Log the model of the active run as code and data; give its `models:/m-…` URI."""
    with warnings.catch_warnings():
        # It asks for type hints and an example, which would bring the checks of columns back.
        warnings.simplefilter("ignore")
        info = mlflow.pyfunc.log_model(
            name="candidate", metadata=dict(metadata), **packed(task, folder)
        )
    return str(info.model_uri)


def answers_in_bare_process(model: Path, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Load a model's folder in a fresh process, in an empty folder, and predict.

    Raises
    ------
    UserError
        The model cannot be loaded or does not answer there.
    """
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-I", "-c", BARE, str(model)],
            input=json.dumps(list(texts)),
            capture_output=True,
            text=True,
            cwd=empty,
            env={"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PATH": ""},
            check=False,
        )
    if done.returncode:
        kind = done.stderr.strip().rpartition("\n")[2].partition(":")[0]
        raise UserError(
            f"the model does not load in a bare process ({kind}).",
            "Its file in src/models may import only what its REQUIREMENTS name.",
        )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def quiet_mlflow() -> None:
    """Leave the progress of a step to the step."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
