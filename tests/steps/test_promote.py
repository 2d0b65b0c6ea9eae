"""Moves by hand, on a registry that the pipeline filled: refused, forced, rolled back, recorded."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from src.pipeline import cli
from tests.fakes import tracking
from tests.steps.conftest import LOST, TOPICS, Pipeline
from tests.steps.test_pipeline import outcomes

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAME = "journal_sentiment_analyzer"
# Hardly fitted: its confidences mean nothing.
FAILED = ("-P", "c=0.001", "-P", "min_authors=30", "-P", "lexicon_strength=0.01")
Promote = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def own(lost: tuple[Pipeline, Any], tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A copy of the store, in which two more models were judged and not registered."""
    path = tmp_path_factory.mktemp("promote") / "mlflow.db"
    shutil.copy(lost[0].store.removeprefix("sqlite:///"), path)
    own = replace(lost[0], store=f"sqlite:///{path}")
    judged = own.main("-P", "model=sentiment", *FAILED)
    assert "Not registered" in judged.stdout, judged.stderr
    return own


@pytest.fixture
def promote(
    own: Pipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Promote]:
    """Type `promote` in this process, on a store that is this test's alone."""
    path = tmp_path / "mlflow.db"
    shutil.copy(own.store.removeprefix("sqlite:///"), path)
    store = f"sqlite:///{path}"

    def typed(*words: str) -> tuple[int, str]:
        arguments = [part for word in words for part in ("-P", word)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = cli.main(["promote", "-P", "model=sentiment", *arguments])
        said = capfd.readouterr()
        return code, said.out + said.err

    typed.pipeline = Pipeline(own.project, own.journal, store)  # type: ignore[attr-defined]
    with tracking(store):
        yield typed


def pipeline(promote: Promote) -> Pipeline:
    return promote.pipeline  # type: ignore[attr-defined,no-any-return]


def judged(promote: Promote, words: tuple[str, ...]) -> Any:
    """Find the evaluation of a model by the parameters it was trained with."""
    wanted = dict(word.split("=") for word in words if word != "-P")
    for run in pipeline(promote).runs("tags.`pipeline.step` = 'train'"):
        if all(run.data.params.get(name) == value for name, value in wanted.items()):
            return run
    raise AssertionError(wanted)


def standing(made: Pipeline) -> dict[str, int]:
    """Which versions the aliases stand on."""
    aliases = made.client.get_registered_model(NAME).aliases
    return {alias: int(number) for alias, number in aliases.items()}


def answers(promote: Promote, version: str) -> Any:
    mlflow.set_tracking_uri(pipeline(promote).store)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
    return model.predict(pd.DataFrame({"text": ["Today was wonderful, happy, lovely."]}))


def test_candidates_that_passed_are_listed_and_one_is_promoted(promote: Promote) -> None:
    lost = judged(promote, LOST).info.run_id
    code, said = promote("version=candidates")
    assert code == 0
    (line,) = said.splitlines()
    assert "not better than the champion" in line
    code, said = promote(f"version={lost}")
    assert code == 0, said
    assert "version 2 moved from None to Production in place of version 1" in said
    assert answers(promote, "latest") == answers(promote, "Production") == answers(promote, "2")
    assert "No candidate for sentiment" in promote("version=candidates")[1]
    version = pipeline(promote).client.get_model_version(NAME, "2")
    assert {"pipeline.digest", "run.train", "run.promote", "metric.f1_macro"} <= set(version.tags)
    assert "did not win" in version.description
    # The pipeline that made it finds it in Production, and its next run starts nothing.
    made = pipeline(promote)
    assert "version 2 is this model already" in made.main(*LOST).stdout
    assert "Nothing to do" in made.main(*LOST).stdout


def test_a_failed_verdict_is_refused_unless_a_reason_is_given(promote: Promote) -> None:
    failed = judged(promote, FAILED).info.run_id
    before = len(pipeline(promote).runs())
    code, said = promote(f"version={failed}")
    assert code == 2
    assert "Not good enough: " in said
    assert "calibration error" in said
    assert "force_reason" in said
    assert len(pipeline(promote).runs()) == before
    assert len(pipeline(promote).client.search_model_versions(f"name = '{NAME}'")) == 1
    why = "the old one is down; ticket 7"
    assert promote(f"version={failed}", f"force_reason={why}")[0] == 0
    version = pipeline(promote).client.get_model_version(NAME, "2")
    assert version.current_stage == "Production"
    assert version.tags["pipeline.force_reason"] == why
    assert why in version.description
    run = pipeline(promote).newest("promote")
    assert run.data.tags["move.why"] == why
    assert run.data.tags["pipeline.forced"] == "true"


def test_every_move_is_a_run_with_who_when_why_from_and_to(promote: Promote) -> None:
    lost = judged(promote, LOST).info.run_id
    promote(f"version={lost}")
    promote("version=previous")
    run = pipeline(promote).newest("promote")
    tags = run.data.tags
    assert tags["move.by"] == tags["mlflow.user"]
    assert tags["move.why"].startswith("Rolled back. Good enough")
    expected = {"of": "1", "version": "3", "from": "Archived", "to": "Production", "replaced": "2"}
    assert {name: tags[f"move.{name}"] for name in expected} == expected
    assert run.info.start_time > 0
    assert run.data.params["version"] == "previous"
    # A registration is a move as well.
    (first,) = pipeline(promote).runs(
        "tags.`pipeline.step` = 'register' AND tags.`move.model` = 'journal_sentiment_analyzer'"
    )
    assert first.data.tags["move.to"] == "Production"


def test_a_rollback_is_not_undone_by_the_pipeline_that_made_the_newer_model(
    promote: Promote,
) -> None:
    promote(f"version={judged(promote, LOST).info.run_id}")
    code, said = promote("version=previous")
    assert (code, answers(promote, "latest")) == (0, answers(promote, "1")), said
    made = pipeline(promote)
    for words in (("-P", "model=sentiment"), LOST):
        again = made.main(*words)
        assert set(outcomes(again.stdout).values()) == {"reuse"}, again.stdout
    # Nor by one that is told to register: a person's decision stands.
    forced = made.main(*LOST, "-P", "force=register")
    assert forced.returncode == 3
    stages = [v.current_stage for v in made.client.search_model_versions(f"name = '{NAME}'")]
    assert sorted(stages) == ["Archived", "Archived", "Production"]
    assert answers(promote, "Production") == answers(promote, "1")


def test_staging_warns_that_latest_loads_it(promote: Promote) -> None:
    code, said = promote(f"version={judged(promote, LOST).info.run_id}", "stage=Staging")
    assert code == 0
    assert "services that load `latest` will load it" in said
    assert standing(pipeline(promote)) == {"champion": 1, "challenger": 2}


def test_emptying_production_warns(promote: Promote) -> None:
    code, said = promote("version=1", "stage=Archived")
    assert code == 0
    assert "nothing is in Production" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("version=9",), "has no version 9; there is: 1"),
        (("version=first",), "version=first is no version"),
        (("version=1", "stage=Live"), "unknown stage 'Live'"),
        (("version=previous",), "before version 1"),
        (("version=previous", "stage=Staging"), "goes to no other stage"),
        (("version=" + "0" * 32,), "there is no run"),
        (("versoin=1",), "Did you mean version?"),
        (("version=runs:/" + "0" * 32,), "there is no run"),
    ],
)
def test_mistakes_are_named_and_change_nothing(
    promote: Promote, words: tuple[str, ...], says: str
) -> None:
    before = len(pipeline(promote).runs())
    code, said = promote(*words)
    assert (code, says in said) == (2, True), said
    assert len(pipeline(promote).runs()) == before


