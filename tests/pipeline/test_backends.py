"""What people write about where steps run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from journal_models_ray import Refused
from mlflow.exceptions import ExecutionException

from src.errors import UserError
from src.pipeline.backends import LOCAL, Backend, read_backends
from src.pipeline.runs import Store
from tests.fakes import PROJECT

pytestmark = pytest.mark.unit

STEPS = ("ingest", "train")


@pytest.mark.parametrize(
    ("typed", "ingest", "train"),
    [
        ("", LOCAL, LOCAL),
        ("kubernetes", "kubernetes", "kubernetes"),
        ("train:kubernetes", LOCAL, "kubernetes"),
        ("kubernetes,ingest:local", LOCAL, "kubernetes"),
        ("ingest:databricks, train:kubernetes", "databricks", "kubernetes"),
    ],
)
def test_one_backend_for_all_or_one_per_step(typed: str, ingest: str, train: str) -> None:
    found = read_backends(typed, "", STEPS)
    assert {name: backend.name for name, backend in found.items()} == {
        "ingest": ingest,
        "train": train,
    }


def test_settings_are_a_file_for_all_or_a_file_per_step(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps({"cpus": 4}))
    of_folder = read_backends("kubernetes", str(tmp_path), STEPS)
    assert of_folder == {
        "ingest": Backend("kubernetes"),
        "train": Backend("kubernetes", {"cpus": 4}),
    }
    of_file = read_backends("train:kubernetes", str(tmp_path / "train.json"), STEPS)
    assert of_file == {"ingest": Backend(), "train": Backend("kubernetes", {"cpus": 4})}


@pytest.mark.parametrize(
    ("typed", "config", "said"),
    [
        ("kubernets", "", "Did you mean kubernetes?"),
        ("trian:kubernetes", "", "Did you mean train?"),
        ("kubernetes", "nothing.json", "nothing.json cannot be read"),
        ("kubernetes", "list.json", "holds no JSON object"),
        ("kubernetes", "cut.json", "cut.json cannot be read"),
    ],
)
def test_a_mistake_says_what_is_allowed(typed: str, config: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(UserError) as caught:
        read_backends(typed, config and str(tmp_path / config), STEPS)
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_the_settings_on_the_page_are_read(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "backends.md").read_text(encoding="utf-8")
    shown = [json.loads(part.partition("```")[0]) for part in page.split("```json\n")[1:]]
    assert len(shown) == 3
    for content in shown:
        (tmp_path / "train.json").write_text(json.dumps(content))
        found = read_backends("train:databricks", str(tmp_path), ["ingest", "train"])
        assert found["train"].config == content
        assert found["ingest"].name == "local"


def test_a_backend_of_ours_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.pipeline.backends.entry_points", lambda group: [])
    with pytest.raises(UserError) as caught:
        read_backends("train:ray", "", STEPS)
    assert caught.value.hint == "Install it: uv pip install ./backends/ray -c requirements.txt"


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ExecutionException("Run (ID '7') failed"), "its process was killed, or ran out of memory"),
        (ExecutionException("its job failed: Killed"), "its job failed: Killed"),
    ],
)
def test_what_a_backend_says_of_a_step_is_kept(
    error: Exception, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, said = started_by(error, monkeypatch)
    assert not store.start("train", "train topics", {}, Backend("ray"))
    assert said == [kept]


def test_a_backend_that_starts_nothing_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    store, said = started_by(Refused("nothing answers.", "Start it."), monkeypatch)
    with pytest.raises(UserError, match="train topics: nothing answers") as caught:
        store.start("train", "train topics", {}, Backend("ray"))
    assert (caught.value.hint, said) == ("Start it.", [])


def started_by(error: Exception, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[str]]:
    """A store whose steps all end with an error, and what it notes of them."""

    def run(*words: object, **more: object) -> None:
        raise error

    said = list[str]()
    store = object.__new__(Store)
    store.experiment_id = "0"
    monkeypatch.setattr("mlflow.projects.run", run)
    monkeypatch.setattr(Store, "_close_child", lambda self, step, status, why: said.append(why))
    return store, said
