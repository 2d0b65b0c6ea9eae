"""Stores with many past runs, on sqlite and on a PostgreSQL server of the benchmark's own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def postgres(folder: Path) -> Iterator[Callable[[int], str] | None]:
    """Start PostgreSQL on a free port; gives what makes a new database, None without PostgreSQL."""
    places = [Path("/usr/local/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    programs = next((p for p in reversed(places) if (p / "initdb").exists()), None)
    if programs is None:
        yield None
        return
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_user = ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []
    data = folder / "postgres"
    data.mkdir()
    for path in (folder.parent, folder):
        path.chmod(0o755)
    shutil.chown(data, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def run(name: str, *words: str) -> None:
        command = [*as_user, str(programs / name), *words]
        subprocess.run(command, check=True, capture_output=True, cwd=data)

    run("initdb", "-D", str(data / "data"), "-A", "trust", "-U", "bench")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    run("pg_ctl", "-D", str(data / "data"), "-o", options, "-l", str(data / "log"), "-w", "start")

    def database(count: int) -> str:
        where = ("-h", "127.0.0.1", "-p", port, "-U", "bench")
        run("createdb", *where, f"past{count}")
        return f"postgresql://bench@127.0.0.1:{port}/past{count}"

    try:
        yield database
    finally:
        run("pg_ctl", "-D", str(data / "data"), "-m", "immediate", "-w", "stop")
