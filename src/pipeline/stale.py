"""Runs that say RUNNING although whoever recorded them has died."""

from __future__ import annotations

import time

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from src.pipeline.owner import OWNER, is_alive, read_owner
from src.pipeline.patience import written
from src.pipeline.results import ENTRY_POINT, FAILURE, PARENT, TRIAL
from src.pipeline.step import entry_points

# A run that `mlflow run` made belongs to nobody until its environment is there and it starts.
UNOWNED_SECONDS = 3600.0


def close_stale_runs(client: MlflowClient, experiment_id: str) -> int:
    """Close as KILLED the runs whose owner is dead; count them."""
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
    closed = 0
    for run in running:
        why = is_stale(client, run)
        # The owner may have finished it just before it ended.
        if why and client.get_run(run.info.run_id).info.status == "RUNNING":
            written(client.set_tag, run.info.run_id, FAILURE, why)
            written(client.set_terminated, run.info.run_id, "KILLED")
            closed += 1
    return closed


def is_stale(client: MlflowClient, run: Run) -> str:
    """Say why a run is stale; empty where its owner lives, or may live."""
    tags = run.data.tags
    if OWNER in tags:
        if is_alive(tags):
            return ""
        return f"its process is gone ({read_owner(tags) or 'of which nothing is known'})"
    # A trial is its step's: they live and die together.
    if TRIAL not in tags and tags.get(ENTRY_POINT) not in entry_points():
        return ""
    if PARENT not in tags:
        age = time.time() - run.info.start_time / 1000
        return "it was never taken up" if age > UNOWNED_SECONDS else ""
    try:
        parent = client.get_run(tags[PARENT])
    except MlflowException:
        return ""
    if OWNER not in parent.data.tags or is_alive(parent.data.tags):
        return ""
    return "the process that started it is gone"
