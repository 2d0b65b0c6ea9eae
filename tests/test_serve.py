"""`make server`: a tracking server for a person, gone with Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from tests.fakes import PROJECT, environment
from tests.services import own_folder
from tools import serve

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SCRIPT = """
import sys
from pathlib import Path
from tools import serve
serve.FOLDER = Path(sys.argv[1])
if sys.argv[3] == "none":
    serve.postgres_programs = lambda: None
serve.main(sys.argv[2])
"""


@pytest.mark.parametrize(("which", "stop"), [("any", signal.SIGINT), ("none", signal.SIGTERM)])
def test_it_says_how_to_reach_it_answers_and_ends_with_all_it_started(
    which: str, stop: signal.Signals
) -> None:
    port = serve.free_port()
    with own_folder() as folder:
        running = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(port), which],
            cwd=PROJECT,
            env=environment(folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert running.stdout
            said = ""
            while "MLFLOW_TRACKING_URI" not in said and (line := running.stdout.readline()):
                said += line
            uri = f"http://127.0.0.1:{port}"
            assert f"export MLFLOW_TRACKING_URI={uri}" in said
            expected = "PostgreSQL" if which == "any" and serve.postgres_programs() else "sqlite"
            assert f"Serving runs from {expected}" in said
            assert requests.get(f"{uri}/health", timeout=30).text == "OK"
            started = psutil.Process(running.pid).children(recursive=True)
            words = [" ".join(process.cmdline()) for process in started]
            assert not any("journal:" in line for line in words)  # a password on a command line
            running.send_signal(stop)
            out, _ = running.communicate(timeout=60)
        finally:
            running.kill()
        assert "Stopped." in out
        assert running.returncode == 0
        assert not [process for process in started if process.is_running()]
        assert not serve.listens(port)
        assert (folder / "mlflow.db").exists() == (expected == "sqlite")


def test_a_taken_port_is_said(tmp_path: Path) -> None:

    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path), port, "none"],
            cwd=PROJECT,
            env={**os.environ},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
