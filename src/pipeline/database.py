"""The first creation of a sqlite store: once, by one process, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow.tracking._tracking_service.utils import _get_store

START = "sqlite:///"


def create_once(uri: str, destination: str = "") -> None:
    """Create a sqlite database that is not there yet, under another name until it is complete.

    MLflow creates its tables in dozens of migrations: two processes at once get in each other's
    way, and one that is killed leaves a half. A server creates its database itself.

    Parameters
    ----------
    destination
        Where artifacts go: the first to open a fresh store says so. MLflow's default if empty.
    """
    path = Path(uri.removeprefix(START))
    if os.name == "nt" or not uri.startswith(START) or exists(path):
        if destination:
            _get_store(uri, destination)  # type: ignore[no-untyped-call]
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with only_one(path.with_name(f"{path.name}.creating")):
        if exists(path):
            return
        fresh = path.with_name(f"{path.name}.fresh")
        for left in (fresh, fresh.with_name(f"{fresh.name}-journal")):
            left.unlink(missing_ok=True)
        if destination:
            _get_store(START + str(fresh), destination)  # type: ignore[no-untyped-call]
        mlflow.MlflowClient(START + str(fresh)).search_experiments()
        fresh.replace(path)


def exists(path: Path) -> bool:
    """Tell whether a database is there; an empty file is none."""
    return path.is_file() and path.stat().st_size > 0


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; the file goes with the last one."""
    import fcntl

    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                # Who held it before has removed it: this one locks nothing any more.
                if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                    continue
            except FileNotFoundError:
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return
