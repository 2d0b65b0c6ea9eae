"""The whole pipeline on a real store: once, again, changed, refused, failed."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest

from src.data.seen import entry_digests
from tests.fakes import environment, tracking
from tests.steps.conftest import LOST, TOPICS, Pipeline

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STEPS = ("ingest", "split", "train", "evaluate", "register")
TEXTS = ["Today was wonderful, happy, lovely at the gym, running.", "", "😀", "1" * 5000]


def outcomes(said: str) -> dict[str, str]:
    """Read a summary or a plan: what became of each job in the end."""
    found = {}
    for line in said.splitlines():
        if line.startswith(STEPS):
            found[line[:20].strip()] = line[20:28].strip()
    return found


def plan(made: Pipeline, *words: str) -> dict[str, tuple[str, str]]:
    done = made.main("-P", "model=all", *TOPICS, *words, "--json", step="plan")
    assert done.returncode == 0, done.stderr
    return {
        f"{row['step']} {row['group']}".strip(): (row["outcome"], row["reason"])
        for row in json.loads(done.stdout)["steps"]
    }


def test_each_step_is_a_finished_sealed_run_below_one_parent(made: Pipeline) -> None:
    (parent,) = made.runs("tags.`pipeline.step` = 'main'")
    children = made.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert len(children) == 8
    assert {run.info.status for run in children} == {"FINISHED"}
    assert all(any(t.startswith("pipeline.sealed.") for t in run.data.tags) for run in children)
    assert {run.data.tags["pipeline.reason"] for run in children} == {"first run"}
    assert "| register topics | run | first run |" in parent.data.tags["mlflow.note.content"]


def test_inputs_are_linked(made: Pipeline) -> None:
    named = (made.newest(name).info.run_id for name in ("split", "train", "evaluate"))
    split, train, evaluate = (made.client.get_run(run_id) for run_id in named)
    assert split.data.params["entries"] == f"runs:/{made.newest('ingest').info.run_id}/entries"
    (linked,) = train.inputs.dataset_inputs
    assert json.loads(linked.dataset.source)["uri"] == f"runs:/{split.info.run_id}/splits"
    assert [m.model_id for m in evaluate.inputs.model_inputs] == [
        m.model_id for m in train.outputs.model_outputs
    ]


def test_a_second_main_starts_nothing_and_records_nothing(made: Pipeline) -> None:
    before = len(made.runs())
    done = made.main("-P", "model=all", *TOPICS)
    assert done.returncode == 0
    assert set(outcomes(done.stdout).values()) == {"reuse"}
    assert len(outcomes(done.stdout)) == 8
    assert "Nothing to do" in done.stdout
    assert len(made.runs()) == before


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("journal_sentiment_analyzer", "Production"),
        ("adaptive_journal_topics", "latest"),
        ("journal_sentiment_analyzer", "1"),
    ],
)
def test_registered_models_answer_as_the_service_expects(
    made: Pipeline, name: str, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with tracking(made.store), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # stages are deprecated
        model = mlflow.pyfunc.load_model(f"models:/{name}/{stage}")
    answers = model.predict(pd.DataFrame({"text": TEXTS}))
    assert len(answers) == len(TEXTS)
    assert json.loads(json.dumps(answers)) == answers
    for answer in answers:
        if "sentiment" in answer:
            assert math.isclose(sum(answer["all_scores"].values()), 1, abs_tol=1e-6)
            assert answer["confidence"] == answer["all_scores"][answer["sentiment"]]
        else:
            assert answer["topics"] == [d["topic_name"] for d in answer["topic_details"]]


def test_a_version_says_what_it_is_and_where_it_came_from(made: Pipeline) -> None:
    for name in ("journal_sentiment_analyzer", "adaptive_journal_topics"):
        version = made.client.get_model_version_by_alias(name, "champion")
        assert version.current_stage == "Production"
        expected = {"pipeline.digest", "run.train", "run.evaluate", "data.splits", "git.commit"}
        assert expected <= set(version.tags)
        assert any(tag.startswith("metric.") for tag in version.tags)


def test_predictions_are_for_the_held_out_entries(made: Pipeline, tmp_path: Path) -> None:
    splits = made.client.download_artifacts(made.newest("split").info.run_id, "splits", tmp_path)
    evaluated = made.newest("evaluate").info.run_id
    answers = made.client.download_artifacts(evaluated, "predictions", tmp_path)
    held_out = pq.read_table(Path(splits) / "test.parquet")["id"].to_pylist()
    assert pq.read_table(answers)["id"].to_pylist() == held_out


def test_no_text_of_an_entry_is_in_the_store_or_a_small_artifact(made: Pipeline) -> None:
    words = [row.split(",")[0] for row in made.journal.read_text().splitlines()[1:40]]
    database = Path(made.store.removeprefix("sqlite:///")).read_bytes()
    assert not any(text.encode() in database for text in words)
    folder = made.project / "mlruns"
    searched = 0
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".parquet":
            searched += 1
            content = file.read_bytes()
            assert not any(text.encode() in content for text in words), file
    assert searched > 10


def test_a_comment_changes_nothing_and_a_line_only_what_reaches_it(made: Pipeline) -> None:
    file = made.project / "src/training/train_topics_semantic.py"
    text = file.read_text()
    try:
        file.write_text(text.replace("\ndef fit(", "\n# a comment\n\n\ndef fit(", 1))
        assert {outcome for outcome, _ in plan(made).values()} == {"reuse"}
        file.write_text(text.replace("\n    seeds = read", "\n    _ = 1\n    seeds = read", 1))
        planned = plan(made)
        changed = {title for title, (outcome, _) in planned.items() if outcome == "run"}
        assert changed == {"train topics", "evaluate topics", "register topics"}
        why = "code src/training/train_topics_semantic.py, input predecessor"
        assert planned["train topics"][1] == why
        assert planned["evaluate topics"][1] == "input candidate will change"
        # The model comes out equal: what stands below is reused after all.
        done = made.main("-P", "model=topics", *TOPICS)
        assert outcomes(done.stdout) == {
            "ingest": "reuse",
            "split": "reuse",
            "train topics": "done",
            "evaluate topics": "reuse",
            "register topics": "reuse",
        }
    finally:
        file.write_text(text)


def test_a_seed_changes_the_split_and_what_follows(made: Pipeline) -> None:
    planned = plan(made, "-P", "seed=8")
    assert planned["ingest"][0] == "reuse"
    assert planned["split"] == ("run", "param seed: 7 → 8")
    assert {outcome for title, (outcome, _) in planned.items() if title != "ingest"} == {"run"}


def test_one_step_on_named_inputs_and_on_the_newest_that_fit(made: Pipeline) -> None:
    splits = f"runs:/{made.newest('split').info.run_id}/splits"
    named = made.steps("train", "-P", "model=topics", *TOPICS, "-P", f"splits={splits}")
    assert "reuse" in named.stdout, named.stderr
    found = made.steps("train", "-P", "model=topics", *TOPICS, "-P", f"source={made.journal}")
    assert found.stdout == named.stdout
    missing = made.steps(
        "train", "-P", "model=topics", "-P", "seed=99", "-P", f"source={made.journal}"
    )
    assert missing.returncode == 2
    assert "no finished split" in missing.stderr
    assert "mlflow run . -e main -P until=split" in missing.stderr


def test_a_model_that_is_no_better_is_refused_and_leaves_the_registry_alone(
    first: Pipeline, lost: tuple[Pipeline, Any]
) -> None:
    before = first.client.search_model_versions("name = 'journal_sentiment_analyzer'")
    made, done = lost
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Not registered" in done.stdout
    assert made.client.search_model_versions("name = 'journal_sentiment_analyzer'") == before
    again = made.main(*LOST)
    assert again.returncode == 3
    assert set(outcomes(again.stdout).values()) == {"reuse"}
    assert set(outcomes(made.main("-P", "model=sentiment").stdout).values()) == {"reuse"}


def test_trained_entries_are_kept_as_digests(made: Pipeline, tmp_path: Path) -> None:
    split, train = made.newest("split").info.run_id, made.newest("train").info.run_id
    splits = Path(made.client.download_artifacts(split, "splits", tmp_path))
    seen = pq.read_table(made.client.download_artifacts(train, "trained_on", tmp_path))
    digests = set(seen["digest"].to_pylist())
    for side, inside in (("train", True), ("valid", True), ("test", False)):
        for of_entry in entry_digests(pq.read_table(splits / f"{side}.parquet")):
            assert digests.issuperset(of_entry) if inside else digests.isdisjoint(of_entry)


def test_a_step_that_fails_says_why_without_data_and_leaves_nothing_half_written(
    made: Pipeline,
) -> None:
    file = made.project / "src/training/train_broken.py"
    file.write_text(
        "from src.training.family import TASKS, Family\n"
        "def fit(train, valid, params, folder, seed, progress):\n"
        "    raise ValueError(train['text'][0].as_py())\n"
        "FAMILY = Family('broken', TASKS['sentiment'], fit)\n"
    )
    try:
        done = made.main("-P", "model=sentiment", "-P", "family=broken")
    finally:
        file.unlink()
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    said = "train sentiment failed: ValueError at src/training/train_broken.py:3"
    assert said in done.stderr
    run = made.runs("tags.`mlflow.project.entryPoint` = 'train'")[0]
    assert run.info.status == "FAILED"
    assert run.data.tags["pipeline.failure"] == "ValueError at src/training/train_broken.py:3"
    assert [left.path for left in made.client.list_artifacts(run.info.run_id)] == ["card.html"]
    card = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/card.html")
    assert said.partition(": ")[2] in card
    assert "Today was" not in card
    assert "Today was" not in json.dumps(run.to_dictionary())


def test_labels_that_are_unknown_stop_ingest_with_the_way_out(
    made: Pipeline, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\nhello there,positive\ngood day,cheerful\nbye now,cheerful\n")
    done = made.steps("main", "-P", f"source={bad}")
    assert done.returncode == 2
    assert "ingest failed" in done.stderr
    assert "2" in done.stderr
    assert "labels=" in done.stderr


def test_until_stops_there(made: Pipeline) -> None:
    done = made.main("-P", "until=split")
    assert outcomes(done.stdout) == {"ingest": "reuse", "split": "reuse"}


def test_under_the_launcher_a_refusal_is_no_failure_and_a_reuse_is_marked(
    lost: tuple[Pipeline, Any], tmp_path: Path
) -> None:
    store = shutil.copy(lost[0].store.removeprefix("sqlite:///"), tmp_path)
    made = replace(lost[0], store=f"sqlite:///{store}")
    env = environment(made.project.parent, MLFLOW_TRACKING_URI=made.store)
    launched = subprocess.run(
        [
            *(sys.executable, "-m", "mlflow", "run", ".", "-e", "register"),
            *("--env-manager", "local", "-P", f"source={made.journal}", *LOST),
        ],
        cwd=made.project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr
    run = made.runs()[0]
    assert [found.path for found in made.client.list_artifacts(run.info.run_id)] == ["reused.md"]
    assert run.info.status == "FINISHED"
    assert os.environ.get("MLFLOW_RUN_ID") is None
