"""`mlflow run` itself is killed: what it started ends too, and the next start closes its run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.survival.lane import NOTHING_LEFT, PATIENCE, SIGNALS, Lane, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LAUNCH = ("-m", "mlflow", "run", ".", "-e", "main", "--env-manager", "local")
UNTIL = ("-P", "until=split")


@pytest.mark.parametrize("number", SIGNALS)
def test_what_a_killed_launcher_started_ends_and_its_run_is_closed(
    lanes: Callable[[str], Lane], number: signal.Signals
) -> None:
    lane = lanes("launched")
    process, _ = lane.halted("ingest", "end", "main", words=UNTIL, command=LAUNCH)
    os.kill(process.pid, number)
    process.communicate(timeout=PATIENCE)
    wait_until(lambda: not lane.processes(), "processes are left")
    closed = {run.info.status for run in lane.runs()}
    # An interrupted launcher makes FAILED of whatever its project said.
    assert closed == ({"FAILED", "KILLED"} if number == signal.SIGINT else {"KILLED"})
    assert all(run.data.tags["pipeline.failure"] for run in lane.runs())
    assert lane.run("main", *UNTIL)[0] == 0
    assert lane.left() == NOTHING_LEFT
