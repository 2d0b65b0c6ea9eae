"""A password is nowhere: not in what is recorded, not in what is printed, not in a process list."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mlflow
import psycopg2
import pytest

from tests.fakes import copy_project, environment, run_steps
from tests.services import own_folder
from tools.serve import HOST, Postgres, mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SECRET = "hunter2-and-more"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def journal(database: Postgres) -> str:
    """A journal of 900 entries; gives the address of its database, without the password."""
    with closing(psycopg2.connect(database.create("journal_app"))) as connection:
        connection.autocommit = True
        connection.cursor().execute("""
            CREATE SCHEMA source;
            CREATE TABLE source.journals (
                id serial PRIMARY KEY, user_id uuid, journal_text text, mood_score integer,
                created_at timestamptz DEFAULT now(), modified_at timestamptz DEFAULT now());
            INSERT INTO source.journals (user_id, journal_text, mood_score)
            SELECT md5((g % 60)::text)::uuid,
                concat_ws(' ', 'Entry', g, md5(g::text), md5((7 * g)::text)), 1 + g % 10
            FROM generate_series(1, 900) g
        """)
    return f"postgresql://journal@{HOST}:{database.port}/journal_app"


def change(database: Postgres, sql: str) -> None:
    with closing(psycopg2.connect(database.uri("journal_app"))) as connection:
        connection.autocommit = True
        connection.cursor().execute(sql)


@contextmanager
def command_lines() -> Iterator[set[bytes]]:
    """Collect the command lines of all processes while the block runs."""
    seen, over = set[bytes](), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    seen.add((process / "cmdline").read_bytes())
                except OSError:
                    continue

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def holding(folder: Path, secret: str) -> list[Path]:
    """List the files below a folder that hold a secret, in their names or their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f for f in files if secret.encode() in f.read_bytes() or secret in str(f)]


def runs_of(store: str) -> list[Any]:
    client = mlflow.MlflowClient(store)
    return list(client.search_runs(["0"], run_view_type=mlflow.entities.ViewType.ALL))


def test_a_pipeline_on_a_database_reads_what_changed_and_tells_no_password(
    project: Path, journal: str, database: Postgres, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"

    def main(**env: str) -> Any:
        words = ("-P", f"source={journal}", "-P", "table=source.journals", "-P", "until=split")
        words += ("-P", "languages=any")  # invented words are of no language
        temporary = tmp_path / "tmp"
        temporary.mkdir(exist_ok=True)
        return run_steps(
            *(project, "main", *words),
            folder=tmp_path,
            MLFLOW_TRACKING_URI=store,
            TMPDIR=str(temporary),
            **{"PGPASSWORD": database.password, **env},
        )

    with command_lines() as seen:
        done = [main()]
        assert "done" in done[0].stdout, done[0].stdout + done[0].stderr
        done.append(main())
        assert "Nothing to do" in done[1].stdout, done[1].stdout + done[1].stderr
        change(
            database,
            "UPDATE source.journals SET journal_text = journal_text || ' more' WHERE id % 300 = 0; "
            "DELETE FROM source.journals WHERE id = 5",
        )
        done.append(main())
        assert "of 899 rows" in done[2].stdout, done[2].stdout + done[2].stderr
        done.append(main(PGPASSWORD=SECRET))
        assert done[3].returncode == 2
        assert "refused the user or the password" in done[3].stderr
    assert any(b"source.journals" in line for line in seen)  # the steps were seen
    client = mlflow.MlflowClient(store)
    ingests = client.search_runs(["0"], "tags.`pipeline.step` = 'ingest'", order_by=["start_time"])
    assert [run.data.metrics["texts_read"] for run in ingests] == [900, 3]
    said = "".join(process.stdout + process.stderr for process in done)
    recorded = "".join(repr(run.to_dictionary()) for run in runs_of(store))
    for secret in (database.password, SECRET):
        assert secret not in said
        assert secret not in recorded
        assert not holding(tmp_path, secret)
        assert not [line for line in seen if secret.encode() in line]


def launch(project: Path, folder: Path, store: str) -> Any:
    """Type a password into `mlflow run`."""
    mlflow_program = Path(sys.executable).parent / "mlflow"
    source = f"source=postgresql://anna:{SECRET}@{HOST}:1/db"
    words = ["run", str(project), "-e", "main", "--env-manager", "local", "-P", source]
    return subprocess.run(
        [sys.executable, str(mlflow_program), *words, "-P", "table=source.journals"],
        env=environment(folder, MLFLOW_TRACKING_URI=store),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def ours(stderr: str) -> str:
    """Cut what the launcher says of its own: it shows the command that it runs."""
    return stderr[stderr.index("error: ") :]


def test_a_run_on_which_the_launcher_logged_a_password_is_gone_from_a_database(
    project: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db"
    with_other_runs = mlflow.MlflowClient(store)
    kept = with_other_runs.create_run("0", run_name="kept").info.run_id
    with_other_runs.log_param(kept, "kept", "yes")
    done = launch(project, tmp_path, store)
    assert done.returncode
    said = ours(done.stderr)
    assert "refused" in said
    assert "is removed for good" in said
    assert "Change this one" in said
    assert SECRET not in said + done.stdout
    assert [run.info.run_id for run in runs_of(store)] == [kept]
    assert not holding(tmp_path, SECRET)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        rows = database.execute("SELECT run_uuid FROM params UNION SELECT run_uuid FROM tags")
        assert rows.fetchall() == [(kept,)]


def test_a_tracking_server_keeps_it_and_the_message_says_who_removes_it(
    project: Path, database: Postgres, tmp_path: Path
) -> None:
    store = database.create("secrets")
    with own_folder() as folder, mlflow_server(folder, store) as uri:
        done = launch(project, tmp_path, uri)
        said = ours(done.stderr)
        (run,) = runs_of(uri)
        assert run.info.lifecycle_stage == "deleted"
        assert "marked as deleted" in said
        assert "whoever runs the server" in said
        assert SECRET not in said
        command = said[said.index("mlflow gc") :].partition("\n")[0]
        assert command.endswith(run.info.run_id)
        words = command.replace("<its database>", store).split()[1:]
        gc = [sys.executable, str(Path(sys.executable).parent / "mlflow"), *words]
        done = subprocess.run(
            gc, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert not done.returncode, done.stderr
        assert not runs_of(uri)


def test_a_database_server_forgets_it_at_once(
    project: Path, database: Postgres, tmp_path: Path
) -> None:
    store = database.create("forgotten")
    done = launch(project, tmp_path, store)
    assert "is removed for good" in ours(done.stderr), done.stderr[-2000:]
    assert not runs_of(store)
    dump = [str(database.programs / "pg_dump"), "--inserts", store]
    if shutil.which(dump[0]):
        env = {**os.environ, "PGPASSWORD": database.password}
        said = subprocess.run(dump, env=env, capture_output=True, text=True, check=True)
        assert SECRET not in said.stdout
