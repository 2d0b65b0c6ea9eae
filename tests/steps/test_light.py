"""Where nothing has to run nothing heavy is imported, and the launcher's run is marked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import environment
from tests.steps.conftest import TOPICS, Pipeline

pytestmark = [pytest.mark.integration, pytest.mark.slow]

HEAVY = ("mlflow", "pandas", "pyarrow", "numpy", "scipy", "sklearn", "sqlalchemy", "requests")
LOOK = (
    "import json, sys\n"
    "from src.pipeline.cli import main\n"
    "code = main(sys.argv[1:])\n"
    f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
    "sys.stderr.write(json.dumps([code, heavy]))\n"
)


def look(made: Pipeline, *words: str) -> tuple[str, list[Any]]:
    """Run an entry point; give what it printed, its exit code and what heavy it imported."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *words],
        cwd=made.project,
        env=environment(made.project.parent, MLFLOW_TRACKING_URI=made.store),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, json.loads(done.stderr.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "words",
    [
        ("main", "-P", "model=all"),
        ("main", "-P", "model=topics", "--json"),
        ("plan", "-P", "model=all"),
        ("split",),
        ("train", "-P", "model=topics"),
        ("register", "-P", "model=topics"),
    ],
)
def test_where_nothing_runs_nothing_heavy_is_imported(
    made: Pipeline, words: tuple[str, ...]
) -> None:
    more = TOPICS if "split" not in words else ()
    said, found = look(made, *words, *more, "-P", f"source={made.journal}")
    assert "reuse" in said
    assert found == [0, []]


def test_a_named_run_is_read_as_lightly(made: Pipeline) -> None:
    splits = f"runs:/{made.newest('split').info.run_id}/splits"
    said, found = look(made, "train", "-P", "model=topics", *TOPICS, "-P", f"splits={splits}")
    assert "reuse" in said
    assert found == [0, []]


def test_where_something_runs_mlflow_is_there(made: Pipeline) -> None:
    said, (code, heavy) = look(made, "split", "-P", f"source={made.journal}", "-P", "force=true")
    assert code == 0
    assert "reuse" not in said
    assert "mlflow" in heavy


def test_the_launchers_run_is_marked_as_a_reuse_of_every_step(made: Pipeline) -> None:
    env = environment(made.project.parent, MLFLOW_TRACKING_URI=made.store)
    command = [sys.executable, "-m", "mlflow", "run", ".", "-e", "main", "--env-manager", "local"]
    command += ["-P", "model=topics", "-P", f"source={made.journal}", *TOPICS]
    done = subprocess.run(
        command, cwd=made.project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to do" in done.stdout
    run = made.runs()[0]
    assert run.info.status == "FINISHED"
    (mark,) = made.client.list_artifacts(run.info.run_id)
    text = Path(made.client.download_artifacts(run.info.run_id, mark.path)).read_text()
    assert text.startswith("Nothing to do: every step is reused.")
    for title, step in (("split", "split"), ("train topics", "train")):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {title} | reuse |")]
        (run_id,) = re.findall(r"\(#/experiments/0/runs/(\w+)\)", row)
        assert made.client.get_run(run_id).data.tags["pipeline.step"] == step
