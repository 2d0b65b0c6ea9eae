"""Where each step runs: on this machine, or with a backend of MLflow's on another.

A backend says where a step runs and not what it makes: nothing of it counts for reuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from src.errors import UserError
from src.pipeline.caller import caller_folder
from src.pipeline.step import ROOT, nearest

LOCAL = "local"
OWN = (LOCAL, "databricks", "kubernetes")  # what MLflow knows without a plugin


@dataclass(frozen=True)
class Backend:
    """A backend of `mlflow.run` and its settings."""

    name: str = LOCAL
    config: Mapping[str, Any] = field(default_factory=dict)


HERE = Backend()


def read_backends(typed: str, config: str, steps: Iterable[str]) -> dict[str, Backend]:
    """Read which backend runs which step, all checked.

    Parameters
    ----------
    typed
        "slurm" for all steps, "train:slurm,evaluate:slurm" for some of them, or both:
        "slurm,ingest:local".
    config
        A JSON file for all of them, or a folder with a `<step>.json` for those that need one.
    steps
        All names of steps.

    Raises
    ------
    UserError
        An unknown step or backend, or settings that cannot be read.
    """
    names = list(steps)
    chosen, rest = dict[str, str](), LOCAL
    for word in filter(None, (part.strip() for part in typed.split(","))):
        step, mark, backend = word.rpartition(":")
        if mark and step not in names:
            raise UserError(f"backend={word}: unknown step {step!r}.", nearest(step, names))
        known = {*OWN, *(found.name for found in entry_points(group="mlflow.project_backend"))}
        if backend not in known:
            hint = nearest(backend, known)
            if (ROOT / "backends" / backend / "pyproject.toml").exists():
                hint = f"Install it: uv pip install ./backends/{backend} -c requirements.txt"
            raise UserError(f"unknown backend {backend!r}.", hint)
        if mark:
            chosen[step] = backend
        else:
            rest = backend
    return {
        name: Backend(where, read_config(config, name) if where != LOCAL else {})
        for name in names
        for where in [chosen.get(name, rest)]
    }


def read_config(typed: str, step: str) -> dict[str, Any]:
    """Read the settings of a step's backend; none if nobody gave any."""
    if not typed:
        return {}
    path = caller_folder() / Path(typed).expanduser()
    if path.is_dir():
        path = path / f"{step}.json"
        if not path.exists():
            return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"backend_config={path} cannot be read: {type(error).__name__}.",
            "Name a JSON file, or a folder with a <step>.json for each step that needs one.",
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object.", 'Write {"name": value, …}.')
    return content
