"""The tracking server or its database goes away in the middle: for a while, or for good."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import mlflow
import pytest

from tests.fakes import copy_project, environment, made_up_entries, write_csv
from tests.services import own_folder, postgres
from tools.serve import Postgres, free_port, mlflow_server

pytestmark = [pytest.mark.integration, pytest.mark.slow]

AWAY = 10.0


class Site:
    """A PostgreSQL and a tracking server before it; each can be cut off and come back."""

    def __init__(self, folder: Path, database: Postgres) -> None:
        self.folder = folder
        self.database = database
        self.port = free_port()
        self.up = dict[str, ExitStack]()
        self.start("database")
        self.direct = database.create("direct")
        self.start("server")
        self.served = f"http://127.0.0.1:{self.port}"

    def start(self, name: str) -> None:
        stack = self.up[name] = ExitStack()
        if name == "database":
            stack.enter_context(self.database.running("fsync=off"))
        else:
            stack.enter_context(mlflow_server(self.folder, self.database.uri(), port=self.port))

    def stop(self, name: str) -> None:
        self.up.pop(name).close()

    def close(self) -> None:
        for name in reversed(list(self.up)):
            self.stop(name)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with own_folder() as folder, postgres(running=False) as database:
        site = Site(folder, database)
        try:
            yield site
        finally:
            site.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("outages"))


@pytest.fixture
def source(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A journal that no other test has read, so that nothing of theirs is reused."""
    entries = made_up_entries(300, seed=sum(request.node.name.encode()))
    return f"source={write_csv(tmp_path / 'journal.csv', entries)}"


def start_main(
    project: Path, source: str, site: Site, store: str, **env: str
) -> subprocess.Popen[str]:
    settings = {
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": str(site.folder / "artifacts"),
        **env,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "steps", "main", "-P", source, "-P", "until=split"],
        cwd=project,
        env=environment(project.parent, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(stream: IO[str] | None, start: str) -> list[str]:
    """Read lines until one starts like this."""
    assert stream
    lines = list[str]()
    for line in stream:
        lines.append(line)
        if " ".join(line.split()).startswith(start):
            return lines
    raise AssertionError("".join(lines))


def finish(running: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return running.communicate(timeout=300)
    finally:
        running.kill()


@pytest.mark.parametrize(
    ("where", "what", "when"),
    [
        ("served", "server", "split run"),
        ("served", "database", "ingest run"),
        ("direct", "database", "split run"),
    ],
)
def test_a_store_that_comes_back_stops_nothing(
    project: Path, source: str, site: Site, where: str, what: str, when: str
) -> None:
    running = start_main(project, source, site, getattr(site, where))
    wait_for(running.stdout, when)
    site.stop(what)
    time.sleep(AWAY)
    site.start(what)
    out, err = finish(running)
    assert running.returncode == 0, out + err
    assert "split done" in " ".join(out.split())
    assert "Traceback" not in err


@pytest.mark.parametrize(("where", "what"), [("served", "server"), ("direct", "database")])
def test_a_store_that_is_gone_for_good_is_an_error_in_a_sentence_and_loses_nothing(
    project: Path, source: str, site: Site, where: str, what: str
) -> None:
    store = getattr(site, where)
    running = start_main(project, source, site, store, PIPELINE_PATIENCE="2")
    wait_for(running.stdout, "split run")
    site.stop(what)
    try:
        said = finish(running)
        absent = start_main(project, source, site, store, PIPELINE_PATIENCE="1")
        said_then = finish(absent)
    finally:
        site.start(what)
    for ended, (out, err) in ((running, said), (absent, said_then)):
        assert ended.returncode == 2, out + err
        assert "Traceback" not in err
        assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1, err
        assert "What was sealed is kept" in err
        assert site.database.password not in out + err
    assert "cannot be reached" in said_then[1]
    again = start_main(project, source, site, store)
    out, err = finish(again)
    assert again.returncode == 0, out + err
    assert "ingest reuse" in " ".join(out.split())
    expected = f"{site.folder}/artifacts/" if where == "direct" else "mlflow-artifacts:/"
    runs = mlflow.MlflowClient(store).search_runs(["0"])
    assert all(run.info.artifact_uri.startswith(expected) for run in runs)
    assert not [file for file in (project / "mlruns").rglob("*") if file.is_file()]
