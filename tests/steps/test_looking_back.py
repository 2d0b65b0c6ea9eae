"""What was run before, from the terminal: listed, shown, compared, and cleaned away unharmed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from src.history.cleaning import clean, plan, remove
from src.history.past import find
from src.pipeline.answers import fits
from src.pipeline.runs import Store
from src.pipeline.step import Command, entry_points
from tests.fakes import copy_project, made_up_entries, run_steps, tracking, write_csv
from tests.services import own_folder
from tools.serve import mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

QUICK = ("-P", "model=sentiment", "-P", "family=example", "-P", "n_resamples=100")


@dataclass
class Place:
    """A project beside a journal, and the store that it runs on."""

    project: Path
    journal: Path
    store: str

    def steps(self, *words: str, **env: str) -> Any:
        cache = str(self.project.parent / "cache")
        more = {"MLFLOW_TRACKING_URI": self.store, "JOURNAL_CACHE": cache, "COLUMNS": "100"}
        return run_steps(self.project, *words, **{**more, **env})

    def main(self, *words: str, step: str = "main") -> Any:
        return self.steps(step, "-P", f"source={self.journal}", *QUICK, *words)

    def answer(self, *words: str) -> Any:
        """Ask for JSON, and make sure that it has the shape that `--help` promises."""
        done = self.steps(*words, "--json")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        entry = entry_points()[words[0]]
        assert found["schema"] == 1
        assert isinstance(entry, Command)
        assert entry.answer
        assert fits(found, entry.answer)
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A version in Production, a second seed, a step made twice, and a run that failed."""
    folder = tmp_path_factory.mktemp("terminal")
    journal = write_csv(folder / "journal.csv", made_up_entries(600))
    place = Place(copy_project(folder), journal, f"sqlite:///{folder}/mlflow.db")
    for words in ((), ("-P", "seed=8"), ("-P", "seed=8", "-P", "force=evaluate")):
        done = place.main(*words)
        assert done.returncode in (0, 3), done.stdout + done.stderr
    unlabelled = [{"journal_text": row["journal_text"]} for row in made_up_entries(60)]
    few = write_csv(folder / "few.csv", unlabelled)
    failed = place.steps("main", "-P", f"source={few}", *QUICK)
    assert failed.returncode == 2, failed.stdout + failed.stderr
    yield place
    shutil.rmtree(folder, ignore_errors=True)


def test_runs_are_listed_newest_first_with_what_became_of_them(place: Place) -> None:
    found = place.answer("runs")["runs"]
    assert [run["outcome"] for run in found] == ["failed", found[1]["outcome"], "refused", "done"]
    assert found[0]["started"] >= found[-1]["started"]
    assert "ingest" in found[2]["reused"]
    assert "Production" in found[-1]["headline"]
    said = place.steps("runs", "2").stdout
    assert found[0]["run_id"][:8] in said
    assert found[-1]["run_id"][:8] not in said


