"""Drivers that start at once on one store: each step's work is done once, and all end equal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from src.pipeline.owner import process_lives, start_of
from tests.survival.lane import NOTHING_LEFT, PATIENCE, STEPS, Lane

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def work_of(lane: Lane) -> dict[str, int]:
    """Count for each step the runs that did its work."""
    found = dict.fromkeys(STEPS, 0)
    for run in lane.runs():
        step = run.data.tags.get("pipeline.step", "")
        if step in found and "pipeline.reused" not in run.data.tags:
            found[step] += 1
    return found


def test_drivers_at_once_do_each_work_once(lanes: Callable[[str], Lane], undisturbed: Lane) -> None:
    lane, n = lanes("together"), 8
    creations = lane.folder / "creations"
    drivers = [lane.start("main", CREATIONS=str(creations)) for _ in range(n)]
    said = [driver.communicate(timeout=PATIENCE * 2)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * n, "\n\n".join(said)
    assert work_of(lane) == dict.fromkeys(STEPS, 1), "\n\n".join(said)
    assert lane.results() == undisturbed.results()
    assert len(creations.read_text().split()) == 1
    assert any("waiting for another run of the same work, run " in text for text in said)
    assert lane.left() == NOTHING_LEFT
    (version,) = lane.client.search_model_versions("name = 'journal_sentiment_analyzer'")
    assert version.version == 1


def test_a_dead_drivers_claim_is_taken_over_by_one_of_those_that_wait(
    lanes: Callable[[str], Lane],
) -> None:
    lane = lanes("together")
    until = ("-P", "until=split")
    first, step = lane.halted("ingest", "middle", "main", words=until)
    others = [lane.start("main", *until) for _ in range(2)]
    for other in others:
        assert any("waiting for another run" in line for line in lines_of(other))
    started = start_of(step) or 0.0
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=PATIENCE)
    said = [other.communicate(timeout=PATIENCE)[0] for other in others]
    assert [other.returncode for other in others] == [0, 0], "\n\n".join(said)
    assert not process_lives(step, started)
    assert work_of(lane) == {"ingest": 2, "split": 1, "train": 0, "evaluate": 0, "register": 0}
    assert len(lane.results()) == 2
    assert lane.run("main", *until)[0] == 0
    assert lane.left() == NOTHING_LEFT


def lines_of(process: Any) -> Any:
    """Read what a process says, up to where it waits."""
    for line in process.stdout:
        yield line
        if "waiting for another run" in line:
            return
