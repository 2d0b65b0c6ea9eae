"""Monitoring on a real store: no drift, drift, and the page's script that retrains."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from src.errors import UserError
from src.monitoring import version as versions
from src.pipeline.answers import MainAnswer, fits
from src.pipeline.jobs import make_jobs
from src.pipeline.results import Output, Sealed
from src.registry import Version
from tests.fakes import PROJECT, copy_project, environment, made_up_entries, write_csv
from tests.steps.conftest import Pipeline

PAGE = (PROJECT / "docs" / "monitoring.md").read_text(encoding="utf-8")
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
NAME = "journal_sentiment_analyzer"
SHIFTED = {"wonderful": "superb", "happy": "cheery", "lovely": "dandy", "meeting": "webinar"}
SHIFTED |= {"awful": "ghastly", "sad": "gloomy", "Today": "Yesterday", "sister": "roommate"}


def rows(n: int, seed: int, first: int = 0) -> list[dict[str, str]]:
    """Entries of 300 people, dated after those of a smaller `first`."""
    made = made_up_entries(n, seed)
    for number, row in enumerate(made):
        row["user_id"] = f"person-{number % 300}"
        row["created_at"] = f"20{24 + first}-{1 + number % 12:02}-{1 + number % 28:02}"
    return made


def shifted(given: list[dict[str, str]]) -> list[dict[str, str]]:
    """Let people find other words with time."""
    found = []
    for row in given:
        text = " ".join(SHIFTED.get(word, word) for word in row["journal_text"].split())
        found.append(row | {"journal_text": text + " And so on."})
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A sentiment model of 300 people."""
    folder = tmp_path_factory.mktemp("monitor")
    journal = write_csv(folder / "journal.csv", rows(900, 1))
    made = Pipeline(copy_project(folder), journal, f"sqlite:///{folder}/mlflow.db")
    done = made.main("-P", "model=sentiment", "-P", "family=linear", "-P", "n_resamples=200")
    assert done.returncode == 0, done.stdout + done.stderr
    yield made


def look(made: Pipeline, source: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Monitor a source; give the exit code and what is said of the step."""
    after = replace(made, journal=source)
    done = after.main("-P", "model=sentiment", *words, "--json", step="monitor")
    answer = json.loads(done.stdout)
    assert fits(answer, MainAnswer)
    assert [row["step"] for row in answer["steps"]] == ["ingest", "monitor"]
    return done.returncode, answer["steps"][-1]


@pytest.mark.integration
@pytest.mark.slow
def test_look_then_retrain_as_the_page_says(trained: Pipeline, tmp_path: Path) -> None:
    same = write_csv(tmp_path / "same.csv", rows(450, 2, first=1))
    code, said = look(trained, same)
    assert (code, said["refused"], said["outcome"]) == (0, False, "run")
    assert said["summary"].startswith("No drift: 450 entries are like what version 1 was trained")
    assert look(trained, same)[1]["outcome"] == "reuse"

    new = shifted(rows(450, 3, first=1))
    for name, own in (("new", new), ("all", rows(900, 1) + new)):
        write_csv(tmp_path / f"{name}.csv", own)
    scripts = {title: text for _, title, text in BLOCK.findall(PAGE) if title}
    (trained.project / "monitor.sh").write_text(scripts["monitor.sh"])
    more = {"MODEL": "sentiment", "NEW": f"{tmp_path}/new.csv", "ALL": f"{tmp_path}/all.csv"}
    done = subprocess.run(
        ["bash", "monitor.sh"],
        cwd=trained.project,
        env=environment(trained.project.parent, MLFLOW_TRACKING_URI=trained.store, **more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Drift: 450 entries are not like what version 1 was trained on" in done.stdout
    assert "train sentiment     done" in done.stdout
    assert "journal_sentiment_analyzer version 2 is in Production" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr

    run = trained.newest("monitor")
    assert run.info.status == "FINISHED"
    assert run.data.tags["monitor.version"] == "1"
    assert run.data.metrics["drifted"] == 1
    assert run.data.metrics["drift_vocabulary"] > 0.1
    assert run.data.metrics["live_accuracy"] < 1
    card = trained.client.download_artifacts(run.info.run_id, "card.html", str(tmp_path))
    page = Path(card).read_text(encoding="utf-8")
    assert "how far, look by look" in page.lower()  # the two looks at version 1
    assert "superb" in page
    assert "journal_text" not in page
    # Looked at again: drift is a result, and reused.
    code, said = look(trained, tmp_path / "new.csv", "-P", "version=1")
    assert (code, said["outcome"], said["refused"]) == (3, "reuse", True)

    for words, reason in (
        (("-P", "version=9"), f"{NAME} has no version 9."),
        (("-P", "alpha=2"), "alpha=2 is not within"),
        (("-P", "colour=red"), "no parameter 'colour'"),
    ):
        done = trained.main("-P", "model=sentiment", *words, step="monitor")
        assert done.returncode == 2
        assert reason in done.stderr


@pytest.mark.unit
def test_the_chain_leaves_it_out_until_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.monitor.version_of", lambda params: some_version())
    monkeypatch.setattr(versions, "reference_of", lambda *words: Output("runs:/r/reference", "0"))
    assert "monitor" not in [job.step.name for job in make_jobs({}, {"model"}, ["topics"], "")]
    named = make_jobs({"version": "3"}, {"model"}, ["topics"], "monitor")
    assert [job.step.name for job in named] == ["ingest", "monitor"]
    with pytest.raises(UserError, match="no parameter 'version'"):
        make_jobs({"version": "3"}, {"model"}, ["topics"], "")


def some_version(**tags: str) -> Version:
    return Version(NAME, 3, "Production", "d" * 64, "r", "models:/m-1", "", tags)


class Past:
    """A store that knows evaluations of a model."""

    def __init__(self, *evaluations: Sealed) -> None:
        self.evaluations = evaluations

    def output(self, uri: str) -> Output:
        raise UserError(f"{uri}: that run holds evaluation.")

    def tagged(self, tag: str, most: int) -> list[tuple[Any, Sealed]]:
        assert tag == "pipeline.judged." + "d" * 32
        return [(None, each) for each in self.evaluations]


@pytest.mark.unit
def test_a_version_without_a_reference_is_refused_with_what_makes_one() -> None:
    store: Any = Past(Sealed("r", {"evaluation": Output("runs:/r/evaluation", "0")}, {}))
    with pytest.raises(UserError, match="version 3 has no reference") as refused:
        versions.reference_of(some_version(**{"run.evaluate": "r"}), "sentiment", store)
    assert "steps evaluate -P model=sentiment -P candidate=models:/m-1" in refused.value.hint


@pytest.mark.unit
def test_a_later_evaluation_of_the_same_model_gives_the_reference() -> None:
    made = Output("runs:/s/reference", "1")
    store: Any = Past(Sealed("s", {"reference": made}, {}))
    assert versions.reference_of(some_version(), "sentiment", store) == made


@pytest.mark.unit
def test_the_pages_jobs_run_its_script() -> None:
    found = {language: text for language, _, text in BLOCK.findall(PAGE)}
    assert "bash monitor.sh" in found["cron"]
    (job,) = yaml.safe_load(found["yaml"])["jobs"].values()
    assert [step["run"] for step in job["steps"]] == ["bash monitor.sh"]
    assert {"MODEL", "NEW", "ALL"} <= set(job["env"])
    assert all(f"{name}=" in found["cron"] for name in ("MODEL", "NEW", "ALL"))
