"""People who are forgotten: they leave what is stored, and a report tells who was trained with."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import mlflow
import pyarrow.parquet as pq
import pytest

from src.data.seen import text_digest
from src.forgetting.known import EXPERIMENT
from tests.fakes import copy_project, environment, made_up_entries, run_steps, write_csv
from tests.services import S3_ENVIRONMENT, own_folder
from tools.serve import mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUICK = ("-P", "model=sentiment", "-P", "family=example", "-P", "n_resamples=100")
GONE = "person-7"
KEYS = {
    "aws_access_key_id": S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    "region_name": "us-east-1",
}
KEY = "a key that only these tests know"


def pseudonym_of(person: str) -> str:
    return hmac.new(KEY.encode(), person.encode(), hashlib.sha256).hexdigest()[:16]


class Journal:
    """A project beside a journal on a store of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.project, self.said = folder, copy_project(folder), cast(Any, None)
        self.artifacts = self.project / "mlruns"
        self.rows = made_up_entries(900)
        self.source = write_csv(folder / "journal.csv", self.rows)
        (folder / "gone.txt").write_text(f"{GONE}\nnobody-of-that-name\n")
        self.env = {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "JOURNAL_PSEUDONYM_KEY": KEY,
        } | env

    def run(self, *words: str, step: str = "main", **env: str) -> Any:
        model = QUICK if step in ("main", "plan") else ()
        source = ("-P", f"source={self.source}") if step != "promote" else ()
        return run_steps(self.project, step, *source, *model, *words, **self.env | env)

    def forget(self, *words: str, **env: str) -> Any:
        return self.run("-P", f"forget={self.folder / 'gone.txt'}", *words, **env)

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.env["MLFLOW_TRACKING_URI"])

    @property
    def list_run(self) -> Any:
        place = self.client.get_experiment_by_name(EXPERIMENT)
        assert place
        return self.client.search_runs([place.experiment_id])[0]

    @property
    def pseudonym(self) -> str:
        return pseudonym_of(GONE)

    def newest(self, step: str) -> Any:
        query = f"tags.`pipeline.step` = '{step}' AND attributes.status = 'FINISHED'"
        order = ["attributes.start_time DESC"]
        return self.client.search_runs(["0"], query, order_by=order)[0]

    def versions(self) -> dict[int, Any]:
        found = self.client.search_model_versions("name = 'journal_sentiment_analyzer'")
        return {int(v.version): v for v in found}

    def theirs(self) -> list[str]:
        """All that is told of the person in what a store holds."""
        texts = [row["journal_text"] for row in self.rows if row["user_id"] == GONE]
        ids = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
        named = [text_digest(f"journal.csv\0{name}") for name in ids]
        return [GONE, self.pseudonym, *texts, *ids, *named]

    def told(self, folder: Path) -> set[str]:
        """Which of it stands anywhere below a folder, in tables decompressed."""
        theirs, found = self.theirs(), set[str]()
        for file in folder.rglob("*"):
            if file.is_file():
                if file.suffix == ".parquet":
                    content = json.dumps(pq.read_table(file).to_pylist(), default=str)
                else:
                    content = file.read_bytes().decode("utf-8", "replace")
                found |= {one for one in theirs if one in content}
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    """A store with a version in Production, and then somebody forgotten."""
    journal = Journal(tmp_path_factory.mktemp("forget"))
    done = journal.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(journal.told(journal.artifacts)) >= 40  # else nothing is shown below
    journal.said = journal.forget()
    assert journal.said.returncode == 3, journal.said.stdout + journal.said.stderr
    return journal


def test_a_forgotten_author_leaves_everything_stored(made: Journal) -> None:
    assert "of 2 to forget 1 were found" in made.said.stdout
    for step in ("ingest", "split", "train sentiment", "evaluate sentiment"):
        assert any(
            line.startswith(step) and " done " in line for line in made.said.stdout.splitlines()
        )
    assert made.told(made.artifacts) == {made.pseudonym}  # on the list, and nowhere else
    path = Path(made.client.download_artifacts(made.list_run.info.run_id, "forgotten"))
    assert made.pseudonym in pq.read_table(path)["mark"].to_pylist()
    with sqlite3.connect(made.folder / "mlflow.db") as database:
        dump = "\n".join(database.iterdump())
    assert [one for one in made.theirs()[1:] if one in dump] == []


def test_nobody_comes_back(made: Journal) -> None:
    for done in (made.forget(), made.run()):
        assert "Nothing to do" in done.stdout, done.stdout + done.stderr
    forced = made.run("-P", "force=true", step="ingest")
    assert forced.returncode == 0, forced.stderr
    assert "15 of forgotten people" in forced.stdout
    assert made.told(made.artifacts) == {made.pseudonym}


def test_the_report_proves_who_was_trained_with_them(made: Journal) -> None:
    query = "tags.`pipeline.step` = 'ingest' AND tags.`pipeline.summary` LIKE '%to forget%'"
    run = made.client.search_runs(["0"], query)[0]
    folder = Path(made.client.download_artifacts(run.info.run_id, "forget_report"))
    report = json.loads((folder / "forget_report.json").read_text())
    (version,) = report["versions"]
    assert (version["version"], version["trained_with"], version["free"]) == (1, 15, False)
    assert report["entries"] == 15
    assert "delete_model_version" in (folder / "forget_report.md").read_text()
    first = made.versions()[1]
    assert first.tags["forgotten.trained_with"] == "15"
    assert first.description.startswith("_Trained with 15 entries of people who are forgotten")


