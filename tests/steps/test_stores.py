"""The same pipeline on the stores of production: PostgreSQL, a tracking server, S3."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from tests.fakes import copy_project, made_up_entries, run_steps, tracking, write_csv
from tests.services import own_folder
from tools.serve import Postgres, mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUICK = ("-P", "model=sentiment", "-P", "family=example", "-P", "n_resamples=100")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project beside a journal."""
    folder = tmp_path_factory.mktemp("stores")
    write_csv(folder / "journal.csv", made_up_entries(900))
    return copy_project(folder)


def run(project: Path, *words: str, step: str = "main", **env: str) -> Any:
    """Run the chain on the journal."""
    source = f"source={project.parent / 'journal.csv'}"
    return run_steps(project, step, "-P", source, *QUICK, *words, **env)


@dataclass
class Where:
    """A kind of store: the environment that names it, and what a client uses to look into it."""

    env: dict[str, str]
    client: str
    artifacts: str


@contextmanager
def direct_with_s3(database: Postgres, bucket: dict[str, str]) -> Iterator[Where]:
    uri = database.create("direct_s3")
    env = {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_ARTIFACTS_DESTINATION": "s3://journal/direct"}
    yield Where({**env, **bucket}, uri, "s3://journal/direct/")


@contextmanager
def server(database: Postgres, bucket: dict[str, str]) -> Iterator[Where]:
    with own_folder() as folder, mlflow_server(folder, database.create("served")) as uri:
        # An explicit tracking URI wins over the rest, which is the server's.
        env = {"MLFLOW_BACKEND_STORE_URI": "postgresql://127.0.0.1:1/nothing"}
        yield Where({**env, "MLFLOW_TRACKING_URI": uri}, uri, "mlflow-artifacts:/")


@contextmanager
def server_beside_s3(database: Postgres, bucket: dict[str, str]) -> Iterator[Where]:
    store = database.create("beside_s3")
    options = ("--no-serve-artifacts", "--default-artifact-root", "s3://journal/beside")
    with own_folder() as folder, mlflow_server(folder, store, *options, **bucket) as uri:
        yield Where({"MLFLOW_TRACKING_URI": uri, **bucket}, uri, "s3://journal/beside/")


@pytest.mark.parametrize(
    ("kind", "steps"),
    [(direct_with_s3, 5), (server, 5), (server_beside_s3, 2)],
)
def test_the_same_pipeline_runs_once_and_its_model_loads(
    kind: Any,
    steps: int,
    project: Path,
    database: Postgres,
    bucket: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = () if steps == 5 else ("-P", "until=split")
    with kind(database, bucket) as where:
        first = run(project, *words, **where.env)
        assert first.returncode == 0, first.stdout + first.stderr
        second = run(project, *words, **where.env)
        assert "Nothing to do" in second.stdout, second.stdout + second.stderr
        client = mlflow.MlflowClient(where.client)
        runs = client.search_runs(["0"])
        assert len(runs) == steps + 1
        assert all(r.info.artifact_uri.startswith(where.artifacts) for r in runs)
        assert_secret_is_kept(runs, first.stdout + first.stderr, database.password)
        for name, value in where.env.items():
            monkeypatch.setenv(name, value)
        if steps == 5:
            assert answers(where.client) == "positive"
    assert not [file for file in (project / "mlruns").rglob("*") if file.is_file()]
    assert not (project / "mlflow.db").exists()


def answers(store: str) -> str:
    """Ask the model in Production, as a service would load it."""
    with tracking(store), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated
        model = mlflow.pyfunc.load_model("models:/journal_sentiment_analyzer/Production")
    (answer,) = model.predict(pd.DataFrame({"text": ["A wonderful, happy, lovely day."]}))
    return str(answer["sentiment"])


def assert_secret_is_kept(runs: list[Any], said: str, password: str) -> None:
    assert password not in said
    for found in runs:
        assert password not in repr(found.to_dictionary())
