"""Steps as jobs of a Ray cluster: one node on the loopback address, with a GPU that it believes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests

from src.pipeline.results import read_seal
from tests.fakes import (
    PROJECT,
    copy_project,
    environment,
    made_up_entries,
    run_python,
    write_csv,
)
from tests.services import own_folder
from tools.serve import HOST, free_port, listens, process

pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = [pytest.mark.integration, pytest.mark.slow]

PATIENCE = 240
SECRET = "not-to-be-seen-by-the-cluster"
# What the driver has and must keep, and what only the cluster has.
OURS = {"PGPASSWORD": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "JOURNAL_PSEUDONYM_KEY": SECRET}
SLEEPER = """
import os, time
from src.training.family import TASKS, Family

def fit(train, valid, params, folder, seed, progress):
    told = os.environ.get("TOLD_ON_THE_CLUSTER") == "yes, but not by us"
    progress(f"asleep on device {os.environ.get('CUDA_VISIBLE_DEVICES')}, told: {told}")
    time.sleep(900)

FAMILY = Family("sleeper", TASKS["sentiment"], fit)
"""
BROKEN = """
from src.training.family import TASKS, Family

def fit(train, valid, params, folder, seed, progress):
    raise ValueError(train["text"][0].as_py())

FAMILY = Family("broken", TASKS["sentiment"], fit)
"""


@dataclass
class Site:
    """A project with a journal, a store, and a cluster that the driver knows by a setting."""

    project: Path
    address: str
    sessions: Path
    env: dict[str, str]

    @property
    def uri(self) -> str:
        return self.env["MLFLOW_TRACKING_URI"]

    def main(self, family: str = "example") -> list[str]:
        """Write the command that trains a family."""
        source = self.project.parent / "journal.csv"
        return [
            *("-m", "steps", "main", "-P", f"source={source}", "-P", "model=sentiment"),
            *("-P", f"family={family}", "-P", "until=train", "-P", "backend=train:ray"),
            *("-P", f"backend_config={self.project.parent / 'ray.json'}"),
        ]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_python(self.project, *words, **self.env)

    def trained(self) -> list[Any]:
        """List the runs of train, newest first."""
        query = "tags.`mlflow.project.entryPoint` = 'train'"
        return list(mlflow.MlflowClient(self.uri).search_runs(["0"], query))

    def jobs(self) -> list[dict[str, Any]]:
        """List what the cluster shows of its jobs, newest first."""
        found = requests.get(f"{self.address}/api/jobs/", timeout=60).json()
        return sorted(found, key=lambda job: -job["start_time"])

    def logs(self, job: dict[str, Any]) -> str:
        answer = requests.get(f"{self.address}/api/jobs/{job['submission_id']}/logs", timeout=60)
        return str(answer.json()["logs"])


def wait_until(true: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def install(folder: Path) -> Path:
    """Put the plugin where Python finds it, with the entry point that its pyproject declares."""
    declared = tomllib.loads((PROJECT / "backends/ray/pyproject.toml").read_text())["project"]
    info = folder / "journal_models_ray-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in points.items())
        for group, points in declared["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ray")
    write_csv(folder / "journal.csv", made_up_entries(300))
    project = copy_project(folder)
    (project / "journal.csv").write_text("text\nDear diary.\n")  # as people leave them there
    for name, family in (("sleeper", SLEEPER), ("broken", BROKEN)):
        (project / f"src/training/train_{name}.py").write_text(family)
    with own_folder() as there:
        secrets_file = there / "secrets.env"
        secrets_file.write_text("TOLD_ON_THE_CLUSTER='yes, but not by us'\n")
        dashboard, agent = free_port(), free_port()
        command = [
            *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block"),
            *("--disable-usage-stats", "--include-log-monitor", "false"),
            *("--node-ip-address", HOST, "--port", "0"),
            *("--ray-client-server-port", str(free_port())),
            *("--dashboard-host", HOST, "--dashboard-port", str(dashboard)),
            *("--dashboard-agent-listen-port", str(agent)),
            *("--num-cpus", "1", "--num-gpus", "1", "--object-store-memory", "80000000"),
            *("--temp-dir", str(there / "r")),  # paths of sockets may not be long
        ]
        env = environment(
            folder,
            RAY_USAGE_STATS_ENABLED="0",
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",  # else it takes another address of this machine
        )

        def ready() -> bool:
            return listens(agent) and listens(dashboard)

        with process(command, ready, there / "ray.log", env=env):
            address = f"http://{HOST}:{dashboard}"
            (folder / "ray.json").write_text(
                json.dumps(
                    {
                        "address": address,
                        "entrypoint_num_gpus": 1,
                        "secrets_file": str(secrets_file),
                    }
                )
            )
            paths = [install(folder / "plugin"), PROJECT / "backends" / "ray"]
            env = {
                "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
                **OURS,
            }
            yield Site(project, address, there / "r", env)


def digests(run: Any) -> dict[str, str]:
    sealed = read_seal(run.info.run_id, run.data.tags, run.info.end_time)
    assert sealed
    return {name: made.digest for name, made in sealed.outputs.items()}


def test_a_model_trained_on_ray_is_the_one_trained_here(site: Site) -> None:
    done = site.run(*site.main())
    assert done.returncode == 0, done.stdout + done.stderr
    (there,) = site.trained()
    client = mlflow.MlflowClient(site.uri)
    (parent,) = client.search_runs(["0"], "tags.`pipeline.step` = 'main'")
    assert there.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert there.data.tags["mlflow.project.backend"] == "ray"
    (job,) = site.jobs()
    assert (job["status"], job["driver_exit_code"]) == ("SUCCEEDED", 0)
    # Neither secrets nor journals have gone there.
    assert SECRET not in json.dumps(job) + site.logs(job)
    assert "not by us" not in json.dumps(job)
    (sent,) = site.sessions.glob("session_2*/runtime_resources/working_dir_files/*/")
    assert (sent / "src").is_dir()
    assert not list(sent.rglob("*.csv"))
    words = ["-m", "steps", "train", "-P", "model=sentiment", "-P", "family=example"]
    again = site.run(*words, "-P", f"splits={there.data.params['splits']}", "-P", "force=true")
    assert again.returncode == 0, again.stdout + again.stderr
    here = next(
        run
        for run in client.search_runs(["0"], "tags.`pipeline.step` = 'train'")
        if run.info.run_id != there.info.run_id
    )
    assert digests(here) == digests(there)


def test_a_step_that_fails_on_ray_says_why_here_and_quotes_no_entry_there(site: Site) -> None:
    splits = site.trained()[0].data.params["splits"]
    settings = site.project.parent / "ray.json"
    words = ("run", ".", "-e", "train", "-b", "ray", "--backend-config", str(settings))
    more = ("-P", "model=sentiment", "-P", "family=broken", "-P", f"splits={splits}")
    done = site.run("-m", "mlflow", *words, *more)
    assert done.returncode == 1, done.stderr
    said = "its Ray job failed with exit code 1: ValueError at src/training/train_broken.py:5"
    assert said in done.stderr
    job = site.jobs()[0]
    assert (job["status"], job["driver_exit_code"]) == ("FAILED", 1)
    assert "train_broken.py" in site.logs(job)
    assert "Today was" not in site.logs(job) + json.dumps(job) + done.stderr
    assert site.trained()[0].info.status == "FAILED"


def test_a_driver_that_is_stopped_stops_its_job(site: Site) -> None:
    known = len(site.jobs())
    driver = subprocess.Popen(
        [sys.executable, *site.main(family="sleeper")],
        cwd=site.project,
        env=environment(site.project.parent, **site.env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ended = driver.poll
        wait_until(lambda: ended() or len(site.jobs()) > known, "no job was submitted")
        job = site.jobs()[0]
        wait_until(lambda: ended() or "asleep" in site.logs(job), "its step did not start")
        # It was given its GPU, and the secrets of the cluster's own file.
        assert "asleep on device 0, told: True" in site.logs(job)
        driver.send_signal(signal.SIGTERM)
        _, said = driver.communicate(timeout=PATIENCE)
    finally:
        driver.kill()
    assert driver.returncode == 128 + signal.SIGTERM, said
    wait_until(lambda: site.jobs()[0]["status"] == "STOPPED", "its job went on")
    assert site.trained()[0].info.status == "KILLED"
