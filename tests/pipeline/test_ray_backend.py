"""What the Ray backend refuses, sends and says; tests/steps/test_on_ray.py has it run steps."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import journal_models_ray as backend
import pytest
from mlflow.exceptions import ExecutionException
from mlflow.projects.backend.abstract_backend import AbstractBackend

from tests.fakes import COPIED, PROJECT, copy_project
from tools.serve import free_port

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def declared(folder: str) -> Any:
    return tomllib.loads((PROJECT / folder / "pyproject.toml").read_text())["project"]


def job(command: str = "python -m steps train", **runtime_env: Any) -> dict[str, Any]:
    return {"entrypoint": command, "runtime_env": runtime_env}


def test_its_distribution_names_it_and_asks_for_the_ray_of_the_extra() -> None:
    plugin = declared("backends/ray")
    module, _, name = plugin["entry-points"]["mlflow.project_backend"]["ray"].partition(":")
    assert issubclass(getattr(import_module(module), name), AbstractBackend)
    own = {word.partition(">")[0]: word for word in plugin["dependencies"]}
    everywhere = [*declared(".")["dependencies"], *declared(".")["optional-dependencies"]["ray"]]
    assert set(own.values()) <= set(everywhere)
    assert plugin["requires-python"] == declared(".")["requires-python"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"adress": "http://head:8265"}, "Did you mean address?"),
        ({"entrypoint_num_gpu": 1}, "Did you mean entrypoint_num_gpus?"),
        ({"secrets_file": "secrets.env"}, "no absolute path"),
        ({"secrets_file": 7}, "no absolute path"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(backend.Refused, match=said.replace("?", r"\?")):
        backend.read_settings(given)


def test_the_settings_on_the_page_can_be_meant() -> None:
    page = (PROJECT / "docs" / "backends.md").read_text(encoding="utf-8")
    section = page.partition("## Ray\n")[2].partition("\n## ")[0]
    shown = json.loads(section.partition("```json\n")[2].partition("```")[0])
    settings = backend.read_settings(shown)
    assert backend.find_address(settings) == "http://head.internal:8265"
    backend.refuse_secrets(job(**settings["runtime_env"]))
    for name in backend.RESOURCES:
        assert name in section


def test_what_mlflow_adds_to_the_settings_is_left_out() -> None:
    added = {"ENV_MANAGER": "local", "SYNCHRONOUS": True, "STORAGE_DIR": None, "build_image": False}
    assert backend.read_settings({"address": "http://head:8265", **added}) == {
        "address": "http://head:8265"
    }


@pytest.mark.parametrize("named", ["", "auto", "head:8265", "ray://head:10001"])
def test_an_address_is_that_of_a_dashboard(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(backend.Refused, match="http://<head node>:8265"):
        backend.find_address({"address": named})
    with pytest.raises(backend.Refused) as caught:
        backend.find_address({"address": "http://anna:not-to-be-seen@head:8265"})
    assert "not-to-be-seen" not in str(caught.value)
    monkeypatch.setenv("RAY_ADDRESS", "https://other:443/")
    assert backend.find_address({"address": named}) == "https://other:443"


@pytest.mark.parametrize(
    ("tracking", "address", "is_fine"),
    [
        ("sqlite:////journal/mlflow.db", "http://127.0.0.1:8265", True),
        ("sqlite:////journal/mlflow.db", "http://head:8265", False),
        ("/journal/mlruns", "http://head:8265", False),
        ("./mlruns", "http://head:8265", False),
        ("http://tracking.internal:5000", "http://head:8265", True),
        ("postgresql://mlflow@db/mlflow", "http://head:8265", True),
        ("databricks", "http://head:8265", True),
        ("databricks://profile", "http://head:8265", True),
    ],
)
def test_a_store_that_is_a_file_here_is_none_for_other_machines(
    tracking: str, address: str, is_fine: bool
) -> None:
    if is_fine:
        backend.check_tracking(tracking, address)
        return
    with pytest.raises(backend.Refused, match="a file of this machine"):
        backend.check_tracking(tracking, address)


@pytest.mark.parametrize(
    "secret",
    [
        job(env_vars={"PGPASSWORD": "not-to-be-seen"}),
        job(env_vars={"AWS_SECRET_ACCESS_KEY": "not-to-be-seen"}),
        job(env_vars={"HF_TOKEN": "not-to-be-seen"}),
        job(env_vars={"JOURNAL_PSEUDONYM_KEY": "not-to-be-seen"}),
        job(env_vars={"MLFLOW_TRACKING_URI": "postgresql://db/m?password=not-to-be-seen"}),
        job(env_vars={"SOURCE": "postgresql://anna:not-to-be-seen@db/journal"}),
        job("python -m steps ingest --source postgresql://anna:not-to-be-seen@db/journal"),
        job("python -m steps ingest --source 'postgresql://db/j?user=a&password=not-to-be-seen'"),
        job(pip={"packages": ["--index-url https://anna:not-to-be-seen@wheels/simple"]}),
    ],
    ids=str,
)
def test_a_secret_does_not_get_into_a_description(secret: dict[str, Any]) -> None:
    with pytest.raises(backend.Refused, match="secrets_file") as caught:
        backend.refuse_secrets(secret)
    assert "not-to-be-seen" not in str(caught.value)


def test_what_is_no_secret_may_be_sent() -> None:
    harmless = {
        "PGPASSFILE": "/etc/journal/pgpass",
        "JOURNAL_KEY_FILE": "/etc/journal/key",
        "TOKENIZERS_PARALLELISM": "false",
        "MLFLOW_TRACKING_URI": "http://tracking.internal:5000/a@b",
        "MONKEY": "banana",
    }
    backend.refuse_secrets(job("python --source s3://journal/anna@home.csv", env_vars=harmless))


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("http://tracking:5000", "http://tracking:5000"),
        ("https://anna:s3cret@tracking/mlflow", "https://tracking/mlflow"),
        ("postgresql://mlflow:s3:cr/et@db:5432/m", "postgresql://mlflow@db:5432/m"),
        ("postgresql+psycopg2://mlflow@db/m", "postgresql+psycopg2://mlflow@db/m"),
    ],
)
def test_the_tracking_stores_password_stays_here(uri: str, kept: str) -> None:
    assert backend.without_password(uri) == kept


def test_only_code_travels(tmp_path: Path) -> None:
    project, sent = copy_project(tmp_path), tmp_path / "sent"
    for name in ("journal.csv", "mlflow.db", "src/__pycache__/x.pyc", "mlruns/0/entries.parquet"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    sent.mkdir()
    backend.carry(project, sent)
    assert {path.name for path in sent.iterdir()} == set(COPIED)
    assert not list(sent.rglob("__pycache__"))
    assert (sent / "src" / "errors.py").exists()


def shell(command: str, secrets_file: str = "") -> subprocess.CompletedProcess[str]:
    python = str(Path(sys.executable).parent)
    return subprocess.run(
        ["sh", "-c", backend.shell_command(command, secrets_file)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{python}:/usr/bin:/bin"},
    )


def test_another_python_there_is_said_before_the_step_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert shell("echo started").stdout == "started\n"
    there = ".".join(map(str, sys.version_info[:2]))
    monkeypatch.setattr(backend.sys, "version_info", (3, 99, 0))
    done = shell("echo started")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: the Ray cluster has Python {there} and this step")


def test_secrets_come_out_of_a_file_of_the_cluster(tmp_path: Path) -> None:
    file = tmp_path / "the secrets.env"
    file.write_text("# of the journal\nTOLD='a b'\n")
    assert shell("python -c \"import os; print(os.environ['TOLD'])\"", str(file)).stdout == "a b\n"
    done = shell("echo started", str(tmp_path / "nothing.env"))
    assert done.returncode
    assert "started" not in done.stdout


def test_a_runtime_environment_that_would_send_a_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    wheels = tmp_path / "requirements.txt"
    wheels.write_text("torch==2.13.0\n")
    read = backend.read_runtime_env
    assert read({"uv": str(wheels)})["uv"]["packages"] == ["torch==2.13.0"]
    assert read({"working_dir": "https://wheels/x.zip"})["working_dir"].startswith("https")
    with pytest.raises(backend.Refused, match="would send all that lies there"):
        read({"working_dir": str(tmp_path)})
    for wrong in ("uv", {"env_vars": ["PATH"]}, {"pip": str(tmp_path / "nothing.txt")}):
        with pytest.raises(backend.Refused, match="cannot be used"):
            read(wrong)


def test_a_cluster_that_does_not_answer_is_said() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(backend.Refused, match=f"answers at {address}") as caught:
        backend.connect(address)
    assert "8265" in caught.value.hint


def test_a_missing_client_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(backend.Refused, match="uv pip install"):
        backend.connect("http://127.0.0.1:8265")


class Status(str):
    def is_terminal(self) -> bool:
        return self in {"STOPPED", "SUCCEEDED", "FAILED"}


class Cluster:
    """A cluster of which each question gets the next answer: a status, or an error."""

    def __init__(self, *answers: str | Exception, logs: str = "", code: int | None = None) -> None:
        self.answers, self.logs, self.code, self.at = iter(answers), logs, code, 0
        self.stopped = list[str]()

    def get_job_info(self, name: str) -> Any:
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        message = "Job entrypoint command failed" if self.code else "waiting for a GPU"
        return SimpleNamespace(status=Status(answer), message=message, driver_exit_code=self.code)

    def get_job_status(self, name: str) -> Any:
        return self.get_job_info(name).status

    def get_job_logs(self, name: str) -> str:
        self.at += 1
        return self.logs[: 7 * self.at]

    def stop_job(self, name: str) -> None:
        self.stopped.append(name)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """No waiting, and how runs were closed."""
    found = list[str]()
    monkeypatch.setattr(backend.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(backend.RayJob, "close", lambda self, status: found.append(status))
    yield found


def test_what_a_job_prints_is_shown_once_while_it_runs(
    closed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lost = ConnectionError("the head starts anew")
    states = ("PENDING", "PENDING", "RUNNING", lost, "RUNNING", "SUCCEEDED")
    cluster = Cluster(*states, logs="train: fitting\ntrain: done\n")
    assert backend.RayJob(cluster, "train-1", "1").wait()
    said = capsys.readouterr().err
    assert said.replace("waiting for a GPU\n", "", 1) == cluster.logs
    assert closed == []


@pytest.mark.parametrize(
    ("status", "code", "logs", "said"),
    [
        ("FAILED", 1, "at work\nerror: no entries\n       Make some.\n", "failed with exit code 1"),
        ("FAILED", 1, "at work\nerror: no entries\n       Make some.\n", "no entries Make some."),
        ("FAILED", 137, "at work\nKilled\n", "failed with exit code 137: Killed"),
        ("FAILED", None, "Runtime env is setting up.", "failed: waiting for a GPU"),
        ("STOPPED", None, "at work\n", "was stopped"),
    ],
)
def test_how_a_job_failed_is_said(
    status: str, code: int | None, logs: str, said: str, closed: list[str]
) -> None:
    cluster = Cluster("RUNNING", *["RUNNING"] * len(logs), status, logs=logs, code=code)
    with pytest.raises(ExecutionException) as caught:
        backend.RayJob(cluster, "train-1", "1").wait()
    assert said in str(caught.value)
    assert closed == ["FAILED"]


def test_a_cluster_that_is_lost_for_long_leaves_the_run_to_its_job(
    closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "LOST_SECONDS", -1.0)
    with pytest.raises(ExecutionException, match="train-1 may go on"):
        backend.RayJob(Cluster("RUNNING", OSError()), "train-1", "1").wait()
    assert closed == []


def test_a_job_that_is_cancelled_is_waited_for_but_not_for_ever(
    closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster("RUNNING", "RUNNING", "STOPPED")
    backend.RayJob(cluster, "train-1", "1").cancel()
    assert cluster.stopped == ["train-1"]
    assert list(cluster.answers) == []
    monkeypatch.setattr(backend, "STOP_SECONDS", -backend.CONNECT_SECONDS)
    backend.RayJob(Cluster(), "train-1", "1").cancel()


def test_a_job_that_mlflow_does_not_wait_for_is_waited_for(
    closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.RayJob(Cluster("RUNNING", "SUCCEEDED"), "train-1", "1").finish()
    cluster = Cluster("RUNNING", "STOPPED")

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backend.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        backend.RayJob(cluster, "train-1", "1").finish()
    assert cluster.stopped == ["train-1"]
    assert closed == ["FINISHED", "KILLED"]


@pytest.mark.parametrize(
    ("ray", "mlflow"),
    [("PENDING", "SCHEDULED"), ("SUCCEEDED", "FINISHED"), ("STOPPED", "KILLED")],
)
def test_a_status_is_said_in_mlflows_words(ray: str, mlflow: str) -> None:
    assert backend.RayJob(Cluster(ray), "train-1", "1").get_status() == mlflow
