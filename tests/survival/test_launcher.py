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


def test_what_a_killed_launcher_started_ends_and_its_run_is_closed(
    lanes: Callable[[str], Lane],
) -> None:
    lane, known = lanes("launched"), set[str]()
    for number in SIGNALS:
        process, _ = lane.halted("ingest", "end", "main", words=UNTIL, command=LAUNCH)
        os.kill(process.pid, number)
        process.communicate(timeout=PATIENCE)
        wait_until(lambda: not lane.processes(), "processes are left")
        runs = [run for run in lane.runs() if run.info.run_id not in known]
        known |= {run.info.run_id for run in runs}
        # An interrupted launcher makes FAILED of whatever its project said.
        closed = ["FAILED", "KILLED"] if number == signal.SIGINT else ["KILLED", "KILLED"]
        assert sorted(run.info.status for run in runs) == closed
        assert all(run.data.tags["pipeline.failure"].startswith("stopped") for run in runs)
    assert lane.run("main", *UNTIL)[0] == 0
    assert lane.left() == NOTHING_LEFT
