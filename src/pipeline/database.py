"""The first creation of a sqlite store: once, by one process, and whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import mlflow
from mlflow.tracking._tracking_service.utils import _get_store

from src.errors import UserError

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


def unusable(uri: str, kind: str) -> UserError:
    """Say what to do about a database that MLflow cannot open."""
    path = Path(uri.removeprefix(START))
    if not uri.startswith(START) or not exists(path):
        return UserError(f"the tracking database cannot be opened ({kind}).", "Is it up?")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as found:
            runs = int(found.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.Error:
        runs = 0
    if runs:
        return UserError(
            f"the tracking database {path} cannot be opened ({kind}); it holds {runs:,} runs.",
            f"Keep a copy of it, then try: mlflow db upgrade {uri}",
        )
    return UserError(
        f"the tracking database {path} is half made: its creation was interrupted ({kind}).",
        f"It holds no run. Remove it and type the same again: rm {path}",
    )


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
