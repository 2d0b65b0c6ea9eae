"""The project as other people run it: from a git URI, in their own folder, on their own store."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.fakes import COPIED, PROJECT, environment, made_up_entries, write_csv

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def git(folder: Path, *words: str) -> str:
    settings = (
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.org",
        "-c",
        "init.defaultBranch=main",
    )
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The project in a subfolder of a repository that a git daemon serves on loopback."""
    folder = tmp_path_factory.mktemp("served")
    repository = folder / "journal.git"
    for name in COPIED:
        source, target = PROJECT / name, repository / "pipelines" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "The project")
    git(repository, "tag", "v1")
    git(repository, "branch", "stable")
    (repository / ".git/git-daemon-export-ok").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}"),
            *(f"--base-path={folder}", str(folder)),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}/journal.git#pipelines", repository
    finally:
        daemon.terminate()
        daemon.wait()
        # The daemon itself is a child of git's wrapper and ends with it.


def mlflow_run(folder: Path, uri: str, *words: str, **env: str) -> Any:
    """Type `mlflow run` in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "mlflow", "run", uri, "--env-manager", "local", *words],
        cwd=folder,
        env=environment(folder, **env),
        capture_output=True,
        text=True,
        check=False,
    )


def steps_of(store: str) -> list[str]:
    found = mlflow.MlflowClient(store).search_runs(["0"], order_by=["attributes.start_time ASC"])
    return [run.data.tags.get("pipeline.step", "?") for run in found]


def test_a_git_uri_from_an_empty_folder_uses_the_callers_store_and_reuses_a_checkouts_runs(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    uri, repository = served
    write_csv(tmp_path / "mine.csv", made_up_entries(300))
    words = ("-e", "main", "-P", "source=mine.csv", "-P", "until=split")
    first = mlflow_run(tmp_path, uri, *words, "-v", "stable")
    assert first.returncode == 0, first.stdout + first.stderr
    store = f"sqlite:///{tmp_path}/mlflow.db"
    assert steps_of(store) == ["main", "ingest", "split"]
    for version in ("v1", git(repository, "rev-parse", "HEAD")):
        again = mlflow_run(tmp_path, uri, *words, "-v", version)
        assert again.returncode == 0, again.stderr
        assert "Nothing to do" in again.stdout
    reuses = ["?"] * 3  # a reuse is an artifact of the launcher's run, and no tag
    # The same code in a checkout, on the same store: no step runs, and the URI may be relative.
    checkout = mlflow_run(
        tmp_path, str(repository / "pipelines"), *words, MLFLOW_TRACKING_URI="sqlite:///mlflow.db"
    )
    assert checkout.returncode == 0, checkout.stdout + checkout.stderr
    assert "Nothing to do" in checkout.stdout
    assert steps_of(store) == ["main", "ingest", "split", *reuses]
    assert len(list(tmp_path.glob("mlruns/0/*/artifacts/reused.md"))) == len(reuses)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key", "mine.csv", "mlflow.db", "mlruns"]


def test_a_relative_store_under_a_git_uri_is_the_callers(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    uri, _ = served
    write_csv(tmp_path / "mine.csv", made_up_entries(120))
    done = mlflow_run(
        tmp_path,
        uri,
        *("-e", "ingest", "-P", "source=mine.csv"),
        MLFLOW_TRACKING_URI="sqlite:///own.db",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps_of(f"sqlite:///{tmp_path}/own.db") == ["ingest"]


def test_a_step_on_named_inputs_from_a_git_uri(served: tuple[str, Path], tmp_path: Path) -> None:
    uri, _ = served
    write_csv(tmp_path / "mine.csv", made_up_entries(900))
    store = f"sqlite:///{tmp_path}/runs.db"
    words = ("-e", "main", "-P", "source=mine.csv", "-P", "until=split")
    assert mlflow_run(tmp_path, uri, *words, MLFLOW_TRACKING_URI=store).returncode == 0
    client = mlflow.MlflowClient(store)
    split = client.search_runs(["0"], "tags.`pipeline.step` = 'split'")[0].info.run_id
    named = ("-P", "model=sentiment", "-P", f"splits=runs:/{split}/splits")
    done = mlflow_run(tmp_path, uri, "-e", "train", *named, MLFLOW_TRACKING_URI=store)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = client.search_runs(["0"], "tags.`pipeline.step` = 'train'")
    assert run.data.params["splits"] == f"runs:/{split}/splits"
    assert run.info.status == "FINISHED"


def test_the_command_on_a_models_card_makes_the_same_model_again(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    uri, _ = served
    write_csv(tmp_path / "mine.csv", made_up_entries(900))
    source = f"source={tmp_path / 'mine.csv'}"
    first = f"sqlite:///{tmp_path}/first.db"
    words = ("-e", "main", "-P", "model=sentiment", "-P", source, "-P", "seed=3", "-P", "c=.5")
    done = mlflow_run(tmp_path, uri, *words, MLFLOW_TRACKING_URI=first)
    assert done.returncode == 0, done.stdout + done.stderr
    name = "journal_sentiment_analyzer"
    made = mlflow.MlflowClient(first).get_model_version_by_alias(name, "champion")
    (command,) = [c for c in made.description.splitlines() if c.startswith("mlflow run ")]
    _, _, project, *typed = shlex.split(command.replace("--env-manager uv ", ""))
    again = f"sqlite:///{tmp_path}/again.db"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = mlflow_run(elsewhere, project, *typed, MLFLOW_TRACKING_URI=again)
    assert done.returncode == 0, command + done.stdout + done.stderr
    found = mlflow.MlflowClient(again).get_model_version_by_alias(name, "champion")
    assert found.tags["pipeline.digest"] == made.tags["pipeline.digest"]
    assert found.tags["git.commit"] == made.tags["git.commit"]


def test_bad_input_from_a_git_uri_is_said_in_a_line(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    uri, _ = served
    done = mlflow_run(tmp_path, uri, "-e", "main", "-P", "source=nothing.csv")
    assert done.returncode == 1
    assert f"there is no file {tmp_path / 'nothing.csv'}" in done.stderr
    assert "Traceback" not in done.stderr
    (run,) = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["0"])
    assert run.info.status == "FAILED"
    assert run.data.tags["pipeline.failure"].startswith("there is no file")
