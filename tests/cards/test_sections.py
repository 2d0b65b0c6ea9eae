"""What cards show of a search, of data beside the last, of rules, and of changed topics."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from src.cards.card import Card, render
from src.cards.ingest_card import beside_last, expectations
from src.cards.topics_card import what_changed
from src.cards.train_card import learned, searched
from src.data import expectations as judging
from src.data.measured import Measured
from src.data.profile import Profile
from src.data.rules import RULES
from src.training.topic_identity import Change, table
from tests.cards.test_cards import check

pytestmark = pytest.mark.unit


class Trials:
    """The trials of a search as the store has them, newest first."""

    def __init__(self, *trials: dict[str, Any]) -> None:
        self.trials, self.asked = trials, ""

    def search_runs(self, ids: list[str], query: str, max_results: int) -> list[Any]:
        self.asked = query
        tags = [{"pipeline.tried.digest": json.dumps(trial)} for trial in reversed(self.trials)]
        return [SimpleNamespace(data=SimpleNamespace(tags=each)) for each in tags]


def context_of(client: Trials, trials: int) -> Any:
    store = SimpleNamespace(client=client, experiment_id="0")
    params = SimpleNamespace(trials=trials)
    return SimpleNamespace(params=params, digest="digest", store=store)


def test_a_search_shows_each_trial_and_the_best_so_far() -> None:
    client = Trials(
        {"number": 1, "params": {"c": 1}, "value": 0.5},
        {"number": 2, "params": {"c": 2}, "value": None},
        {"number": 3, "params": {"c": 3}, "value": 0.4},
        {"number": 2, "params": {"c": 4}, "value": 0.75},  # it was started anew: the newest counts
    )
    (section,) = searched(context_of(client, 3))
    assert section.table
    assert section.table.columns == ("trial", "metric", "c")
    assert section.table.rows == [(1, 0.5, 1), (2, 0.75, 4), (3, 0.4, 3)]
    (drawn,) = section.figures
    assert [row[2] for row in drawn.table.rows] == [0.5, 0.75, 0.75]
    assert "pipeline.tried.digest" in client.asked
    check(render(Card("train", "h", sections=[section])))


def test_trials_that_failed_are_no_best() -> None:
    client = Trials(
        {"number": 1, "params": {}, "value": None}, {"number": 2, "params": {"c": 1}, "value": 0.5}
    )
    (section,) = searched(context_of(client, 2))
    (drawn,) = section.figures
    assert str(drawn.table.rows[0][2]) == "nan"
    assert drawn.table.rows[1] == (2, 0.5, 0.5)


def test_without_a_search_nothing_is_asked() -> None:
    client = Trials()
    assert searched(context_of(client, 0)) == []
    assert client.asked == ""
    assert searched(context_of(client, 5)) == []


LAST = Profile(
    rows=200,
    entries=100,
    authors=10,
    lengths={10: 100},
    labels={"negative": 50, "positive": 50},
    sources={"old.csv": 100},
)
NOW = Profile(
    rows=100,
    entries=100,
    authors=12,
    lengths={20: 50, 30: 50},
    labels={"positive": 75, "negative": 25},
    sources={"new.csv": 100},
    scores={4.0: 100},
)


def test_data_stand_beside_the_last_that_were_accepted() -> None:
    section = beside_last(NOW, LAST, "abcdef0123456789")
    assert section.table
    rows = {row[0]: row[1:] for row in section.table.rows}
    assert rows["entries"] == (100, 100, 0)
    assert rows["authors"] == (12, 10, 2)
    assert rows["left out of the rows"] == (0.0, 0.5, -0.5)
    assert rows["characters, mean"] == (25.0, 10.0, 15.0)
    assert rows["label negative"] == (0.25, 0.5, -0.25)
    assert rows["source new.csv"] == (1.0, 0.0, 1.0)
    assert rows["source old.csv"] == (0.0, 1.0, -1.0)
    assert rows["score, mean"] == (4.0, None, None)
    assert "run abcdef01" in section.words[0]
    (drawn,) = section.figures
    assert drawn.table.rows == [("now", 25, 0, 75, 0), ("last", 50, 0, 50, 0)]
    check(render(Card("ingest", "h", sections=[section])))


def test_no_entries_can_stand_beside_some() -> None:
    check(render(Card("t", "h", sections=[beside_last(Profile(0, 0, 0), LAST, "a")])))


def test_rules_stand_with_what_was_found_and_their_limits_the_broken_first() -> None:
    by_name = {rule.name: rule for rule in RULES}
    findings = [
        judging.Finding(by_name["median_length"], Measured(79, 0, float("inf"))),
        judging.Finding(by_name["empty_texts"], Measured(0.5, 0.4, 0.6), "at_most"),
    ]
    section = expectations(judging.table(findings))
    assert section.table
    most = by_name["empty_texts"].at_most
    assert most
    assert section.table.rows[0] == (
        "empty texts: broken", "50 %", "40 % to 60 %", "–", f"{100 * most:.3g} %"
    )  # fmt: skip
    assert section.table.rows[1][:3] == ("median length", "79", "0 and more")


def test_what_became_of_topics_is_a_table_the_largest_moves_first() -> None:
    changes = [
        Change(1, "work", "kept", "work", 0.9, 0.2, 0.21, [1], [1]),
        Change(2, "garden", "renamed", "roses", 0.8, 0.5, 0.3, [2], [2, 4]),
        Change(4, "soil", "new", "", 0.0, 0.0, 0.1, [2], []),
    ]
    section = what_changed(table(changes).to_pylist(), "Beside models:/t/1: 2 stayed.")
    assert section.table
    assert section.table.rows == [
        (2, "garden", "renamed", "roses", 0.5, 0.3, "", "soil"),
        (4, "soil", "new", "", 0.0, 0.1, "garden", ""),
        (1, "work", "kept", "", 0.2, 0.21, "", ""),
    ]
    assert section.words[0] == "Beside models:/t/1: 2 stayed."


def test_a_network_shows_how_it_learned() -> None:
    tables = {"learning_curve.json": {"epoch": [1, 2, 3], "f1_macro": [0.4, 0.6, 0.5]}}
    (section,) = learned(SimpleNamespace(tables=tables))  # type: ignore[arg-type]
    (figure,) = section.figures
    assert [tuple(row)[:2] for row in figure.table.rows] == [(1, 0.4), (2, 0.6), (3, 0.5)]
    assert learned(SimpleNamespace(tables={})) == []  # type: ignore[arg-type]
