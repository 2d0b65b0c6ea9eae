"""A copy of the project on a store of its own, whose processes a test kills at named points."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
import psutil

from src.pipeline.owner import is_alive
from tests.fakes import PROJECT, copy_project, environment, made_up_entries, write_csv

STEPS = ("ingest", "split", "train", "evaluate", "register")
POINTS = ("start", "begun", "middle", "end", "sealed")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TARGETS = ("driver", "step", "group", "alone")
MODEL = ("-P", "model=sentiment", "-P", "family=example")
ALL = (*MODEL, "-P", "n_resamples=100")
WORDS = {"ingest": (), "split": (), "train": MODEL}  # a step takes what it rests on
PATIENCE = 240.0


@dataclass(frozen=True)
class Kill:
    """Where a process is, which signal comes, and who gets it ("alone": a step without driver)."""

    entry: str
    point: str
    number: signal.Signals
    target: str

    def __str__(self) -> str:
        return f"{self.number.name} to {self.target} at {self.entry}:{self.point}"


def lap(draw: random.Random, per_step: int) -> Iterator[Kill]:
    """Choose points along one way through the pipeline, each behind the one before."""
    yield Kill("main", "start", draw.choice(SIGNALS), "driver")
    for step in STEPS:
        targets = TARGETS[:-1]  # the first goes through the driver, which makes what it reads
        for point in sorted(draw.sample(POINTS, per_step), key=POINTS.index):
            yield Kill(step, point, draw.choice(SIGNALS), draw.choice(targets))
            targets = (*TARGETS, "alone", "alone")  # two processes cost twice as much as one
    yield Kill("main", "begun", draw.choice(SIGNALS), draw.choice(("driver", "group")))


def wait_until(true: Callable[[], Any], what: str) -> None:
    """Poll, with a deadline that only a fault reaches."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"{what}: not after {PATIENCE:.0f} s"
        time.sleep(0.05)


@dataclass
class Lane:
    """A project, a journal, a store and a folder for temporary files, all below one folder."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.temporary = self.folder / "temporary"
        self.temporary.mkdir()
        self.project = copy_project(self.folder)
        shutil.copy(PROJECT / "tests/survival/halting.py", self.project / "steps/__main__.py")
        self.journal = write_csv(self.folder / "journal.csv", made_up_entries(900))
        self.store = f"sqlite:///{self.folder}/mlflow.db"

    def start(self, entry: str, *words: str, command: tuple[str, ...] = (), **env: str) -> Any:
        """Start an entry point in a process group of its own."""
        command = command or ("-m", "steps", entry)
        given = {"MLFLOW_TRACKING_URI": self.store, "TMPDIR": str(self.temporary), **env}
        source = ("-P", f"source={self.journal}")
        process = subprocess.Popen(
            [sys.executable, *command, *source, *(words or WORDS.get(entry, ALL))],
            cwd=self.project,
            env=environment(self.folder, **given),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        self.started.append(process)
        return process

    def run(self, entry: str, *words: str, **env: str) -> tuple[int, str]:
        """Run an entry point to its end; give the exit code and all that it said."""
        process = self.start(entry, *words, **env)
        said = process.communicate(timeout=PATIENCE)[0]
        return process.returncode, said

    def halted(
        self, entry: str, point: str, start: str, words: tuple[str, ...] = (), **more: Any
    ) -> tuple[Any, int]:
        """Start an entry point and wait until it is at a point; also give who waits there."""
        note = self.folder / "note"
        note.unlink(missing_ok=True)
        process = self.start(start, *words, HALT_AT=f"{entry}:{point}", HALT_NOTE=str(note), **more)
        wait_until(lambda: note.exists() or process.poll() is not None, f"{entry}:{point}")
        assert note.exists(), f"it ended before {entry}:{point}: {process.communicate()[0]}"
        return process, int(note.read_text())

    def kill(self, kill: Kill) -> tuple[int, str]:
        """Kill somebody at a point; give the exit code and all that was said."""
        start = kill.entry if kill.target == "alone" else "main"
        process, waiting = self.halted(kill.entry, kill.point, start)
        if (kill.target, kill.point) != ("alone", "start") and kill.entry != "main":
            dead = [run.info.run_id for run in self.running() if not is_alive(run.data.tags)]
            assert dead == [], f"{kill}: still RUNNING when the next one has started"
        if kill.target == "group":
            os.killpg(process.pid, kill.number)
        else:
            os.kill(waiting if kill.target == "step" else process.pid, kill.number)
        said = process.communicate(timeout=PATIENCE)[0]
        wait_until(lambda: not self.processes(), f"{kill}: processes are left")
        return process.returncode, said

    def processes(self) -> list[psutil.Process]:
        """List the processes that run in this folder."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.folder):
                    found.append(process)
            except psutil.Error:  # not ours, or gone
                continue
        return found

    @property
    def client(self) -> mlflow.MlflowClient:
        """Look into the store."""
        return mlflow.MlflowClient(self.store)

    def runs(self, query: str = "") -> list[Any]:
        """List runs, newest first."""
        return list(self.client.search_runs(["0"], query))

    def running(self) -> list[Any]:
        """List the runs that say they are running; a launcher's that nobody has taken up, not."""
        if not (self.folder / "mlflow.db").exists():
            return []
        found = self.runs("attributes.status = 'RUNNING'")
        return [run for run in found if "pipeline.owner" in run.data.tags]

    def results(self) -> dict[str, dict[str, str]]:
        """Give for each sealed key of a finished run the digests of what it made."""
        import json

        found: dict[str, dict[str, str]] = {}
        for run in self.runs("attributes.status = 'FINISHED'"):
            for name, value in run.data.tags.items():
                if name.startswith("pipeline.sealed."):
                    outputs = json.loads(value)["outputs"]
                    digests = {n: made["digest"] for n, made in outputs.items()}
                    assert found.setdefault(name, digests) == digests
        return found

    def left(self) -> dict[str, list[str]]:
        """List what must not be left: runs, claims, temporary files."""
        claims = [model.name for model in self.client.search_registered_models()]
        return {
            "running": [run.info.run_id for run in self.runs("attributes.status = 'RUNNING'")],
            "claims": [name for name in claims if name.startswith(".claim")],
            "temporary": sorted(path.name for path in self.temporary.glob("pipeline-*")),
            "database": sorted(path.name for path in self.folder.glob("mlflow.db?*")),
        }

    def close(self) -> None:
        """End what a failed test has left, and remove the folder."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        for left in self.processes():
            left.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


NOTHING_LEFT: dict[str, list[str]] = {"running": [], "claims": [], "temporary": [], "database": []}


def heed_interrupts() -> None:
    """Take back that a shell may have started the tests with interrupts ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
