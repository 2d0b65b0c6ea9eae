"""Servers that tests run against: PostgreSQL, `mlflow server` and S3, on free loopback ports."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tools.serve import HOST, Postgres, free_port, listens, postgres_programs, process

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder that other users may enter, as pytest's own they may not."""
    folder = Path(tempfile.mkdtemp(prefix="journal-services-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install_postgres() -> None:
    """Install Debian's PostgreSQL where it is missing and we may; else skip."""
    install("postgresql", lambda: bool(postgres_programs()))


def install(package: str, is_there: Callable[[], bool]) -> None:
    """Install a package of Debian's where it is missing and we may; else skip."""
    if is_there():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"needs {package}: apt-get install {package}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "journal-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the suite runs in two processes, apt-get in one
        if is_there():
            return
        for words in (["update", "-qq"], ["install", "-qq", "-y", package]):
            subprocess.run(["apt-get", *words], env=env, check=True, capture_output=True)


@contextmanager
def postgres(running: bool = True) -> Iterator[Postgres]:
    """Make a PostgreSQL and run it; it trades the safety of its data for speed."""
    install_postgres()
    with own_folder() as folder:
        database = Postgres(folder / "postgres")
        with database.running("fsync=off") if running else nullcontext():
            yield database


@contextmanager
def s3() -> Iterator[str]:
    """Run an S3-compatible server; gives its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with own_folder() as folder, process(command, lambda: listens(port), folder / "log"):
        yield f"http://{HOST}:{port}"
