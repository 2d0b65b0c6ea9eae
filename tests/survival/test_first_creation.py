"""The first creation of a database, killed midway: it is redone, or the way out is said."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import mlflow
import pytest

from tests.survival.lane import NOTHING_LEFT, PATIENCE, Lane, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_creation_killed_midway_is_redone(lanes: Callable[[str], Lane]) -> None:
    lane, draw = lanes("fresh"), random.Random(1)
    until = ("-P", "until=ingest")
    fresh = lane.folder / "mlflow.db.fresh"
    for _ in range(3):
        fresh.unlink(missing_ok=True)
        process = lane.start("main", *until)
        wait_until(lambda: fresh.exists() and fresh.stat().st_size, "a database is begun")
        time.sleep(draw.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        if (lane.folder / "mlflow.db").exists():  # a fast machine had made all of it
            break
    code, said = lane.run("main", *until)
    assert code == 0, said
    assert lane.left() == NOTHING_LEFT


def test_a_half_made_database_is_noticed_and_the_way_out_is_said(
    lanes: Callable[[str], Lane],
) -> None:
    lane = lanes("half")
    mlflow.MlflowClient(lane.store).search_experiments()
    path = lane.folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as found:  # as a kill between two migrations leaves it
        found.execute("DROP TABLE secrets")
        found.execute("UPDATE alembic_version SET version_num = 'bda7b8c39065'")
        found.commit()
    code, said = lane.run("main", "-P", "until=ingest")
    assert code == 2
    assert "is half made: its creation was interrupted" in said
    assert f"rm {path}" in said
    assert "Traceback" not in said
