"""People who are forgotten: they leave what is stored, and a report tells who was trained with."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest

from src.data.seen import text_digest
from src.forgetting import EXPERIMENT, LIST
from tests.fakes import copy_project, made_up_entries, run_steps, write_csv
from tests.services import own_folder
from tools.serve import mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUICK = ("-P", "model=sentiment", "-P", "family=example", "-P", "n_resamples=100")
GONE = "person-7"
KEY = "a key that only these tests know"


class Journal:
    """A project beside a journal on a store of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.project = folder, copy_project(folder)
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

    def newest(self, step: str) -> Any:
        query = f"tags.`pipeline.step` = '{step}' AND attributes.status = 'FINISHED'"
        order = ["attributes.start_time DESC"]
        return self.client.search_runs(["0"], query, order_by=order)[0]

    def versions(self) -> dict[int, Any]:
        found = self.client.search_model_versions("name = 'journal_sentiment_analyzer'")
        return {int(v.version): v for v in found}

    def theirs(self) -> list[str]:
        """All that is told of the person in what a store holds."""
        import hmac

        texts = [row["journal_text"] for row in self.rows if row["user_id"] == GONE]
        name = hmac.new(KEY.encode(), GONE.encode(), hashlib.sha256).hexdigest()[:16]
        ids = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
        named = [text_digest(f"journal.csv\0{name}") for name in ids]
        return [GONE, name, *texts, *ids, *named]

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
    """A store with a version in Production."""
    journal = Journal(tmp_path_factory.mktemp("forget"))
    done = journal.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return journal


def test_a_forgotten_author_leaves_everything_and_does_not_come_back(made: Journal) -> None:
    runs = made.folder / "project" / "mlruns"
    runs = runs if runs.exists() else made.folder / "mlruns"
    before = made.told(runs)
    assert len(before) >= 40  # else nothing is shown below

    done = made.forget()
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert "of 2 to forget 1 were found" in done.stdout
    for step in ("ingest", "split", "train sentiment", "evaluate sentiment"):
        (line,) = [o for o in done.stdout.splitlines() if o.startswith(step) and " done " in o]
    assert made.told(runs) <= {made.theirs()[1]}  # the list itself
    place = made.client.get_experiment_by_name(EXPERIMENT)
    (run,) = made.client.search_runs([place.experiment_id])
    path = Path(made.client.download_artifacts(run.info.run_id, "forgotten"))
    assert made.theirs()[1] in pq.read_table(path)["mark"].to_pylist()
    with sqlite3.connect(made.folder / "mlflow.db") as database:
        dump = "\n".join(database.iterdump())
    assert [one for one in made.theirs()[1:] if one in dump] == []

    again = made.forget()
    assert "Nothing to do" in again.stdout, again.stdout + again.stderr
    plain = made.run()
    assert "Nothing to do" in plain.stdout, plain.stdout + plain.stderr
    forced = made.run("-P", "force=true", step="ingest")
    assert forced.returncode == 0, forced.stderr
    assert "of forgotten people" in forced.stdout
    assert made.told(runs) <= {made.theirs()[1]}
