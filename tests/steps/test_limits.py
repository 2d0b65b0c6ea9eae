"""A disk that is full or read-only, memory that runs out: said in a sentence, nothing half-kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.fakes import copy_project, made_up_entries, run_steps, write_csv

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HEADER = """
import os, resource, signal
from src.training.family import TASKS, Family

def fit(train, valid, params, folder, seed, progress):
"""
FOOTER = "FAMILY = Family('greedy', TASKS['sentiment'], fit)\n"
BODIES = {
    "limit": """
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20),) * 2)
    held = []
    while True:
        held.append(bytearray(16 << 20))
""",
    # What the kernel does to a process when the machine has no memory left.
    "killed": "    os.kill(os.getpid(), signal.SIGKILL)\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits")
    write_csv(folder / "journal.csv", made_up_entries(600))
    return copy_project(folder)


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system of its own; only root may."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def run(project: Path, store: Path, *words: str, **env: str) -> Any:
    return run_steps(
        project,
        *("main", "-P", f"source={project.parent / 'journal.csv'}", *words),
        MLFLOW_TRACKING_URI=f"sqlite:///{store}",
        **env,
    )


def failed(store: Path, step: str) -> Any:
    client = mlflow.MlflowClient(f"sqlite:///{store}")
    (run,) = client.search_runs(["0"], f"tags.`mlflow.project.entryPoint` = '{step}'")
    assert run.info.status == "FAILED"
    assert not [tag for tag in run.data.tags if tag.startswith("pipeline.sealed")]
    return run


def test_a_full_artifact_store_is_said_and_what_was_half_written_is_not_used(
    project: Path, tmp_path: Path
) -> None:
    store = tmp_path / "mlflow.db"
    with small_disk(tmp_path / "small", "size=16k") as disk:
        env = {"MLFLOW_ARTIFACTS_DESTINATION": str(disk)}
        done = run(project, store, "-P", "until=ingest", **env)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "ingest failed: no space is left on the disk" in done.stderr
        assert "Traceback" not in done.stderr
        reason = failed(store, "ingest").data.tags["pipeline.failure"]
        assert reason.startswith("no space is left on the disk")
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        again = run(project, store, "-P", "until=ingest", **env)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "ingest done" in " ".join(again.stdout.split())


def test_a_full_temporary_folder_is_said(project: Path, tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    with small_disk(tmp_path / "small", "size=16k") as disk:
        done = run(project, store, "-P", "until=ingest", TMPDIR=str(disk))
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no space is left on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert "no space" in failed(store, "ingest").data.tags["pipeline.failure"]


def test_a_read_only_artifact_store_is_said(project: Path, tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    with small_disk(tmp_path / "small", "size=1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        env = {"MLFLOW_ARTIFACTS_DESTINATION": str(disk / "artifacts")}
        done = run(project, store, "-P", "until=ingest", **env)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("body", "reason"),
    [("limit", "the step ran out of memory"), ("killed", "its process was killed")],
)
def test_a_step_without_memory_is_a_failed_run_with_the_reason(
    body: str, reason: str, project: Path
) -> None:
    # The steps before it are made once for both.
    store = project.parent / "mlflow.db"
    file = project / "src/training/train_greedy.py"
    file.write_text(HEADER + BODIES[body] + FOOTER)
    try:
        done = run(
            project, store, *(w for p in ("family=greedy", "model=sentiment") for w in ("-P", p))
        )
    finally:
        file.unlink()
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"train sentiment failed: {reason}" in done.stderr
    assert "Traceback" not in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{store}")
    query = "tags.`mlflow.project.entryPoint` = 'train'"
    run_of = client.search_runs(["0"], query, order_by=["attributes.start_time DESC"])[0]
    assert run_of.info.status == "FAILED"
    assert run_of.data.tags["pipeline.failure"].startswith(reason)
