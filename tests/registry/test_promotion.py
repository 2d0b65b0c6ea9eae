"""Versions move so that `latest` and Production answer alike, whoever moves them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND
from sqlalchemy import event
from sqlalchemy.orm import Session

from src import promotion, registry
from src.errors import UserError
from src.pipeline.patience import written
from src.promotion import move
from src.registry import ARCHIVED, NONE, PRODUCTION, STAGING
from tests.fakes import PROJECT, environment
from tests.registry.conftest import NAME, PERSON, Registry

pytestmark = pytest.mark.integration


def test_a_better_model_takes_the_place_of_the_champion(shelf: Registry) -> None:
    shelf.promote("a")
    shelf.promote("b")
    assert shelf.stages() == {1: ARCHIVED, 2: PRODUCTION}
    assert shelf.aliases() == {"champion": 2}
    assert shelf.get(1).tags[registry.SUPERSEDED_BY] == "2"
    assert registry.settled(NAME)


def test_an_older_version_is_registered_again_so_that_latest_answers_alike(
    shelf: Registry,
) -> None:
    shelf.promote("a")
    shelf.promote("b")
    done = move(shelf.get(1), PRODUCTION, PERSON)
    assert done.version.number == 3
    assert "version 3 (version 1 again) is in Production in place of version 2" in done.sentence
    assert shelf.stages() == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}
    assert shelf.latest() == "a"
    assert shelf.production() == ["a"]
    assert shelf.aliases() == {"champion": 3}
    # What a person set aside is not marked as beaten: no evaluation brings it back by itself.
    assert registry.SUPERSEDED_BY not in shelf.get(2).tags
    assert registry.SUPERSEDED_BY not in shelf.get(3).tags


def test_a_move_is_written_below_the_card_of_both(shelf: Registry) -> None:
    shelf.promote("a")
    shelf.promote("b")
    move(shelf.get(1), PRODUCTION, PERSON)
    new, old = shelf.get(3).description, shelf.get(2).description
    assert new.startswith("_Version 1 again._\n\ncard\n\n## Moves\n")
    assert "Archived → Production, by ann. she wants it (run `r1`)" in new
    assert old.count("\n- ") == 2
    assert "Production → Archived, replaced by version 3, by ann." in old


def test_card_and_moves_stay_within_what_a_database_holds() -> None:
    """PostgreSQL refuses a longer description, which sqlite takes."""
    moves = [f"- move {number} {'because' * 30}" for number in range(50)]
    said = registry.fitted("card " * 500, "\n" + "\n".join(moves))
    assert len(said) <= 5_000
    assert said.startswith("card card")
    assert said.endswith(moves[-1])
    assert "- move 45 " in said
    assert "- move 1 " not in said
    long = registry.fitted("card " * 5_000, "\n" + "\n".join(moves))
    assert len(long) <= 5_000
    assert long.count("\n- move ") == 3
    assert registry.fitted("card " * 5_000).endswith("card…")
    assert registry.fitted("card") == "card"


def test_previous_goes_back_and_back_again(shelf: Registry) -> None:
    for content in "abc":
        shelf.promote(content)
    for expected in ("b", "c", "b"):
        done = move(promotion.previous(NAME), PRODUCTION, PERSON)
        assert done.version.digest == expected
        assert (shelf.latest(), shelf.production()) == (expected, [expected])
        assert shelf.get(done.version.number).description.count("again._") == (
            done.version.number > 3
        )


def test_there_is_no_previous_before_the_first(shelf: Registry) -> None:
    with pytest.raises(UserError, match="stood in Production so far"):
        promotion.previous(NAME)
    shelf.promote("a")
    with pytest.raises(UserError, match="before version 1"):
        promotion.previous(NAME)


def test_previous_of_a_version_that_was_deleted_is_the_newest_archived(shelf: Registry) -> None:
    for content in "abc":
        shelf.promote(content)
    shelf.client.delete_model_version(NAME, "2")
    assert promotion.previous(NAME).number == 1


def test_what_is_in_production_already_is_not_moved(shelf: Registry) -> None:
    shelf.promote("a")
    before = shelf.get(1)
    done = move(before, PRODUCTION, PERSON)
    assert not done.moved
    assert "is in Production already" in done.sentence
    assert shelf.get(1) == before


def test_the_newest_version_of_the_same_model_moves_itself(shelf: Registry) -> None:
    shelf.promote("a")
    move(shelf.get(1), ARCHIVED, PERSON)
    assert shelf.aliases() == {}
    assert registry.settled(NAME)
    move(shelf.get(1), PRODUCTION, PERSON)
    assert shelf.stages() == {1: PRODUCTION}


def test_staging_asked_for_stays_the_newest_until_it_leaves(shelf: Registry) -> None:
    shelf.promote("a")
    staged = move(shelf.add("b"), STAGING, PERSON).version
    assert shelf.stages() == {1: PRODUCTION, 2: STAGING}
    assert shelf.aliases() == {"champion": 1, "challenger": 2}
    assert registry.settled(NAME)
    move(staged, NONE, PERSON)
    assert shelf.stages() == {1: ARCHIVED, 2: NONE, 3: PRODUCTION}
    assert (shelf.latest(), shelf.production()) == ("a", ["a"])
    assert shelf.aliases() == {"champion": 3}


class TestByHand:
    """The stage is the truth, also when a person moved it in the UI."""

    def test_of_two_in_production_the_newest_stays(self, shelf: Registry) -> None:
        shelf.promote("a")
        shelf.add("b")
        shelf.by_hand(2, PRODUCTION)
        assert not registry.settled(NAME)
        promotion.settle(NAME)
        assert shelf.stages() == {1: ARCHIVED, 2: PRODUCTION}
        assert shelf.aliases() == {"champion": 2}
        assert promotion.previous(NAME).number == 1

    def test_an_older_one_becomes_the_newest(self, shelf: Registry) -> None:
        shelf.promote("a")
        shelf.promote("b")
        shelf.by_hand(2, ARCHIVED)
        shelf.by_hand(1, PRODUCTION)
        assert not registry.settled(NAME)
        promotion.settle(NAME)
        assert shelf.stages() == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}
        assert (shelf.latest(), shelf.production()) == ("a", ["a"])
        assert shelf.aliases() == {"champion": 3}
        assert promotion.previous(NAME).number == 2

    def test_archiving_the_champion_leaves_none(self, shelf: Registry) -> None:
        shelf.promote("a")
        shelf.by_hand(1, ARCHIVED)
        assert not registry.settled(NAME)
        promotion.settle(NAME)
        assert registry.champion(NAME) is None
        assert shelf.aliases() == {}

    def test_a_move_to_none_is_not_taken_for_an_interrupted_registration(
        self, shelf: Registry
    ) -> None:
        shelf.promote("a")
        assert registry.left_behind(shelf.add("b"))
        shelf.by_hand(1, NONE)
        assert not registry.left_behind(shelf.get(1))

    def test_a_moved_alias_goes_back_to_the_stage(self, shelf: Registry) -> None:
        shelf.promote("a")
        shelf.promote("b")
        shelf.client.set_registered_model_alias(NAME, "champion", "1")
        assert not registry.settled(NAME)
        promotion.settle(NAME)
        assert shelf.aliases() == {"champion": 2}


def test_a_registration_cut_short_is_put_right_by_the_next_look(shelf: Registry) -> None:
    shelf.promote("a")
    shelf.add("b")
    assert shelf.latest() != shelf.production()[0]
    promotion.settle(NAME)
    assert (shelf.latest(), shelf.production()) == ("a", ["a"])


class TestWithoutStages:
    """Where the registry has no stages, aliases alone serve."""

    @pytest.fixture(
        params=[
            NotImplementedError(),
            MlflowException("Stages are unsupported here."),
            MlflowException("no such endpoint", error_code=ENDPOINT_NOT_FOUND),
        ],
        ids=["not implemented", "unsupported", "no endpoint"],
    )
    def stageless(
        self, shelf: Registry, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Registry:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise request.param

        monkeypatch.setattr(mlflow.MlflowClient, "transition_model_version_stage", refuse)
        return shelf

    def test_promotion_and_rollback(self, stageless: Registry) -> None:
        stageless.promote("a")
        assert stageless.aliases() == {"champion": 1}
        stageless.promote("b")
        assert stageless.stages() == {1: ARCHIVED, 2: PRODUCTION}
        move(promotion.previous(NAME), PRODUCTION, PERSON)
        assert stageless.stages() == {1: ARCHIVED, 2: ARCHIVED, 3: PRODUCTION}
        assert stageless.aliases() == {"champion": 3}
        assert stageless.latest() == "a"
        assert registry.settled(NAME)
        move(stageless.get(3), ARCHIVED, PERSON)
        assert stageless.aliases() == {}
        assert registry.champion(NAME) is None

    def test_an_alias_moved_by_hand_is_the_truth(self, stageless: Registry) -> None:
        stageless.promote("a")
        stageless.promote("b")
        stageless.client.set_registered_model_alias(NAME, "champion", "1")
        best = registry.champion(NAME)
        assert best is not None
        assert best.number == 1
        promotion.settle(NAME)
        assert stageless.production() == ["a"]
        assert stageless.latest() == "a"


def test_other_errors_of_the_registry_are_not_taken_for_missing_stages(
    shelf: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.promote("a")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise MlflowException("the database is locked")

    monkeypatch.setattr(mlflow.MlflowClient, "transition_model_version_stage", refuse)
    with pytest.raises(MlflowException, match="locked"):
        shelf.promote("b")


class TestAtOnce:
    """Two promotions at once leave one Production, and `latest` is it."""

    def between(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        """Let something happen once, between a move's look at the registry and its change."""
        real = mlflow.MlflowClient.transition_model_version_stage
        waiting = [act]

        def interrupted(client: Any, *args: Any, **kwargs: Any) -> Any:
            if waiting:
                waiting.pop()()
            return real(client, *args, **kwargs)

        monkeypatch.setattr(mlflow.MlflowClient, "transition_model_version_stage", interrupted)

    def test_the_last_to_move_wins_whichever_is_newer(
        self, shelf: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.promote("a")
        other, mine = shelf.add("b"), shelf.add("c")
        self.between(monkeypatch, lambda: move(other, PRODUCTION, PERSON))
        move(mine, PRODUCTION, PERSON)
        assert (shelf.latest(), shelf.production()) == ("c", ["c"])
        assert registry.settled(NAME)

    def test_two_left_in_production_by_a_stale_look_become_one(
        self, shelf: Registry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.promote("a")
        mine = shelf.add("b")

        def other() -> None:
            shelf.add("c")
            shelf.by_hand(3, PRODUCTION)

        settle = promotion.settle
        monkeypatch.setattr(promotion, "settle", lambda name: (other(), settle(name)))
        with pytest.raises(UserError, match="somebody else at the same time: version 3"):
            move(mine, PRODUCTION, PERSON)
        assert (shelf.latest(), shelf.production()) == ("c", ["c"])
        assert registry.settled(NAME)

    def test_a_write_that_collides_is_made_again(self, shelf: Registry) -> None:
        shelf.promote("a")
        waiting = ["theirs"]

        def meanwhile(*_: object) -> None:  # after MLflow's look, before its insert
            if waiting:
                shelf.client.set_model_version_tag(NAME, "1", "pipeline.test", waiting.pop())

        event.listen(Session, "before_flush", meanwhile)
        try:
            with pytest.raises(MlflowException, match="UNIQUE"):
                shelf.client.set_model_version_tag(NAME, "1", "pipeline.test", "mine")
            assert shelf.get(1).tags["pipeline.test"] == "theirs"
            shelf.client.delete_model_version_tag(NAME, "1", "pipeline.test")
            waiting.append("theirs")
            written(shelf.client.set_model_version_tag, NAME, "1", "pipeline.test", "mine")
        finally:
            event.remove(Session, "before_flush", meanwhile)
        assert shelf.get(1).tags["pipeline.test"] == "mine"

    def test_a_write_that_is_refused_is_not_made_again(self, shelf: Registry) -> None:
        asked = list[str]()

        def refused(number: str) -> None:
            asked.append(number)
            shelf.client.set_model_version_tag(NAME, number, "pipeline.test", "mine")

        with pytest.raises(MlflowException, match="not found"):
            written(refused, "99")
        assert asked == ["99"]

    @pytest.mark.slow
    def test_two_processes(self, shelf: Registry, uri: str, tmp_path: Path) -> None:
        shelf.promote("a")
        shelf.promote("b")
        go = tmp_path / "go"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", MOVER, str(number), str(go)],
                cwd=PROJECT,
                env=environment(tmp_path, MLFLOW_TRACKING_URI=uri),
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in (1, 2)
        ]
        try:
            assert [p.stdout.readline() for p in processes if p.stdout] == ["ready\n"] * 2
            go.touch()
            said = [json.loads(p.communicate(timeout=300)[0]) for p in processes]
        finally:
            for process in processes:
                process.kill()
        assert all(set(outcomes) <= {"won", "lost"} for outcomes in said)
        assert "won" in said[0] + said[1]
        assert len(shelf.production()) == 1
        assert [shelf.latest()] == shelf.production()
        assert registry.settled(NAME)


MOVER = f"""
import json, sys, time, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from src import promotion, registry
from src.errors import UserError
number, go = int(sys.argv[1]), Path(sys.argv[2])
known = next(v for v in registry.versions({NAME!r}) if v.number == number)
print("ready", flush=True)
while not go.exists():
    time.sleep(0.01)
said = []
for turn in range(6):
    try:
        promotion.move(known, "Production", promotion.Reason("x", "y", "z"))
        said.append("won")
    except UserError:
        said.append("lost")
print(json.dumps(said))
"""
