"""A later topic model goes on from the champion: the pipeline keeps its topics' ids."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest

from src.models.topic_extractor import TopicExtractor
from tests.fakes import made_up_entries, tracking, write_csv
from tests.steps.conftest import TOPICS, Pipeline
from tests.steps.test_pipeline import outcomes

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAME = "adaptive_journal_topics"
ONLY_TRAINED = ("-P", "until=train")


def main(made: Pipeline, *words: str) -> dict[str, str]:
    """Run the chain for topics; give what became of each job."""
    done = made.main("-P", "model=topics", *TOPICS, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return outcomes(done.stdout)


def planned(made: Pipeline, *words: str) -> tuple[str, str]:
    """Plan; give what becomes of the training, and why."""
    done = made.main("-P", "model=topics", *TOPICS, *words, "--json", step="plan")
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in json.loads(done.stdout)["steps"] if row["step"] == "train"]
    return row["outcome"], row["reason"]


def topics(made: Pipeline, uri: str, folder: Path) -> list[dict[str, Any]]:
    """List the topics of a model."""
    with tracking(made.store):
        path = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    (manifest,) = path.rglob("manifest.json")
    return TopicExtractor.from_folder(manifest.parent).every_topic


@pytest.fixture(scope="module")
def later(made: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The same store, where more entries came after the first version and were learned from."""
    journal = tmp_path_factory.mktemp("later") / "journal.csv"
    more = replace(made, journal=write_csv(journal, made_up_entries(2200)))
    assert main(more, *ONLY_TRAINED)["train topics"] == "done"
    return more


def test_the_training_that_made_the_champion_is_not_run_again(made: Pipeline) -> None:
    """It followed nobody; since it ran there is a champion, which is its own result."""
    (version,) = made.client.search_model_versions(f"name = '{NAME}' and version_number = 1")
    assert version.tags["data.predecessor"] == "none"
    before = len(made.runs())
    assert {*main(made).values()} == {"reuse"}
    assert len(made.runs()) == before
    assert planned(made, "-P", "follow=none")[0] == "reuse"  # which is how it was made


def test_more_entries_are_learned_from_where_the_champion_left_off(
    later: Pipeline, tmp_path: Path
) -> None:
    run = later.newest("train")
    assert "input predecessor" in run.data.tags["pipeline.reason"]
    first = topics(later, f"models:/{NAME}/1", tmp_path / "first")
    (made,) = later.client.get_run(run.info.run_id).outputs.model_outputs
    now = topics(later, f"models:/{made.model_id}", tmp_path / "now")
    path = later.client.download_artifacts(run.info.run_id, "topics_changed.parquet", tmp_path)
    changes = pq.read_table(path).to_pylist()
    stayed = [row for row in changes if row["change"] in ("kept", "renamed")]
    name_of = {topic["topic_id"]: topic["topic_name"] for topic in first}
    assert len(stayed) >= 2
    assert {row["topic_id"]: row["previous_name"] for row in stayed}.items() <= name_of.items()
    assert [row["topic_id"] for row in changes[: len(now)]] == [t["topic_id"] for t in now]
    assert [row["topic_name"] for row in changes[: len(now)]] == [t["topic_name"] for t in now]
    assert all(row["topic_id"] not in name_of for row in changes if row["change"] == "new")
    counted = dict.fromkeys(("kept", "renamed", "new", "left"), 0)
    for row in changes:
        counted[row["change"]] += 1
    for kind, count in counted.items():
        assert run.data.metrics[f"topics_{kind}"] == count
    said = run.data.tags["pipeline.summary"]
    assert f"topics of models:/{NAME}/1: {len(stayed)} stayed" in said


def test_a_version_that_is_named_is_followed_as_the_champion_is(later: Pipeline) -> None:
    assert planned(later, "-P", f"follow=models:/{NAME}/1")[0] == "reuse"


def test_to_start_anew_is_another_training(later: Pipeline) -> None:
    assert planned(later, "-P", "follow=none") == ("run", "input predecessor")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("follow=none", "update=true"), "follow=none starts anew"),
        (("follow=none", "merge=1+2"), "follow=none starts anew"),
        (("merge=1-2",), "merge=1-2 is no list of ids"),
        (("follow=topics",), "follow=topics is no version"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    made: Pipeline, words: tuple[str, ...], said: str
) -> None:
    before = len(made.runs())
    typed = [part for word in words for part in ("-P", word)]
    done = made.main("-P", "model=topics", *TOPICS, *typed)
    assert done.returncode != 0
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert len(made.runs()) == before
