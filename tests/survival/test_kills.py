"""Signals at every point of every step: nothing is left, and one more `main` ends the same."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.survival.lane import NOTHING_LEFT, STEPS, Kill, Lane, lap

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PER_STEP = 3
SEEDS = (1, 2, 3, 4)


def exit_code(kill: Kill) -> int:
    """Say how what was started ends: as told, or with the failure of the step it started."""
    if kill.target == "step":
        return 2
    return -9 if kill.number == signal.SIGKILL else 128 + kill.number


def survive(lane: Lane, kills: list[Kill]) -> None:
    """Kill at each point in turn and look at what is left; then let it run through."""
    for kill in kills:
        code, said = lane.kill(kill)
        assert code == exit_code(kill), f"{kill}: {code}\n{said}"
        if kill.number != signal.SIGKILL and kill.point != "start":
            assert lane.running() == [], f"{kill}\n{said}"
    code, said = lane.run("main")
    assert code == 0, said
    for step in STEPS:
        assert step in said


@pytest.mark.parametrize("seeds", [SEEDS], ids=[f"{len(SEEDS) * (5 * PER_STEP + 2)} kills"])
def test_after_any_kill_one_more_main_ends_as_an_undisturbed_one(
    lanes: Callable[[str], Lane], undisturbed: Lane, seeds: tuple[int, ...]
) -> None:
    def go(seed: int) -> Lane:
        lane = lanes(f"lane-{seed}")
        survive(lane, list(lap(random.Random(seed), PER_STEP)))
        return lane

    with ThreadPoolExecutor(2) as pool:
        for lane in pool.map(go, seeds):
            assert lane.results() == undisturbed.results()
            assert lane.left() == NOTHING_LEFT
            (version,) = lane.client.search_model_versions("name = 'journal_sentiment_analyzer'")
            assert version.current_stage == "Production"
