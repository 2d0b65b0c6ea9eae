"""`plan` names the true reason of every rerun; the same work has the same key anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from src.pipeline.results import SEAL
from src.promotion import quiet
from tests.fakes import copy_project, run_steps
from tests.steps.conftest import TOPICS, Pipeline
from tests.steps.test_pipeline import plan

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@contextmanager
def kept(path: Path) -> Iterator[bytes]:
    """Give a file's bytes, and put them back afterwards."""
    content = path.read_bytes()
    try:
        yield content
    finally:
        path.write_bytes(content)


FOLLOWS = "input predecessor"  # whatever is fitted anew follows the champion that there is now


def planned(made: Pipeline, *words: str) -> dict[str, str]:
    """Plan, and say why each job would run that does not merely follow from one before it."""
    return {
        title: reason
        for title, (outcome, reason) in plan(made, *words).items()
        if outcome == "run" and not reason.endswith("will change")
    }


def both(step: str, reason: str) -> dict[str, str]:
    return {f"{step} {model}": reason for model in ("sentiment", "topics")}


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "src/data/cleaning.py",
            "unicodedata.normalize(",
            "unicodedata.normalize(*[], ",
            {"ingest": "code src/data/cleaning.py"},
        ),
        (
            "src/evaluation/gates.py",
            "TOLERANCE = 0.02",
            "TOLERANCE = 0.03",
            both("evaluate", "code src/evaluation/gates.py"),
        ),
        ("src/data/splitting.py", "0.15", "0.16", {"split": "param valid: 0.15 → 0.16"}),
        (
            "src/training/train_topics_semantic.py",
            "\n    seeds = read",
            "\n    _ = 1\n    seeds = read",
            {"train topics": f"code src/training/train_topics_semantic.py, {FOLLOWS}"},
        ),
        (
            "src/models/sentiment_analyzer.py",
            "SCHEMA_VERSION = 1",
            "SCHEMA_VERSION = 2",
            {"train sentiment": "code src/models/sentiment_analyzer.py"},
        ),
        ("src/promotion.py", "LOOKS = 10", "LOOKS = 11", both("register", "code src/promotion.py")),
    ],
)
def test_an_edit_of_code(
    made: Pipeline, name: str, old: str, new: str, expected: dict[str, str]
) -> None:
    with kept(made.project / name) as content:
        assert old in content.decode()
        (made.project / name).write_text(content.decode().replace(old, new, 1))
        assert planned(made) == expected


def test_an_edit_of_a_parameter(made: Pipeline) -> None:
    assert planned(made, "-P", "seed=8") == {"split": "param seed: 7 → 8"}
    assert planned(made, "-P", "c=.5") == {"train sentiment": "param c: 0.1 → 0.5"}


@pytest.mark.parametrize(
    ("distribution", "steps"),
    [("rensa", ["split"]), ("scikit-learn", ["train sentiment", "train topics"])],
)
def test_another_version_of_what_a_step_imports(
    made: Pipeline,
    distribution: str,
    steps: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = tmp_path / f"{distribution.replace('-', '_')}-99.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 99.1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = planned(made)
    assert list(found) == steps
    for reason in found.values():
        assert reason.removeprefix(f"{FOLLOWS}, ").startswith(f"{distribution} ")
        assert reason.endswith(" → 99.1")


def test_an_edit_of_the_source(made: Pipeline) -> None:
    with kept(made.journal) as content:
        made.journal.write_bytes(content + b"One more entry,positive,person-1,2024-01-01,work\r\n")
        assert planned(made) == {"ingest": "input source"}
    assert planned(made) == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("src/data/journal/held_out.jsonl", "input journal"),
        ("src/evaluation/behaviour.jsonl", "input behaviour"),
    ],
)
def test_an_edit_of_what_sentiment_models_are_measured_on(
    made: Pipeline, name: str, reason: str
) -> None:
    with kept(made.project / name) as content:
        (made.project / name).write_bytes(content + b"\n")
        assert planned(made) == {"evaluate sentiment": reason}


def test_an_edit_of_an_artifact(made: Pipeline) -> None:
    location = made.newest("split").info.artifact_uri.removeprefix("file://")
    path = next(Path(location).rglob("test.parquet"))
    broken = {"split": "the seal does not hold: splits gone or altered since"}
    with kept(path) as content:
        path.write_bytes(content[:-10])
        assert planned(made) == broken
        path.write_bytes(content[:-1] + b"x")
        assert planned(made) == broken
        path.unlink()
        assert planned(made) == broken
    assert planned(made) == {}


def test_an_edit_of_the_registry(made: Pipeline) -> None:
    name = "adaptive_journal_topics"
    version = made.client.get_model_version_by_alias(name, "champion").version
    with quiet():
        made.client.transition_model_version_stage(name, version, "Archived")
    undone = "what its last run did outside the pipeline was undone since"
    assert planned(made) == {"register topics": undone}


def test_other_spellings_places_people_and_stores_have_the_same_keys(
    made: Pipeline, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "somewhere else"
    elsewhere.mkdir()
    journal = shutil.copy(made.journal, elsewhere)
    home = tmp_path / "home"
    home.mkdir()
    done = run_steps(
        copy_project(elsewhere),
        *("main", "-P", "until=train", "-P", "seed=07", "-P", f"source={journal}"),
        *("-P", "test=.200", "-P", "c=.10", "-P", "model=all", *TOPICS),
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/other.db",
        MLFLOW_ARTIFACTS_DESTINATION=str(tmp_path / "bucket"),
        HOME=str(home),
        USER="somebody",
        LOGNAME="somebody",
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = Pipeline(elsewhere, Path(journal), f"sqlite:///{tmp_path}/other.db")
    keys = [digests(one, ("ingest", "split", "train")) for one in (made, there)]
    assert len(keys[0]) == 4
    assert keys[0] == keys[1]
    assert all(run.info.artifact_uri.startswith(str(tmp_path / "bucket")) for run in there.runs())


def digests(made: Pipeline, steps: tuple[str, ...]) -> set[str]:
    """Give the keys of what was sealed."""
    return {
        tag.removeprefix(SEAL)
        for run in made.runs()
        if run.data.tags.get("pipeline.step") in steps
        for tag in run.data.tags
        if tag.startswith(SEAL)
    }