def test_a_model_of_the_other_task_is_refused(promote: Promote) -> None:
    topics = pipeline(promote).runs("tags.`pipeline.step` = 'train' AND params.model = 'topics'")
    code, said = promote(f"version={topics[0].info.run_id}")
    assert code == 2
    assert "-P model=topics" in said


def test_a_stage_moved_by_hand_is_followed_by_the_next_main(promote: Promote) -> None:
    promote(f"version={judged(promote, LOST).info.run_id}")
    made = pipeline(promote)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for number, stage in (("2", "Archived"), ("1", "Production")):
            made.client.transition_model_version_stage(NAME, number, stage)
    done = made.main("-P", "model=sentiment")
    assert done.returncode == 0, done.stdout + done.stderr
    assert standing(made) == {"champion": 3}
    assert answers(promote, "latest") == answers(promote, "Production") == answers(promote, "1")
    assert "Nothing to do" in made.main("-P", "model=sentiment").stdout


def test_a_version_has_a_card_that_says_how_to_make_it_again(own: Pipeline) -> None:
    for name in (NAME, "adaptive_journal_topics"):
        version = own.client.get_model_version_by_alias(name, "champion")
        card = version.description
        split = own.newest("split")
        assert f"| train | {int(split.data.metrics['train_entries']):,} |" in card
        for said in ("## Trained on", "## Figures", "## Gates", "## Limits", "## How to make"):
            assert said in card
        for tag in ("data.splits", "data.candidate"):
            assert version.tags[tag] in card
        for said in ("## On journals it never saw", "## Behaviour", " of 33, neutral report "):
            assert (said in card) is (name == NAME)
        assert "passed · contract: " in card
        assert "passed · latency: " in card
        assert f"-P source={own.journal}" in card
        assert "Today was" not in card
        assert card.count("mlflow run ") == 1
    assert f"-P {TOPICS[1]}" in card


def test_json(own: Pipeline) -> None:
    listed = own.steps("promote", "-P", "model=sentiment", "--json")
    assert [row["version"] for row in json.loads(listed.stdout)["versions"]] == [1]


def test_two_versions_are_compared_on_new_data(
    promote: Promote, tmp_path: Path, made: Pipeline
) -> None:
    from tests.fakes import made_up_entries, write_csv

    promote(f"version={judged(promote, LOST).info.run_id}")
    new = write_csv(tmp_path / "new.csv", made_up_entries(1800)[:600] + made_up_entries(600, 5))
    on = pipeline(promote)
    assert (
        on.steps("main", "-P", f"source={new}", "-P", "seed=9", "-P", "until=split").returncode == 0
    )
    split = on.newest("split").info.run_id
    done = on.steps(
        *("evaluate", "-P", "model=sentiment", "-P", f"splits=runs:/{split}/splits"),
        *("-P", f"candidate=models:/{NAME}/2", "-P", f"against=models:/{NAME}/1"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = on.newest("evaluate")
    left_out = run.data.metrics["entries_left_out"]
    held_out = on.newest("split").data.metrics["test_entries"]
    assert 0 < left_out < held_out  # the old entries that it was trained on
    path = on.client.download_artifacts(run.info.run_id, "evaluation", tmp_path)
    evaluation = json.loads((Path(path) / "evaluation.json").read_text())
    assert evaluation["n_entries"] == held_out - left_out
    assert (Path(path) / "calibration.png").stat().st_size > 10_000
    compared = evaluation["champion"]
    assert compared["digest"] == on.client.get_model_version(NAME, "1").tags["pipeline.digest"]
    assert compared["n_entries"] + compared["n_left_out"] == evaluation["n_entries"]
    assert "shared entries" in compared["verdict"]["sentence"]
