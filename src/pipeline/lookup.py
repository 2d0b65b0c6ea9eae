"""Reads what past runs left in the tracking store without MLflow.

Importing MLflow and letting it open a store costs several times what finding out costs that there
is nothing to do. Two kinds of store can be read without it: an sqlite file, opened read-only, and
a tracking server, through its REST API. Every other, and one that is not as this file knows it, is
left to MLflow. Nothing here writes to MLflow's tables.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

# Revisions of MLflow's tables that the queries below were written for and tested on.
REVISIONS = {"dc11669786a5"}
SECONDS_TO_WAIT = 10.0
# What changes how MLflow reaches a store, and which only MLflow itself understands.
LEFT_TO_MLFLOW = (
    "MLFLOW_WORKSPACE",
    "MLFLOW_ENABLE_WORKSPACES",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
)
CREDENTIALS = Path(".mlflow") / "credentials"


class UnreadableError(Exception):
    """The store is not as this file knows it: MLflow has to be asked."""


@dataclass(frozen=True)
class PastRun:
    """A run; `ended` in milliseconds since the epoch, 0 where it has not."""

    run_id: str
    status: str
    ended: int
    tags: Mapping[str, str]


@dataclass(frozen=True)
class PastVersion:
    """A version of a registered model."""

    number: int
    stage: str
    run_id: str
    source: str
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class SqliteReader:
    """Reads an sqlite file that MLflow made."""

    path: Path

    def experiment_id(self, name: str) -> str | None:
        """Find an experiment by name."""
        rows = self._ask(
            "SELECT experiment_id FROM experiments WHERE name = ? AND workspace = 'default'", name
        )
        return str(rows[0][0]) if rows else None

    def newest(self, experiment_id: str, tag: str) -> PastRun | None:
        """Find the newest finished run that carries a tag of this name, whatever its value."""
        rows = self._ask(
            "SELECT runs.run_uuid FROM tags JOIN runs ON runs.run_uuid = tags.run_uuid"
            " WHERE tags.key = ? AND runs.experiment_id = ? AND runs.status = 'FINISHED'"
            " AND runs.lifecycle_stage = 'active'"
            " ORDER BY runs.start_time DESC, runs.run_uuid LIMIT 1",
            tag,
            experiment_id,
        )
        return self.run(rows[0][0]) if rows else None

    def run(self, run_id: str) -> PastRun | None:
        """Read a run."""
        rows = self._ask("SELECT status, end_time FROM runs WHERE run_uuid = ?", run_id)
        tags = self._ask("SELECT key, value FROM tags WHERE run_uuid = ?", run_id)
        return PastRun(run_id, rows[0][0], rows[0][1] or 0, dict(tags)) if rows else None

    def artifacts(self, run_id: str) -> str:
        """Say where a run's artifacts lie; empty where there is no such run."""
        rows = self._ask("SELECT artifact_uri FROM runs WHERE run_uuid = ?", run_id)
        return str(rows[0][0] or "") if rows else ""

    def versions(self, name: str) -> list[PastVersion]:
        """List the versions of a registered model."""
        tags = dict[int, dict[str, str]]()
        for number, key, value in self._ask(
            "SELECT version, key, value FROM model_version_tags"
            " WHERE name = ? AND workspace = 'default'",
            name,
        ):
            tags.setdefault(number, {})[key] = value
        rows = self._ask(
            "SELECT version, current_stage, run_id, source, description FROM model_versions"
            " WHERE name = ? AND workspace = 'default' AND current_stage <> 'Deleted_Internal'",
            name,
        )
        return [
            PastVersion(n, stage, run_id or "", source or "", said or "", tags.get(n, {}))
            for n, stage, run_id, source, said in rows
        ]

    def aliases(self, name: str) -> dict[str, int]:
        """Give the aliases of a registered model with their versions."""
        rows = self._ask(
            "SELECT alias, version FROM registered_model_aliases"
            " WHERE name = ? AND workspace = 'default'",
            name,
        )
        return dict(rows)

    def running(self, experiment_id: str) -> list[str]:
        """List the runs that say they are running."""
        rows = self._ask(
            "SELECT run_uuid FROM runs WHERE experiment_id = ? AND status = 'RUNNING'"
            " AND lifecycle_stage = 'active'",
            experiment_id,
        )
        return [run_id for (run_id,) in rows]

    def _ask(self, query: str, *values: str) -> list[Any]:
        """Run one query on a connection of its own, so that no lock outlives it.

        A writer that was killed leaves a journal which a read-only connection may not roll back;
        that and everything else unexpected is for MLflow.
        """
        try:
            uri = f"{self.path.as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=SECONDS_TO_WAIT)
            try:
                found = {row[0] for row in connection.execute("SELECT * FROM alembic_version")}
                if not found or not found <= REVISIONS:
                    raise UnreadableError(f"tables of revision {found}")
                return connection.execute(query, values).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise UnreadableError(str(error)) from error


