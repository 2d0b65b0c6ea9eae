"""Steps on another machine: another folder, user and environment; only the store is shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.fakes import copy_project, made_up_entries, run_steps, write_csv
from tests.services import own_folder
from tools.serve import mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

# Runs a step in a copy of the project and tells it nothing but its parameters and the server.
PLUGIN = """
import os, shutil, subprocess, sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun


class Job(SubmittedRun):
    def __init__(self, run_id, process):
        self._run_id, self.process = run_id, process

    run_id = property(lambda self: self._run_id)

    def wait(self):
        return self.process.wait() == 0

    def get_status(self):
        return "RUNNING"

    def cancel(self):
        self.process.terminate()


class Elsewhere(AbstractBackend):
    def run(self, uri, entry, params, version, config, tracking_uri, experiment_id):
        machine = Path(config["machine"])
        project = machine / f"{entry}-project"
        shutil.copytree(uri, project, ignore=shutil.ignore_patterns("__pycache__"))
        home = machine / f"{entry}-home"
        home.mkdir()
        user = {"user": config["uid"], "group": config["uid"], "extra_groups": []}
        if not config["uid"]:
            user = {}
        else:
            subprocess.run(["chown", "-R", str(config["uid"]), project, home], check=True)
        words = [word for name, value in params.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen(
            [sys.executable, "-m", "steps", entry, *words],
            cwd=project,
            env={
                "PATH": os.defpath, "HOME": str(home), "USER": "somebody", "TMPDIR": str(home),
                "MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_EXPERIMENT_ID": experiment_id,
            },
            stdout=(machine / f"{entry}.out").open("w"),
            stderr=(machine / f"{entry}.err").open("w"),
            **user,
        )
        return Job(MlflowClient().create_run(experiment_id).info.run_id, process)
"""


@dataclass
class Site:
    """A project with a journal, a server, and a machine that is reached by a plugin."""

    project: Path
    machine: Path
    uri: str
    plugin: Path

    def main(self, *words: str) -> Any:
        return run_steps(
            self.project,
            *("main", "-P", f"source={self.project.parent / 'journal.csv'}", *words),
            *("-P", "model=sentiment", "-P", "family=example", "-P", "until=train"),
            MLFLOW_TRACKING_URI=self.uri,
            PYTHONPATH=str(self.plugin),
        )

    def runs(self, step: str) -> list[Any]:
        query = f"tags.`mlflow.project.entryPoint` = '{step}'"
        return list(mlflow.MlflowClient(self.uri).search_runs(["0"], query))


def other_user() -> int:
    """Give the id of a user that can run this Python; 0 where there is only ourselves."""
    if os.geteuid():
        return 0
    command = [sys.executable, "-c", "import mlflow.version"]
    user: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        done = subprocess.run(command, cwd="/", check=False, capture_output=True, **user)
    except PermissionError:
        return 0
    return 0 if done.returncode else 65534


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("backends")
    write_csv(folder / "journal.csv", made_up_entries(600))
    plugin = folder / "plugin"
    info = plugin / "elsewhere-1.0.dist-info"
    info.mkdir(parents=True)
    (plugin / "elsewhere.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mlflow.project_backend]\nelsewhere = elsewhere:Elsewhere\n"
    )
    with own_folder() as machine, own_folder() as served:
        store = f"sqlite:///{served / 'mlflow.db'}"
        with mlflow_server(served, store) as uri:
            yield Site(copy_project(folder), machine, uri, plugin)


def settings(site: Site, name: str) -> str:
    """Write the plugin's settings: a machine of its own for each test."""
    machine = site.machine / name
    machine.mkdir()
    machine.chmod(0o777)
    path = site.project.parent / f"{name}.json"
    path.write_text(f'{{"machine": "{machine}", "uid": {other_user()}}}')
    return f"backend_config={path}"


def test_steps_run_elsewhere_and_are_reused_here(site: Site) -> None:
    config = settings(site, "good")
    words = ("-P", "backend=split:elsewhere,train:elsewhere", "-P", config)
    done = site.main(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = sorted(path.name for path in (site.machine / "good").glob("*-project"))
    assert ran == ["split-project", "train-project"]
    (parent,) = mlflow.MlflowClient(site.uri).search_runs(["0"], "tags.`pipeline.step` = 'main'")
    for step in ("split", "train"):
        (run,) = site.runs(step)
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert "backend" not in run.data.params
    # Where a step ran is no reason to run it again.
    again = site.main()
    assert "Nothing to do" in again.stdout, again.stdout + again.stderr


def test_a_step_that_fails_elsewhere_says_why_here(site: Site) -> None:
    file = site.project / "src/training/train_broken.py"
    file.write_text(
        "from src.training.family import TASKS, Family\n"
        "def fit(train, valid, params, folder, seed, progress):\n"
        "    raise ValueError(train['text'][0].as_py())\n"
        "FAMILY = Family('broken', TASKS['sentiment'], fit)\n"
    )
    words = ("-P", "backend=train:elsewhere", "-P", settings(site, "bad"))
    try:
        done = run_steps(
            site.project,
            *("main", "-P", f"source={site.project.parent / 'journal.csv'}", *words),
            *("-P", "model=sentiment", "-P", "family=broken", "-P", "until=train"),
            MLFLOW_TRACKING_URI=site.uri,
            PYTHONPATH=str(site.plugin),
        )
    finally:
        file.unlink()
    assert done.returncode == 2, done.stdout + done.stderr
    said = "train sentiment failed: ValueError at src/training/train_broken.py:3"
    assert said in done.stderr
