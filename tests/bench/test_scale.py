"""What more entries cost: every process counts, what was not run says so, the bars are held."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scale
from tests.fakes import PROJECT

BURN = "import time\nwhile time.process_time() < 0.3: pass"
LEFT = f"""
import os, subprocess, sys
{BURN}
os.waitpid(subprocess.Popen([sys.executable, "-c", {BURN!r}]).pid, 0)
subprocess.Popen([sys.executable, "-c", {BURN!r}])  # it goes on when this one has ended
"""
COUNTED = """
import json, sys
from pathlib import Path
from benchmarks import scale
scale.command_of = lambda what, home: [sys.executable, "-c", sys.argv[1]]
print(json.dumps(scale.run("ingest local", Path(sys.argv[2]))))
"""


def figures(cpu: float, wall: float = 1.0, **more: float) -> scale.Figures:
    return {"cpu": cpu, "wall": wall, "peak": 100.0, "written": 1.0, **more}


def kept(**found: dict[str, list[Any]]) -> dict[str, Any]:
    cells = {name.replace("_", " "): sizes for name, sizes in found.items()}
    return {"found": cells, "where": "here", "sizes": [100, 1000], "input": 50.0}


@pytest.mark.unit
def test_examples_are_true() -> None:
    assert doctest.testmod(scale).failed == 0


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands on who is left behind")
def test_all_processes_are_counted_whenever_they_end(tmp_path: Path) -> None:
    words = [sys.executable, "-c", COUNTED, LEFT, str(tmp_path)]
    done = subprocess.run(words, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["cpu"] >= 0.9


@pytest.mark.unit
def test_a_cell_is_the_median_of_its_rounds() -> None:
    rounds: list[scale.Figures | None] = [
        figures(3.0, 9.0),
        figures(1.0, 7.0),
        figures(2.0, 8.0),
    ]
    assert scale.medians({"score step 1": {"100": rounds}}) == {
        "score step 1": {100: figures(2.0, 8.0, rounds=3)}
    }
    assert "| 100 (3) | 2.0 | 8.0 |" in scale.page(kept(score_step_1={"100": rounds}))


@pytest.mark.unit
def test_what_was_not_run_goes_on_from_what_was() -> None:
    made = {"10": [figures(1.0, 1.0)], "100": [figures(10.0, 10.0)]}
    text = scale.page(kept(ingest_local=made | {"1000": [None]}))
    assert "| ingest local ~ (stopped) | 1,000 | 100.0 | 100.0 | 10 |" in text
    assert "| ingest local ~ | 1,000 | 100.0 |" in scale.page(kept(ingest_local=made))
    assert "| split local | | not measured |" in scale.page(kept(split_local={}))


@pytest.mark.unit
@pytest.mark.parametrize(
    ("before", "size", "long"),
    [
        ({}, 100, False),
        ({"10": [figures(1.0, 50.0)]}, 100, False),
        ({"10": [figures(1.0, 70.0)]}, 100, True),
        ({"10": [None]}, 100, True),
    ],
)
def test_a_cell_that_would_take_too_long_is_not_begun(
    before: dict[str, list[Any]], size: int, long: bool
) -> None:
    assert scale.too_long({"train x": before}, "train x", size) is long


@pytest.mark.unit
def test_bars_are_met_or_not() -> None:
    two = {"1000000": [figures(40.0, 21.0, load=0.5)]}
    found = {
        "score_bare": {"1000000": [figures(30.0)]},
        "score_step_1": {"1000000": [figures(38.0, 40.0, load=0.4)]},
        "score_step_2": two,
    }
    text = scale.page(kept(**found))
    assert "1,000,000 entries | 1.27 at 1,000,000 | met |" in text
    assert "as fast as one | 1.90 at 1,000,000 (1.90), load 0.5 | met |" in text
    found["score_step_1"] = {"1000000": [figures(40.0, 30.0, load=4.0)]}
    text = scale.page(kept(**found))
    assert "1,000,000 entries | 1.33 at 1,000,000 | missed |" in text
    assert "1.43 at 1,000,000 (1.43), load 4.0 | not shown |" in text


@pytest.mark.unit
def test_the_plan_goes_on_to_a_thousand_million() -> None:
    made = {"100": [figures(3.6)], "1000": [figures(36.0)]}
    assert "| ingest local | 10,000 | 1,000 |" in scale.page(kept(ingest_local=made))
