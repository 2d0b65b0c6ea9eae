"""Servers that tests run against: PostgreSQL, `mlflow server` and S3, on free loopback ports."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    if postgres_programs():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-qq", "-y", "postgresql"]):
        subprocess.run(["apt-get", *words], env=env, check=True, capture_output=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL that trades safety of its data for speed."""
    install_postgres()
    with (
        own_folder() as folder,
        Postgres(folder / "postgres").running("fsync=off", "full_page_writes=off") as database,
    ):
        yield database


@contextmanager
def s3() -> Iterator[str]:
    """Run an S3-compatible server; gives its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with own_folder() as folder, process(command, lambda: listens(port), folder / "log"):
        yield f"http://{HOST}:{port}"