@dataclass(frozen=True)
class ServerReader:
    """Reads from a tracking server through its REST API."""

    uri: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def experiment_id(self, name: str) -> str | None:
        """Find an experiment by name."""
        found = self._ask("experiments/get-by-name", {"experiment_name": name})
        return str(found["experiment"]["experiment_id"]) if found else None

    def newest(self, experiment_id: str, tag: str) -> PastRun | None:
        """Find the newest finished run that carries a tag of this name, whatever its value."""
        body = {
            "experiment_ids": [experiment_id],
            "filter": f"tags.`{tag}` LIKE '%' AND attributes.status = 'FINISHED'",
            "order_by": ["attributes.start_time DESC"],
            "max_results": 1,
        }
        runs = self._ask("runs/search", body=body).get("runs", [])
        return past_run(runs[0]) if runs else None

    def run(self, run_id: str) -> PastRun | None:
        """Read a run."""
        found = self._ask("runs/get", {"run_id": run_id})
        return past_run(found["run"]) if found else None

    def versions(self, name: str) -> list[PastVersion]:
        """List the versions of a registered model."""
        found, query = list[PastVersion](), {"filter": f"name = '{name}'"}
        while True:
            page = self._ask("model-versions/search", query)
            for v in page.get("model_versions", []):
                stage, run_id = v.get("current_stage", ""), v.get("run_id", "")
                source, said = v.get("source", ""), v.get("description", "")
                number = int(v["version"])
                found.append(PastVersion(number, stage, run_id, source, said, tags_of(v)))
            if not page.get("next_page_token"):
                return found
            query["page_token"] = page["next_page_token"]

    def aliases(self, name: str) -> dict[str, int]:
        """Give the aliases of a registered model with their versions."""
        found = self._ask("registered-models/get", {"name": name}).get("registered_model", {})
        return {a["alias"]: int(a["version"]) for a in found.get("aliases", [])}

    def running(self, experiment_id: str) -> list[str]:
        """List runs that say they are running, the newest thousand."""
        body = {"experiment_ids": [experiment_id], "filter": "attributes.status = 'RUNNING'"}
        runs = self._ask("runs/search", body=body).get("runs", [])
        return [past_run(run).run_id for run in runs]

    def sizes(self, path: str) -> dict[str, int]:
        """List the files that the server keeps under a path, with their sizes."""
        found, folders = dict[str, int](), [""]
        while folders:
            folder = folders.pop()
            query = {"path": f"{path}/{folder}".rstrip("/")}
            for item in self._ask("artifacts", query, api="mlflow-artifacts").get("files", []):
                name = f"{folder}/{item['path']}".lstrip("/")
                if item.get("is_dir"):
                    folders.append(name)
                else:
                    found[name] = int(item.get("file_size") or 0)
        return found

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Tag a run, all at once."""
        listed = [{"key": name, "value": value} for name, value in tags.items()]
        self._ask("runs/log-batch", body={"run_id": run_id, "tags": listed})

    def _ask(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        api: str = "mlflow",
    ) -> dict[str, Any]:
        """Ask once; empty for something that is not there. MLflow does the trying again."""
        from http.client import HTTPException
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        url = f"{self.uri.rstrip('/')}/api/2.0/{api}/{path}?{urlencode(query or {})}"
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        try:
            request = Request(url, data, headers)  # noqa: S310 - only made for http and https
            with urlopen(request, timeout=SECONDS_TO_WAIT) as answer:  # noqa: S310
                found = json.load(answer)
        except HTTPError as error:
            with error:
                if error.code == 404 and b"RESOURCE_DOES_NOT_EXIST" in error.read():
                    return {}
            raise UnreadableError(f"status {error.code}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise UnreadableError(type(error).__name__) from error
        if not isinstance(found, dict):
            raise UnreadableError("an answer that is no object")
        return found


def past_run(found: Mapping[str, Any]) -> PastRun:
    """Read a run as the REST API writes it."""
    info = found["info"]
    return PastRun(
        info["run_id"], info["status"], int(info.get("end_time") or 0), tags_of(found["data"])
    )


def tags_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Read tags as the REST API writes them."""
    return {tag["key"]: tag.get("value", "") for tag in found.get("tags", [])}


Reader = SqliteReader | ServerReader


def reader(uri: str) -> Reader | None:
    """Make the reader of a store; None for one that only MLflow can read."""
    if any(os.environ.get(name) for name in LEFT_TO_MLFLOW):
        return None
    start = "sqlite:///"
    if uri.startswith(start):
        path = Path(uri.removeprefix(start))
        # SQLAlchemy reads a query after a question mark; MLflow creates a file that is not there.
        return SqliteReader(path.absolute()) if "?" not in uri and path.is_file() else None
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query:
        return None
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{n}", "") for n in ("USERNAME", "PASSWORD"))
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    if user and password:
        from base64 import b64encode

        word = b64encode(f"{user}:{password}".encode()).decode()
        return ServerReader(uri, {"Authorization": f"Basic {word}"})
    if user or password or (Path.home() / CREDENTIALS).exists():
        return None
    return ServerReader(uri, {"Authorization": f"Bearer {token}"} if token else {})
