"""Steps that are killed at random moments leave no text behind, once another one has started."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fakes import made_up_entries
from tests.survival.lane import ALL, MODEL, Lane, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STEPS: dict[str, tuple[str, ...]] = {"ingest": (), "split": (), "train": MODEL, "evaluate": ALL}
KILLS = 2  # of each step
LONGEST = 2.0  # seconds that a step goes on after it has made its temporary folder


def with_text(*folders: Path) -> list[str]:
    """List the files that hold text of an entry."""
    texts = [row["journal_text"] for row in made_up_entries(900)]
    found = []
    for file in (p for folder in folders for p in folder.rglob("*") if p.is_file()):
        try:
            content = str(pq.read_table(file).to_pylist())
        except (pa.ArrowInvalid, OSError):
            content = file.read_bytes().decode("utf-8", "replace")
        if any(text in content for text in texts):
            found.append(str(file))
    return found


def test_no_text_is_left_where_a_step_was_killed(lanes: Callable[[str], Lane]) -> None:
    lane, draw = lanes("leaks"), random.Random(11)
    home, cache = lane.folder / "home", lane.folder / "cache"
    home.mkdir()
    env = {"HOME": str(home), "JOURNAL_CACHE": str(cache)}
    code, said = lane.run("main", **env)
    assert code == 0, said
    seen = 0
    for step, words in STEPS.items():
        for _ in range(KILLS):
            process = lane.start(step, *words, "-P", "force=true", **env)
            wait_until(
                lambda p=process: list(lane.temporary.glob("pipeline-*")) or p.poll() is not None,  # type: ignore[misc]
                f"{step}: no temporary folder",
            )
            time.sleep(draw.random() * LONGEST)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            wait_until(lambda: not lane.processes(), f"{step}: processes are left")
            seen += bool(with_text(lane.temporary))
            code, said = lane.run("split", **env)
            assert code == 0, said
            assert sorted(lane.temporary.iterdir()) == [], step
            assert with_text(home, cache) == []
    assert seen  # else nothing was shown
