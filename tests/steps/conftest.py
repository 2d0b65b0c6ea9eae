"""One real pipeline, run once, that many tests look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.fakes import copy_project, made_up_entries, run_steps, write_csv
from tests.services import S3_ENVIRONMENT, postgres, s3
from tools.serve import Postgres

TOPICS = ("-P", "n_topics=4", "-P", "most_encoded=100")  # a few entries teach fast


@dataclass
class Pipeline:
    """A copy of the project, a journal, and a sqlite store they run on."""

    project: Path
    journal: Path
    store: str

    def steps(self, *words: str, folder: Path | None = None) -> Any:
        """Run `python -m steps …` on the store."""
        return run_steps(folder or self.project, *words, MLFLOW_TRACKING_URI=self.store)

    def main(self, *words: str, step: str = "main") -> Any:
        """Run the chain, or plan it, on the journal."""
        return self.steps(step, "-P", f"source={self.journal}", *words)

    @property
    def client(self) -> mlflow.MlflowClient:
        """Look into the store."""
        return mlflow.MlflowClient(self.store)

    def runs(self, query: str = "") -> list[Any]:
        """List runs, newest first."""
        return list(self.client.search_runs(["0"], query, order_by=["attributes.start_time DESC"]))

    def newest(self, step: str) -> Any:
        """Give the newest finished run of a step."""
        query = f"tags.`pipeline.step` = '{step}' AND attributes.status = 'FINISHED'"
        return self.runs(query)[0]


@pytest.fixture(scope="session")
def database() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def bucket() -> Iterator[dict[str, str]]:
    """An S3 bucket called journal; gives the environment that reaches it."""
    import boto3

    with s3() as endpoint:
        keys = {
            "aws_access_key_id": S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        }
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="journal")
        yield {**S3_ENVIRONMENT, "MLFLOW_S3_ENDPOINT_URL": endpoint}


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Both models made from a small journal, by the driver, on a sqlite store."""
    folder = tmp_path_factory.mktemp("pipeline")
    journal = write_csv(folder / "journal.csv", made_up_entries(1800))
    first = Pipeline(copy_project(folder), journal, f"sqlite:///{folder}/mlflow.db")
    done = first.main("-P", "model=all", *TOPICS)
    assert done.returncode == 0, done.stdout + done.stderr
    yield first
    shutil.rmtree(folder, ignore_errors=True)


LOST = ("-P", "model=sentiment", "-P", "c=0.5")  # as good as the champion, so not better


@pytest.fixture(scope="session")
def lost(first: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Any]:
    """A copy of the store in which one more model was judged, and what was said of it."""
    path = tmp_path_factory.mktemp("lost") / "mlflow.db"
    shutil.copy(first.store.removeprefix("sqlite:///"), path)
    lost = replace(first, store=f"sqlite:///{path}")
    return lost, lost.main(*LOST)


@pytest.fixture(scope="module")
def made(first: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """What was made, in a store that is this module's alone; artifacts are only added to."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    shutil.copy(first.store.removeprefix("sqlite:///"), path)
    return replace(first, store=f"sqlite:///{path}")
