"""Where the command was typed, and which tracking store it meant."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from src.errors import UserError

SHELLS = {"bash", "sh", "dash", "zsh"}
SQLITE = "sqlite:///"
FOLDER = "PIPELINE_CALLER_FOLDER"


@cache
def caller_folder() -> Path:
    """Find the folder that the command was typed in.

    `mlflow run` starts a step in the project's folder, which for a git URI is a fresh clone.
    What people type is relative to the launcher's folder, so that is where to look.
    """
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER])
    if not launched():
        return Path.cwd()
    import psutil

    try:
        launchers = (p for p in psutil.Process().parents() if p.name() not in SHELLS)
        return Path(next(launchers).cwd())
    except (psutil.Error, StopIteration):
        return Path.cwd()


def tracking_uri() -> str:
    """Resolve the tracking URI against the caller's folder, so that every step opens the same.

    Without one, the store that a tracking server here would serve is opened directly.

    Raises
    ------
    UserError
        A relative sqlite URI whose folder cannot be told.
    """
    typed = os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    found = absolute_uri(typed, caller_folder())
    # The launcher has opened its store already: one that is not there is another one.
    if launched() and typed not in ("", found) and not Path(found.removeprefix(SQLITE)).exists():
        raise UserError(
            f"the relative tracking URI {typed} means another file here than where it was typed.",
            f"Set MLFLOW_TRACKING_URI={SQLITE}/<absolute folder>/{Path(found).name}",
        )
    return found


def absolute_uri(typed: str, folder: Path) -> str:
    """Make of what was typed in a folder a tracking URI that means the same everywhere.

    Examples
    --------
    >>> absolute_uri("sqlite:///mine.db", Path("/journal"))
    'sqlite:////journal/mine.db'
    """
    if not typed:
        return f"{SQLITE}{folder / 'mlflow.db'}"
    if not typed.startswith(SQLITE) or typed.startswith(SQLITE + "/") or typed == SQLITE:
        return typed
    return SQLITE + str(folder / typed.removeprefix(SQLITE))


def artifacts_destination() -> str:
    """Say where a store that is opened directly is to keep artifacts; empty if nobody said."""
    typed = os.environ.get("MLFLOW_ARTIFACTS_DESTINATION", "")
    if not typed or "://" in typed or typed.startswith("file:"):
        return typed
    return str(caller_folder() / typed)


def cache_folder() -> Path:
    """Say where what can be fetched or made again is kept: JOURNAL_CACHE, or else the user's."""
    if folder := os.environ.get("JOURNAL_CACHE"):
        return Path(folder)
    from platformdirs import user_cache_path

    return user_cache_path("journal-models")


@cache
def launcher_run() -> str:
    """Give the id of the run that `mlflow run` made for this process; empty if it did not.

    Asked first when the process starts: MLflow forgets it once the run is taken up.
    """
    return os.environ.get("MLFLOW_RUN_ID", "")


def launched() -> bool:
    """Tell whether `mlflow run` started this process and owns its run."""
    return bool(launcher_run())
