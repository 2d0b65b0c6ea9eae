"""Stores with many past runs."""

from __future__ import annotations

import subprocess

# MLflow's own mapping writes them; made with its client they would take minutes.
FILL = """
import sys, uuid
from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag
from mlflow.tracking._tracking_service.utils import _get_store
store, count = _get_store(), int(sys.argv[1])
with store.ManagedSessionMaker() as session:
    shown = session.query(SqlRun).filter(SqlRun.status == "FINISHED").all()
    for start in range(0, count, 500):
        runs, tags = [], []
        for n in range(start, min(count, start + 500)):
            run, run_id = shown[n % len(shown)], uuid.uuid4().hex
            runs.append(dict(run_uuid=run_id, name=run.name, source_type=run.source_type,
                source_name=run.source_name, entry_point_name=run.entry_point_name,
                user_id=run.user_id, status="FINISHED", start_time=run.start_time - n,
                end_time=run.end_time - n, lifecycle_stage="active",
                artifact_uri=run.artifact_uri, experiment_id=run.experiment_id))
            for tag in run.tags:
                key = tag.key
                if key.startswith("pipeline.sealed."):
                    key = "pipeline.sealed." + uuid.uuid4().hex
                tags.append(dict(key=key, value=tag.value, run_uuid=run_id))
        session.bulk_insert_mappings(SqlRun, runs)
        session.bulk_insert_mappings(SqlTag, tags)
        session.flush()
"""


def remember(python: str, env: dict[str, str], count: int) -> None:
    """Add past runs that look like those of a store, each with a key of its own."""
    subprocess.run([python, "-c", FILL, str(count)], env=env, check=True, capture_output=True)
