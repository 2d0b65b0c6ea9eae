"""What is read without MLflow is what MLflow says, on an sqlite file and from a real server."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import RunStatus

from src import registry
from src.pipeline import lookup
from src.pipeline.lookup import ServerReader, SqliteReader, UnreadableError, reader
from src.pipeline.opening import open_store
from src.pipeline.results import REUSED, SEAL
from src.pipeline.runs import Store
from tests.fakes import environment, tracking

pytestmark = [pytest.mark.integration, pytest.mark.slow]

DIGEST = "d" * 32
OTHER = "e" * 32
MODEL = "a_model"
CONTENT = json.dumps({"outputs": {"a": {"uri": "runs:/x/a", "digest": "1"}}, "details": {"n": 1}})


def fill(uri: str) -> dict[str, str]:
    """Put runs and versions of every state into a store; name the runs."""
    client = mlflow.MlflowClient(uri, uri)
    made = {}
    for name, start, digest, status in (
        ("old", 1000, DIGEST, "FINISHED"),
        ("newest", 3000, DIGEST, "FINISHED"),
        ("same start", 3000, DIGEST, "FINISHED"),
        ("failed", 4000, DIGEST, "FAILED"),
        ("running", 5000, DIGEST, "RUNNING"),
        ("deleted", 6000, DIGEST, "FINISHED"),
        ("other", 7000, OTHER, "FINISHED"),
    ):
        run = client.create_run("0", start_time=start, tags={"pipeline.step": "train"})
        made[name] = run.info.run_id
        for part in ("code", "params", "inputs", "environment"):
            client.set_tag(run.info.run_id, f"pipeline.key.{part}", "{}")
        client.set_tag(run.info.run_id, SEAL + digest, CONTENT)
        if status != "RUNNING":
            client.set_terminated(run.info.run_id, status, end_time=start + 500)
    client.delete_run(made["deleted"])
    elsewhere = client.create_experiment("it's another one")
    run = client.create_run(elsewhere, start_time=9000, tags={SEAL + DIGEST: CONTENT})
    client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        client.create_registered_model(MODEL)
        client.create_registered_model(f"{MODEL}_too")
        client.create_model_version(f"{MODEL}_too", "runs:/x/a", made["old"])
        for number, stage in enumerate(("Archived", "Production", "Staging", "None", "None"), 1):
            tags = {registry.DIGEST: str(number)} if number != 3 else {}
            run_id = made["old"] if number != 4 else None
            client.create_model_version(MODEL, "runs:/x/a", run_id, tags=tags)
            if stage != "None":
                client.transition_model_version_stage(MODEL, str(number), stage)
        client.delete_model_version(MODEL, "5")
    return made


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store of runs')}/mlflow.db"


@pytest.fixture(scope="module")
def runs(file: str) -> dict[str, str]:
    return fill(file)


@pytest.fixture(scope="module")
def server(file: str, runs: dict[str, str]) -> Iterator[str]:
    """A real server over the same file."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(file.removeprefix("sqlite:///")).parent
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1", "--backend-store-uri", file),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=5).close()  # noqa: S310
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