def test_a_card_is_printed_by_prefix_by_version_and_by_default(place: Place) -> None:
    first = place.answer("runs")["runs"][-1]["run_id"]
    shown = place.steps("show", first[:8])
    assert shown.returncode == 0
    assert "WHAT BECAME OF EACH" in shown.stdout
    assert not re.search("<[a-z/!]", shown.stdout)
    for name in ("sentiment/1", "models:/journal_sentiment_analyzer/Production"):
        found = place.answer("show", name)
        assert found["name"] == "journal_sentiment_analyzer/1"
        assert Path(found["path"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert place.answer("show")["run_id"] != first


@pytest.mark.parametrize(
    ("word", "said", "way_out"),
    [
        ("sentimnt/1", "there is no model 'sentimnt'", "Did you mean sentiment?"),
        ("sentiment/99", "has no version 99", "There is: 1 (Production)."),
        ("0" * 32, "there is no run 000", "The newest:"),
        ("nothing", "nothing is called 'nothing'", "python -m steps runs"),
    ],
)
def test_a_word_that_means_nothing_is_answered(
    place: Place, word: str, said: str, way_out: str
) -> None:
    done = place.steps("show", word)
    assert done.returncode == 2
    assert said in done.stderr
    assert way_out in done.stderr


def test_two_runs_stand_side_by_side(place: Place) -> None:
    runs = place.answer("runs")["runs"]
    found = place.answer("compare", runs[-1]["run_id"], runs[2]["run_id"])
    seeds = [(d["a"], d["b"]) for d in found["settings"] if d["name"] == "seed"]
    assert seeds[0] == ("7", "8")
    assert [d["same"] for d in found["data"] if d["name"] == "source"] == [True]
    assert found["code"] == []
    both = [f for f in found["metrics"] if f["a_interval"] and f["b_interval"]]
    assert both
    for figure in both:
        (low, high), (left, right) = figure["a_interval"], figure["b_interval"]
        assert figure["apart"] == (high < left or right < low)
    version = place.answer("compare", "sentiment/1", runs[2]["run_id"][:10])
    assert version["a"] == "journal_sentiment_analyzer/1"
    assert {f["step"] for f in version["metrics"]} >= {"evaluate sentiment", "train sentiment"}


def test_clean_first_only_says_what_would_go(place: Place) -> None:
    before = sorted(place.project.parent.rglob("*"))
    found = place.answer("clean")
    assert found["removed"] is False
    assert found["bytes"] > 0
    assert {run["why"] for run in found["runs"]} == {"failed", "superseded"}
    assert [p for p in before if not p.exists() and "-journal" not in p.name] == []


def test_after_a_clean_all_is_reused_and_the_version_answers(place: Place) -> None:
    plans = [("plan", *words) for words in ((), ("-P", "seed=8"))]
    before = [place.main(*words[1:], "--json", step="plan").stdout for words in plans]
    cleaned = place.answer("clean", "-P", "yes=true")
    assert cleaned["removed"] is True
    after = [place.main(*words[1:], "--json", step="plan").stdout for words in plans]
    for old, new in zip(map(json.loads, before), map(json.loads, after), strict=True):
        outcomes = [
            [(s["step"], s["outcome"], s["run_id"]) for s in x["steps"]] for x in (old, new)
        ]
        assert outcomes[0] == outcomes[1]
    assert place.answer("clean")["runs"] == []
    with tracking(place.store):
        model = mlflow.pyfunc.load_model("models:/journal_sentiment_analyzer/Production")
        assert len(model.predict(pd.DataFrame({"text": ["Went home."]}))) == 1
        client = mlflow.MlflowClient()
        (version, *_) = client.search_model_versions("name = 'journal_sentiment_analyzer'")
        run_ids = [value for name, value in version.tags.items() if name.startswith("run.")]
        assert all(client.list_artifacts(run_id) for run_id in run_ids)
        assert client.list_artifacts(version.tags["run.evaluate"], "evaluation")


def test_artifacts_on_s3_are_removed_and_no_others(
    bucket: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "part.txt").write_text("x")
    places = [f"s3://journal/clean/{name}/artifacts" for name in ("a" * 32, "a" * 31 + "b")]
    for place in places:
        get_artifact_repository(place).log_artifact(str(tmp_path / "part.txt"), "entries")
    remove(places[0])
    assert get_artifact_repository(places[0]).list_artifacts() == []
    assert [i.path for i in get_artifact_repository(places[1]).list_artifacts()] == ["entries"]


def test_artifacts_behind_a_server_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        own_folder() as folder,
        mlflow_server(folder, f"sqlite:///{folder}/mlflow.db") as uri,
        tracking(uri),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        store = Store()
        tags = {"pipeline.step": "ingest"}
        ids = [store.client.create_run("0", tags=tags).info.run_id for _ in range(2)]
        for run_id, status in zip(ids, ("FAILED", "FINISHED"), strict=True):
            store.client.log_text(run_id, "part", "entries/part.txt")
            store.client.set_terminated(run_id, status)
        (removal,) = plan(store).removals
        assert (removal.run.info.run_id, removal.why, removal.size) == (ids[0], "failed", 4)
        clean(plan(store), store)
        assert [len(store.client.list_artifacts(run_id)) for run_id in ids] == [0, 1]
        assert plan(store).removals == ()
        assert find(ids[1][:12], store).name.startswith(ids[1][:8])
