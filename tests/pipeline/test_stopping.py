"""A process that is told to stop, stops: at once, in the end, and with what started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from src.pipeline import temporary
from src.pipeline.owner import OWNER, me, process_lives, read_owner
from src.pipeline.stopping import DRIVER, launcher
from tests.fakes import PROJECT, environment

pytestmark = [pytest.mark.unit, pytest.mark.slow]

START = """
import signal, subprocess, sys, time
from src.pipeline import stopping
signal.signal(signal.SIGINT, signal.default_int_handler)
stopping.GRACE_SECONDS = 0.3
def say(text):
    print(text, flush=True)
"""
OBEYS = """
try:
    with stopping.stoppable(say):
        say("ready")
        time.sleep(60)
except stopping.Stopped as stopped:
    say(str(stopped))
    sys.exit(stopped.code)
"""
SWALLOWS = """
with stopping.stoppable(say):
    try:
        say("ready")
        time.sleep(60)
    except KeyboardInterrupt:  # it comes once
        time.sleep(60)
"""
HAS_A_CHILD = (
    """
child = subprocess.Popen(["sleep", "60"])
say(child.pid)
"""
    + OBEYS
)


def start(code: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START + code],
        cwd=PROJECT,
        env=environment(PROJECT, **env),
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """Wait until it is ready, send it a signal, and see how it ends."""
    assert process.stdout
    while process.stdout.readline() != "ready\n":
        assert process.poll() is None
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    return process.returncode, said.strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_with_its_exit_code(number: signal.Signals) -> None:
    assert told(start(OBEYS), number) == (128 + number, f"stopped by {number.name}")


def test_who_swallows_the_exception_is_ended_all_the_same() -> None:
    assert told(start(SWALLOWS), signal.SIGTERM) == (143, "stopped by SIGTERM")


def test_what_it_started_ends_with_it() -> None:
    process = start(HAS_A_CHILD)
    assert process.stdout
    child = int(process.stdout.readline())
    assert told(process, signal.SIGTERM)[0] == 143
    end = time.monotonic() + 60
    while process_lives(child, 0.0):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_who_loses_its_launcher_ends() -> None:
    parent = subprocess.Popen(["sleep", "60"])
    found = Path(f"/proc/{parent.pid}/stat")
    started = float(found.read_text().split()[21]) if found.exists() else time.time()
    owner = json.dumps(asdict(replace(me(), pid=parent.pid, started=started)))
    process = start(OBEYS, **{DRIVER: owner, "MLFLOW_RUN_ID": "x"})
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    parent.kill()
    parent.wait()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143
    assert "the process that started it is gone" in said


def test_a_driver_on_another_machine_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.pipeline.stopping.launched", lambda: True)
    monkeypatch.setenv(DRIVER, json.dumps(asdict(replace(me(), host="elsewhere", pid=1))))
    assert launcher() != (1, me().started)
    assert read_owner({OWNER: "no owner"}) is None


def test_folders_of_the_dead_are_removed_and_of_the_living_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    start = f"pipeline-{temporary.here()}"
    dead, mine = tmp_path / f"{start}-{2**22 - 3}-1-abc", tmp_path / f"{start}-{os.getpid()}-0-abc"
    elsewhere, foreign = tmp_path / "pipeline-00000000-1-1-abc", tmp_path / "pipeline-x"
    for folder in (dead, mine, elsewhere, foreign):
        folder.mkdir()
    assert temporary.clear_left_folders() == 1
    assert not dead.exists()
    os.utime(elsewhere, (0, 0))
    assert temporary.clear_left_folders() == 1
    assert sorted(tmp_path.iterdir()) == sorted([mine, foreign])
    with temporary.temporary_folder() as made:
        assert made.parent == tmp_path
        assert temporary.tempfile.gettempdir() == str(made / "tmp")
    assert temporary.tempfile.gettempdir() == str(tmp_path)
    assert not made.exists()
