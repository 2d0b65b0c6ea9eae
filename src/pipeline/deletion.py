"""Removes a run for good: what was logged on it must be nowhere any more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from src.pipeline.caller import tracking_uri
from src.pipeline.patience import without_password

SQLITE = "sqlite:///"
SECONDS_TO_WAIT = 60.0


def delete_for_good(run_id: str) -> str:
    """Remove a run with its parameters, tags and artifacts, as `mlflow gc` does.

    Returns
    -------
    sentence
        What became of it. A tracking server removes nothing for good at a client's word: there it
        says who can, and how.
    """
    where = without_password(tracking_uri())
    command = (
        f"mlflow gc --tracking-uri {where} --backend-store-uri <its database> --run-ids {run_id}"
    )
    try:
        gone = removed(run_id)
    except Exception as error:  # whatever it is, people must know that the run is still there
        return (
            f"Run {run_id}, which holds it, could not be removed ({type(error).__name__}): "
            f"delete it, then {command}"
        )
    if gone:
        return (
            f"Run {run_id}, on which mlflow run had logged it, is removed for good; mlflow run may "
            "now complain that it is not found."
        )
    return (
        f"Run {run_id}, on which mlflow run has logged it, is marked as deleted, but the tracking "
        f"server still keeps it: let whoever runs the server remove it by {command}"
    )


def removed(run_id: str) -> bool:
    """Remove a run where the store is at hand; False where it is only marked as deleted."""
    import mlflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking._tracking_service.utils import _get_store

    uri = tracking_uri()
    client = mlflow.MlflowClient(uri)
    place = client.get_run(run_id).info.artifact_uri
    client.delete_run(run_id)
    store = _get_store(uri)  # type: ignore[no-untyped-call]
    if not hasattr(store, "_hard_delete_run"):
        return False
    get_artifact_repository(place).delete_artifacts()  # type: ignore[no-untyped-call]
    store._hard_delete_run(run_id)
    if uri.startswith(SQLITE):
        store.engine.dispose()
        overwrite(Path(uri.removeprefix(SQLITE)))
    return True


def overwrite(path: Path) -> None:
    """Write a sqlite file anew: what is deleted stays in it until its place is used again."""
    with closing(sqlite3.connect(path, timeout=SECONDS_TO_WAIT)) as database:
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
