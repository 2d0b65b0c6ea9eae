"""A search that is killed goes on where it was, and finds what an undisturbed one finds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.survival.lane import NOTHING_LEFT, PATIENCE, Lane

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TRIALS = 12  # the first ten are drawn at random, those after them rest on what was found
BASE = ("-P", "model=sentiment", "-P", "until=train")
WORDS = (*BASE, "-P", f"trials={TRIALS}")


def trials(lane: Lane, status: str = "") -> list[tuple[int, dict[str, str], dict[str, float]]]:
    """List number, values and metrics of the trials, by number."""
    found = lane.runs("tags.`pipeline.trial` LIKE '%'")
    kept = [run for run in found if run.info.status == status or not status]
    rows = [(int(r.data.tags["pipeline.trial"]), r.data.params, r.data.metrics) for r in kept]
    return sorted(rows, key=lambda row: row[0])


def trained(lane: Lane) -> Any:
    """Give the newest finished run of training."""
    query = "tags.`pipeline.step` = 'train' AND attributes.status = 'FINISHED'"
    return lane.runs(query)[0]


def best(lane: Lane) -> dict[str, str]:
    """Give the values that the search of the newest finished training chose."""
    return {n: v for n, v in trained(lane).data.params.items() if n.startswith("best_")}


def kill(lane: Lane, trial: int, number: signal.Signals, group: bool, words: Any = WORDS) -> None:
    """Kill the step, or it and its driver, in the middle of a trial."""
    process, waiting = lane.halted("train", f"trial-{trial}", "main", words)
    if group:
        os.killpg(process.pid, number)
    else:
        os.kill(waiting, number)
    process.communicate(timeout=PATIENCE)


def test_a_search_killed_three_times_ends_as_an_undisturbed_one(
    lanes: Callable[[str], Lane],
) -> None:
    calm, rough = lanes("calm"), lanes("rough")
    code, said = calm.run("main", *WORDS)
    assert code == 0, said
    assert [number for number, _, _ in trials(calm)] == [*range(1, TRIALS + 1)]

    kill(rough, 3, signal.SIGKILL, group=False)
    kill(rough, 8, signal.SIGTERM, group=False)
    assert len(trials(rough, "KILLED")) == 2, "a trial that is told to stop says so itself"
    kill(rough, 12, signal.SIGKILL, group=True)
    code, said = rough.run("main", *WORDS)
    assert code == 0, said
    assert trials(rough, "FINISHED") == trials(calm)
    assert [number for number, _, _ in trials(rough, "KILLED")] == [3, 8, 12]
    assert len(trials(rough)) == TRIALS + 3
    searched = {"c", "balance", "lexicon_strength"}
    assert set(best(calm)) == {f"best_{name}" for name in searched}
    assert best(rough) == best(calm)
    assert rough.results() == calm.results()
    assert rough.left() == NOTHING_LEFT

    code, said = calm.run("main", *WORDS)
    assert "Nothing to do: every step is reused." in said
    assert len(trials(calm)) == TRIALS
    metrics = trained(calm).data.metrics
    assert metrics["valid_f1_macro"] == max(found["valid_f1_macro"] for *_, found in trials(calm))


def test_another_key_starts_anew_and_a_finished_search_is_not_gone_on_with(
    lanes: Callable[[str], Lane],
) -> None:
    lane, words = lanes("lane"), (*BASE, "-P", "family=example")
    kill(lane, 3, signal.SIGKILL, True, (*words, "-P", "trials=4"))
    code, said = lane.run("main", *words, "-P", "trials=3")
    assert code == 0, said
    assert [number for number, _, _ in trials(lane, "FINISHED")] == [1, 1, 2, 2, 3]
    code, said = lane.run("main", *words, "-P", "trials=3", "-P", "force=train")
    assert code == 0, said
    assert len(trials(lane, "FINISHED")) == 8

    # What a search found makes the same model when it is given by hand.
    searched = trained(lane)
    alpha = searched.data.params["best_alpha"]
    code, said = lane.run("main", *words, "-P", f"alpha={alpha}")
    assert code == 0, said
    assert trained(lane).info.run_id != searched.info.run_id
    candidates = [
        digests["candidate"] for digests in lane.results().values() if "candidate" in digests
    ]
    assert len(candidates) == 2
    assert len(set(candidates)) == 1, "MLflow's own files of a model do not count"
