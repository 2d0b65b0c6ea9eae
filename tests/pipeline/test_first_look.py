"""What an experiment is given to be looked at with: once, and never over somebody's own."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from src.pipeline.first_look import DESCRIPTION, FIGURES, KIND, NOTE, VIEW, dress

pytestmark = pytest.mark.unit


class Client:
    """An experiment, and the tags that were set on it."""

    def __init__(self, tags: dict[str, str] | None = None, away: bool = False) -> None:
        self.tags, self.away, self.set = tags or {}, away, list[str]()

    def get_experiment(self, experiment_id: str) -> Any:
        return SimpleNamespace(creation_time=1_700_000_000_000, tags=dict(self.tags))

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        if self.away:
            raise MlflowException("the experiment is deleted")
        self.set.append(name)
        self.tags[name] = value


def test_an_experiment_is_described_and_given_its_views_once() -> None:
    client = Client()
    dress(client, "0")  # type: ignore[arg-type]
    assert client.tags[NOTE] == DESCRIPTION
    assert {f"{VIEW}models", f"{VIEW}runs", NOTE, KIND} == set(client.set)
    dress(client, "0")  # type: ignore[arg-type]
    assert len(client.set) == 4


@pytest.mark.parametrize("name", [NOTE, KIND, f"{VIEW}models"])
def test_what_somebody_has_chosen_stays(name: str) -> None:
    client = Client({name: "theirs"})
    dress(client, "0")  # type: ignore[arg-type]
    assert client.tags[name] == "theirs"
    assert len(client.set) == 3


def test_a_store_that_refuses_is_no_reason_to_fail() -> None:
    client = Client(away=True)
    dress(client, "0")  # type: ignore[arg-type]
    assert client.set == []


def test_a_view_is_saved_as_the_ui_reads_it_and_is_the_same_each_time() -> None:
    first, second = Client(), Client()
    for client in (first, second):
        dress(client, "0")  # type: ignore[arg-type]
    assert first.tags == second.tags
    view = json.loads(first.tags[f"{VIEW}models"])
    assert view["name"] == "Models"
    state = json.loads(view["state"])
    assert state["searchFilter"] == "tags.`pipeline.step` = 'evaluate'"
    assert state["selectedColumns"][1:] == [f"metrics.`{name}`" for name in FIGURES]
