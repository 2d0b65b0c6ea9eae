"""Claims on a real store: one holder at a time, the dead are succeeded, nothing is left."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from src.pipeline.claims import PREFIX, SERIAL, Claim, Claims, claimed
from src.pipeline.owner import HEARTBEAT, OWNER, SILENT_SECONDS, Owner, is_alive, me
from tests.services import postgres
from tools.serve import mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KEY = "0" * 32
GONE = replace(me(), pid=2**22 - 3, started=1.0)
ELSEWHERE = replace(me(), host="elsewhere", boot="another")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("claims") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def claims(database: Path, tmp_path: Path) -> Iterator[Claims]:
    uri = f"sqlite:///{shutil.copy(database, tmp_path / 'mlflow.db')}"
    yield Claims(mlflow.MlflowClient(uri, uri), "0")


@pytest.fixture(params=["sqlite", "postgresql", "server"])
def anywhere(request: pytest.FixtureRequest, claims: Claims, tmp_path: Path) -> Iterator[Claims]:
    """Claims in each kind of store."""
    with ExitStack() as stack:
        uri = claims.client.tracking_uri
        if request.param == "postgresql":
            uri = stack.enter_context(postgres()).create("claims")
        elif request.param == "server":
            uri = stack.enter_context(mlflow_server(tmp_path, uri))
        yield Claims(mlflow.MlflowClient(uri, uri), "0")


def left_by(claims: Claims, owner: Owner, name: str, serial: str, beat: float = 0.0) -> None:
    """Put a claim into the store as if a process had made it and died."""
    tags = {OWNER: json.dumps(asdict(owner)), HEARTBEAT: str(beat), SERIAL: serial}
    claims.client.create_registered_model(f"{PREFIX}0-{name}", tags)


def test_a_claim_that_is_held_is_not_given_and_is_gone_when_released(claims: Claims) -> None:
    won, mine = claims.take(KEY, "run")
    assert won
    lost, theirs = claims.take(KEY, "other")
    assert not lost
    assert theirs.run_id == "run"
    assert str(theirs) == f"run run of pid {me().pid} on {me().host}"
    claims.release(KEY, mine)
    assert claims.all(PREFIX) == []


@pytest.mark.parametrize("deaths", [1, 3])
def test_the_dead_are_succeeded_and_cleared_away(claims: Claims, deaths: int) -> None:
    left_by(claims, GONE, KEY, "s0")
    for number in range(1, deaths):
        left_by(claims, GONE, f"{KEY}-s{number - 1}", f"s{number}")
    won, mine = claims.take(KEY, "")
    assert won
    assert mine.name.endswith(f"-s{deaths - 1}")
    assert claims.take(KEY, "")[0] is False
    claims.release(KEY, mine)
    assert claims.all(PREFIX) == []


def test_a_successor_whose_chain_was_given_up_meanwhile_is_withdrawn(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by(claims, GONE, KEY, "s0")
    make = Claims._make
    names: list[str] = []

    def late(self: Claims, name: str, tags: Any) -> bool:
        if name.endswith("-s0") and not names:  # another one succeeds, works and is done first
            names.append(name)
            self._remove(f"{PREFIX}0-{KEY}")
        return make(self, name, tags)

    monkeypatch.setattr(Claims, "_make", late)
    won, mine = claims.take(KEY, "")
    assert won
    assert mine.name == f"{PREFIX}0-{KEY}"
    assert [claim.name for claim in claims.all(PREFIX)] == [mine.name]


def test_a_claim_that_the_store_made_without_saying_so_is_ours(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = claims.client.create_registered_model

    def twice(*words: object) -> None:
        create(*words)  # type: ignore[arg-type]
        create(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(claims.client, "create_registered_model", twice)
    won, mine = claims.take(KEY, "")
    assert won
    assert [claim.token for claim in claims.all(PREFIX)] == [mine.token]


def test_what_dead_owners_left_is_cleared_and_what_is_held_stays(claims: Claims) -> None:
    left_by(claims, GONE, "1" * 32, "s0")
    left_by(claims, GONE, f"{'2' * 32}-unknown", "s0")
    left_by(claims, me(), "3" * 32, "s0")
    claims.clear_dead()
    assert [claim.name for claim in claims.all(PREFIX)] == [f"{PREFIX}0-{'3' * 32}"]


@pytest.mark.parametrize(
    ("owner", "silent_for", "alive"),
    [
        (me(), 1e9, True),
        (GONE, 0, False),
        (replace(me(), started=me().started - 5), 0, False),  # its number was given again
        (ELSEWHERE, SILENT_SECONDS / 2, True),
        (ELSEWHERE, SILENT_SECONDS * 2, False),
    ],
)
def test_an_owner_lives_by_its_process_here_and_by_its_heartbeat_elsewhere(
    owner: Owner, silent_for: float, alive: bool
) -> None:
    tags = {OWNER: json.dumps(asdict(owner)), HEARTBEAT: str(time.time() - silent_for)}
    assert is_alive(tags) == alive
    assert Claim("x", tags).is_held == alive
    worker = {f"pipeline.worker{name}": value for name, value in me().as_tags().items()}
    assert Claim("x", tags | worker).is_held


def test_a_step_that_a_driver_started_works_under_its_claim(claims: Claims) -> None:
    won, drivers = claims.take(KEY, "parent")
    assert won
    with claimed(claims, KEY, "child", "parent", lambda: None, print) as found:
        assert found is None
        (held,) = claims.all(PREFIX)
        assert f"pipeline.worker{OWNER}" in held.tags
    assert len(claims.all(PREFIX)) == 1  # the driver's to give up
    claims.release(KEY, drivers)


def test_of_many_at_once_one_works_and_the_others_take_its_result(anywhere: Claims) -> None:
    """Half of them fail first; a dead owner's claim lies in the way."""
    claims = anywhere
    left_by(claims, GONE, KEY, "s0")
    inside: list[int] = []
    made: list[int] = []
    told: list[str] = []

    def work(number: int) -> int:
        client = mlflow.MlflowClient(claims.client.tracking_uri, claims.client.tracking_uri)
        own = Claims(client, "0")
        for attempt in range(2):
            held = claimed(
                own,
                KEY,
                f"run-{number}",
                "",
                lambda: made[0] if made else None,
                lambda claim: told.append(claim.run_id),
            )
            with held as found:
                if found is not None:
                    return found
                inside.append(number)
                time.sleep(random.Random(number).uniform(0, 0.05))
                assert inside == [number]
                inside.clear()
                if number % 2 or attempt:
                    made.append(number)
                    return number
        raise AssertionError("neither made nor found")

    with ThreadPoolExecutor(8) as pool:
        results = set(pool.map(work, range(8)))
    assert len(made) == 1
    assert results == set(made)
    assert all(run_id.startswith("run-") for run_id in told)
    assert claims.all(PREFIX) == []