def test_a_model_trained_anew_is_proven_free_when_it_is_registered(made: Journal) -> None:
    candidate = made.newest("train").info.run_id
    words = ("-P", "model=sentiment", "-P", f"version={candidate}")
    done = made.run(*words, step="promote")
    assert done.returncode == 0, done.stdout + done.stderr
    new = made.versions()[2]
    assert (new.current_stage, new.tags["forgotten.trained_with"]) == ("Production", "0")


def test_a_second_list_adds_to_the_first(made: Journal) -> None:
    splits = Path(made.client.download_artifacts(made.newest("split").info.run_id, "splits"))
    there = set(pq.read_table(splits / "train.parquet")["author"].to_pylist())
    person = next(p for n in range(60) if pseudonym_of(p := f"person-{n}") in there)
    (made.folder / "more.csv").write_text(f"author\n{person}\n")
    done = made.run("-P", f"forget={made.folder / 'more.csv'}", step="ingest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 of forgotten people" in done.stdout
    assert "of 1 to forget 1 were found" in done.stdout
    counts = {n: v.tags["forgotten.trained_with"] for n, v in made.versions().items()}
    assert counts == {1: "30", 2: "15"}
    warned = made.run("-P", "model=sentiment", "-P", "version=1", step="promote")
    assert "trained with 30 entries of people who are forgotten" in warned.stdout


def test_another_key_is_refused(made: Journal) -> None:
    done = made.run(
        *("-P", "force=true"), step="ingest", JOURNAL_PSEUDONYM_KEY="a key of somebody else"
    )
    assert done.returncode == 2
    assert "another key" in done.stderr
    assert "JOURNAL_PSEUDONYM_KEY" in done.stderr


def test_a_purged_result_is_read_and_not_reused(made: Journal) -> None:
    old = made.client.search_runs(["0"], "tags.`pipeline.step` = 'split'")[-1]
    assert "pipeline.purged" in old.data.tags
    splits = f"splits=runs:/{old.info.run_id}/splits"
    words = ("-P", "model=sentiment", "-P", "family=example", "-P", splits)
    done = made.run(*words, step="train")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "entries: valid accuracy" in done.stdout


KILLED = """
import os, signal, sys
from src.forgetting import purging
from src.pipeline.cli import main
rewritten, calls = purging.rewritten, []
def dying(one, name, *more):
    calls.append(name)
    if len(calls) > int(os.environ["DIES_AFTER"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return rewritten(one, name, *more)
purging.rewritten = dying
main(sys.argv[1:])
"""


def test_what_a_kill_interrupts_the_next_run_completes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    done = journal.run("-P", "until=split")
    assert done.returncode == 0, done.stderr
    words = ("ingest", "-P", f"source={journal.source}", "-P", f"forget={tmp_path / 'gone.txt'}")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words],
        cwd=journal.project,
        env=environment(tmp_path, **journal.env, DIES_AFTER="1"),
        check=False,
    )
    assert killed.returncode == -9
    assert len(journal.told(journal.artifacts)) > 1
    plan = journal.run("-P", "until=split", step="plan")
    assert "input forgotten" in plan.stdout
    done = journal.run(step="ingest")
    assert done.returncode == 0, done.stderr
    assert "completing" in done.stderr
    assert journal.told(journal.artifacts) == {journal.pseudonym}
    assert "pipeline.forgotten.complete" in journal.list_run.data.tags


def test_over_a_server_that_keeps_artifacts_encrypted_in_s3(
    bucket: dict[str, str], tmp_path: Path
) -> None:
    import boto3

    store = {
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://journal/forget",
        "MLFLOW_S3_UPLOAD_EXTRA_ARGS": '{"ServerSideEncryption": "aws:kms"}',
    }
    with own_folder() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        with mlflow_server(folder, uri, **bucket, **store) as served:
            journal = Journal(tmp_path, MLFLOW_TRACKING_URI=served)
            done = journal.run("-P", "until=split")
            assert done.returncode == 0, done.stderr
            runs = journal.client.search_runs(["0"])
            assert all(run.info.artifact_uri.startswith("mlflow-artifacts:/") for run in runs)
            assert not [file for file in journal.artifacts.rglob("*") if file.is_file()]
            s3 = boto3.client("s3", endpoint_url=bucket["MLFLOW_S3_ENDPOINT_URL"], **KEYS)

            def stored(into: Path) -> Path:
                for item in s3.list_objects_v2(Bucket="journal", Prefix="forget/")["Contents"]:
                    head = s3.head_object(Bucket="journal", Key=item["Key"])
                    assert head["ServerSideEncryption"] == "aws:kms"
                    path = into / item["Key"]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    s3.download_file("journal", item["Key"], str(path))
                return into

            assert len(journal.told(stored(tmp_path / "before"))) >= 30
            done = journal.forget("-P", "until=split")
            assert done.returncode == 0, done.stdout + done.stderr
            assert journal.told(stored(tmp_path / "after")) == {journal.pseudonym}
            assert "Nothing to do" in journal.run("-P", "until=split").stdout