@pytest.fixture(params=["file", "server"])
def uri(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in list(os.environ):
        if name.startswith("MLFLOW"):
            monkeypatch.delenv(name)
    found = request.getfixturevalue(request.param)
    with tracking(found):
        yield found


def test_runs_and_outputs_are_those_that_mlflow_finds(uri: str, runs: dict[str, str]) -> None:
    light, full = open_store(), Store()
    for digest in (DIGEST, OTHER, "f" * 32):
        assert light.find(digest) == full.find(digest)
    found = light.find(DIGEST)
    assert found and found.run_id == min(runs["newest"], runs["same start"])
    assert light.experiment_id == full.experiment_id == "0"
    output = f"runs:/{runs['old']}/a"
    assert light.output(output) == full.output(output)
    assert "full" not in vars(light)
    asked = reader(uri)
    assert asked
    assert asked.experiment_id("it's another one") == "1"
    assert asked.experiment_id("none of these") is None
    assert asked.run("0" * 32) is None


def test_versions_are_those_that_mlflow_lists(
    uri: str, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (MODEL, f"{MODEL}_too", "no_model"):
        light = registry.versions(name)
        with monkeypatch.context() as patched:
            patched.setattr(registry, "reader", lambda uri: None)
            assert registry.versions(name) == light
    assert [v.number for v in registry.versions(MODEL)] == [4, 3, 2, 1]
    assert registry.champion(MODEL) == registry.versions(MODEL)[2]


def test_a_reuse_is_noted_without_opening_a_server_twice(
    server: str, runs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    light = open_store()
    light.describe(runs["other"], {"pipeline.reused": "x"}, "# Told")
    assert "full" not in vars(light)
    tags = mlflow.MlflowClient(server).get_run(runs["other"]).data.tags
    assert (tags["pipeline.reused"], tags["mlflow.note.content"]) == ("x", "# Told")


@pytest.mark.parametrize("start", ["", "file://"])
@pytest.mark.parametrize("name", ["plain", "with space", "of%20codes", "größe"])
def test_a_reuse_in_a_file_is_an_artifact_where_mlflow_finds_it(
    file: str, runs: dict[str, str], tmp_path: Path, start: str, name: str
) -> None:
    with tracking(file):
        client = mlflow.MlflowClient(file)
        location = f"{start}{tmp_path}/{name}"
        experiment = client.create_experiment(f"{tmp_path.name} {start}{name}", location)
        run_id = client.create_run(experiment).info.run_id
        for text in ("# Told", "# Told again"):
            light = open_store()
            light.describe(run_id, {REUSED: "x"}, text)
            assert "full" not in vars(light)
            assert [found.path for found in client.list_artifacts(run_id)] == ["reused.md"]
            assert Path(client.download_artifacts(run_id, "reused.md")).read_text() == text
        assert REUSED not in client.get_run(run_id).data.tags


@pytest.mark.parametrize("place", ["s3://bucket/a", "mlflow-artifacts:/a", "file:a/b", "{}/file/a"])
def test_a_reuse_in_a_file_is_tagged_where_artifacts_cannot_be_written_here(
    file: str, runs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(SqliteReader, "artifacts", lambda asked, run_id: place.format(tmp_path))
    with tracking(file):
        open_store().describe(runs["other"], {REUSED: place}, f"# Told {place}")
        tags = mlflow.MlflowClient(file).get_run(runs["other"]).data.tags
    assert (tags[REUSED], tags["mlflow.note.content"]) == (place, f"# Told {place}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_no_reuse_is_described_by_tags(file: str, runs: dict[str, str]) -> None:
    with tracking(file):
        open_store().describe(runs["old"], {"a.tag": "1"}, "# What ran")
        client = mlflow.MlflowClient(file)
        tags = client.get_run(runs["old"]).data.tags
        assert (tags["a.tag"], tags["mlflow.note.content"]) == ("1", "# What ran")
        assert client.list_artifacts(runs["old"]) == []


def test_a_file_is_opened_for_reading_only(file: str, runs: dict[str, str]) -> None:
    asked = reader(file)
    assert isinstance(asked, SqliteReader)
    with pytest.raises(UnreadableError, match="readonly"):
        asked._ask("DELETE FROM tags")


def test_a_file_of_another_revision_is_left_to_mlflow(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
    asked = reader(f"sqlite:///{path}")
    assert asked
    with pytest.raises(UnreadableError, match="0123456789ab"):
        asked.experiment_id("Default")


def test_a_journal_that_a_killed_writer_left_is_left_to_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    made = fill(uri)
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1])\n"
        "c.execute('PRAGMA cache_size = 1')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        'c.execute("UPDATE tags SET value = hex(randomblob(3000))")\n'
        "c.execute(\"UPDATE runs SET status = 'FAILED'\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "mlflow.db")], check=False)
    assert done.returncode == -9
    assert (tmp_path / "mlflow.db-journal").stat().st_size
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    light = open_store()
    found = light.find(DIGEST)
    assert found and found.run_id == min(made["newest"], made["same start"])
    assert "full" in vars(light)


def test_what_only_mlflow_understands_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("MLFLOW"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in (
        f"sqlite:///{tmp_path}/none.db",
        "sqlite://",
        "postgresql://127.0.0.1/x",
        "databricks",
        "http://user:word@127.0.0.1:1",
    ):
        assert reader(uri) is None
    plain = "http://127.0.0.1:1"
    assert reader(plain) == ServerReader(plain)
    for name in lookup.LEFT_TO_MLFLOW:
        with monkeypatch.context() as patched:
            patched.setenv(name, "true")
            assert reader(plain) is None
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").touch()
    assert reader(plain) is None


@pytest.mark.parametrize(
    ("env", "header"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "abc"}, "Bearer abc"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
    ],
)
def test_credentials_are_sent_and_not_shown(
    env: dict[str, str], header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    asked = reader("https://127.0.0.1:1")
    assert isinstance(asked, ServerReader)
    assert asked.headers == {"Authorization": header}
    assert header not in repr(asked)
    with pytest.raises(UnreadableError):  # nobody is there
        asked.experiment_id("Default")
