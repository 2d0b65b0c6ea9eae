"""Runs in the tracking store: the one module of the engine that asks MLflow."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import mlflow.projects
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput, Run
from mlflow.exceptions import ExecutionException, MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.utils.models import get_model_name_and_version
from sqlalchemy.exc import SQLAlchemyError

from src.errors import UserError
from src.pipeline.backends import Backend
from src.pipeline.caller import artifacts_destination, launched, launcher_run, tracking_uri
from src.pipeline.claims import Claim, Claims, claimed
from src.pipeline.content import content_digest
from src.pipeline.database import create_once, unusable
from src.pipeline.faults import is_away
from src.pipeline.first_look import dress
from src.pipeline.keys import Key
from src.pipeline.owner import beating, me
from src.pipeline.patience import (
    be_patient,
    lose_patience,
    reach,
    wait_for_databases,
    without_password,
    written,
)
from src.pipeline.results import (
    ACCEPTED,
    ENTRY_POINT,
    FAILURE,
    PARENT,
    READ,
    REASON,
    SEAL,
    STEP,
    Output,
    Sealed,
    key_tags,
    read_key,
    read_seal,
    seal_tags,
)
from src.pipeline.seals import files_of, local_path
from src.pipeline.stale import close_stale_runs
from src.pipeline.step import ROOT
from src.pipeline.stopping import STOPPED
from src.pipeline.temporary import clear_left_folders, owned_folder, temporary_folder

MODEL = "candidate"  # the name that a logged model has among its run's artifacts
OPEN = set[str]()  # runs that this process is recording
NEAR = 20  # past runs of a step among which the nearest is looked for


class Store:
    """The tracking store, seen as steps and their results."""

    def __init__(self) -> None:
        uri = tracking_uri()
        os.environ["MLFLOW_TRACKING_URI"] = uri
        be_patient()
        reach(uri)
        wait_for_databases()
        mlflow.set_tracking_uri(uri)
        try:
            destination = "" if uri.startswith("http") else artifacts_destination()
            create_once(uri, destination)
            self.client = mlflow.MlflowClient(uri)
            self.experiment_id = self._experiment(destination)
            dress(self.client, self.experiment_id)
        except SQLAlchemyError as error:
            raise unusable(uri, type(error).__name__) from error
        except MlflowException as error:
            raise UserError(
                f"the tracking store cannot be opened ({type(error).__name__}).",
                "Check MLFLOW_TRACKING_URI and that its server is up.",
            ) from error

    def _experiment(self, destination: str) -> str:
        if typed := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return typed
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        known = self.client.get_experiment_by_name(name)
        location = f"{destination}/{name}" if destination else None
        if known is None:
            with suppress(MlflowException):  # made meanwhile by somebody else
                return self.client.create_experiment(name, location)
            known = self.client.get_experiment_by_name(name)
        return known.experiment_id if known else self.client.create_experiment(name, location)

    def _search(self, query: str, most: int) -> list[Run]:
        order = ["attributes.start_time DESC"]
        return list(
            self.client.search_runs([self.experiment_id], query, order_by=order, max_results=most)
        )

    def find(self, digest: str) -> Sealed | None:
        """Find the newest sealed run of a key."""
        query = f"tags.`{SEAL}{digest}` LIKE '%' AND attributes.status = 'FINISHED'"
        runs = self._search(query, 1)
        found = sealed(runs[0]) if runs else None
        return None if found and found.purged else found

    def past(self, step: str) -> list[tuple[Sealed, Key]]:
        """List the newest sealed runs of a step with their keys, newest first."""
        query = f"tags.`{STEP}` = '{step}' AND attributes.status = 'FINISHED'"
        runs = self._search(query, NEAR)
        return [(found, read_key(run.data.tags)) for run in runs if (found := sealed(run))]

    def output(self, uri: str) -> Output:
        """Find out what content a URI stands for.

        Raises
        ------
        UserError
            Nothing is there, or the run that made it did not finish.
        """
        try:
            run_id, name = self._origin(uri)
            found = sealed(self.client.get_run(run_id)) if run_id else None
        except MlflowException as error:
            raise UserError(
                f"nothing is found under {uri}.", "Check the run or model id."
            ) from error
        if found and name in found.outputs:
            return found.outputs[name]
        if found or uri.startswith("runs:/"):
            made = ", ".join(found.outputs) if found else "nothing that finished"
            raise UserError(f"{uri}: that run holds {made}.", "Name a finished run's artifact.")
        with temporary_folder() as folder:
            return Output(uri, content_digest(Path(self.download(uri, folder))))

    def locate(self, made: Output) -> Output:
        """Note where the artifact store keeps an artifact, and the files that it is made of."""
        run_id, name = self._origin(made.uri)
        if made.uri.startswith("runs:/"):
            location = f"{self.client.get_run(run_id).info.artifact_uri}/{name}"
        else:
            model_id = made.uri.removeprefix("models:/")
            location = str(self.client.get_logged_model(model_id).artifact_location)
        path = local_path(location)
        files = files_of(path) if path else {n: (s, 0) for n, s in self.sizes(location).items()}
        return replace(made, location=location, files=files)

    def sizes(self, location: str) -> dict[str, int]:
        """List the files that the artifact store keeps at a location, with their sizes."""
        found, folders = dict[str, int](), [""]
        repository = get_artifact_repository(location)
        while folders:
            for item in repository.list_artifacts(folders.pop() or None):
                if item.is_dir:
                    folders.append(item.path)
                else:
                    found[item.path] = int(item.file_size or 0)
        return found

    def _origin(self, uri: str) -> tuple[str, str]:
        """Split a URI into the run that made it and the artifact's name."""
        scheme, _, rest = uri.partition(":/")
        first, _, name = rest.strip("/").partition("/")
        if scheme == "runs":
            return first, name
        if scheme == "models" and first.startswith("m-") and not name:
            model = self.client.get_logged_model(first)
            return model.source_run_id or "", model.name
        if scheme == "models":
            named = get_model_name_and_version(self.client, uri)  # type: ignore[no-untyped-call]
            version = self.client.get_model_version(*named)
            return version.run_id or "", MODEL
        return "", ""

    def made_by(self, uri: str) -> str:
        """Name the run that made an artifact; empty if it cannot be told."""
        return self._origin(uri)[0]

    def tagged(self, tag: str, most: int = 1) -> list[tuple[Run, Sealed]]:
        """List the newest sealed runs that carry a tag, newest first."""
        runs = self._search(f"tags.`{tag}` LIKE '%' AND attributes.status = 'FINISHED'", most)
        return [(run, made) for run in runs if (made := sealed(run))]

    def sibling(self, uri: str, name: str) -> Output | None:
        """Find another artifact of the run that made this one; None if it cannot be told."""
        run_id, _ = self._origin(uri)
        found = sealed(self.client.get_run(run_id)) if run_id else None
        return found.outputs.get(name) if found else None

    def lineage(self, uri: str) -> dict[str, str]:
        """Name the run that made an artifact, and the digests of what that run read."""
        run_id, _ = self._origin(uri)
        if not run_id:
            return {}
        run = self.client.get_run(run_id)
        found = {f"run.{run.data.tags.get(STEP, 'unknown')}": run_id}
        if sealed(run):
            found |= {f"data.{n}": digest for n, digest in read_key(run.data.tags).inputs.items()}
        return found

    def download(self, uri: str, into: Path | None = None) -> str:
        """Bring an artifact to this machine; give its local path."""
        if Path(uri).exists():
            return uri
        target = None if into is None else str(into)
        try:
            return str(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=target))
        except (MlflowException, OSError) as error:
            raise UserError(
                f"{uri} cannot be read from the artifact store ({type(error).__name__}).",
                "Run the step that makes it again with -P force=true.",
            ) from error

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[Run]:
        """Record a run; under `mlflow run` adopt the one that the launcher made."""
        own = not launched()
        with mlflow.start_run(
            run_name=name if own else None,
            experiment_id=self.experiment_id if own else None,
            tags={**tags, **me().as_tags(), "mlflow.runName": name},
        ) as run:
            run_id = run.info.run_id
            OPEN.add(run_id)
            try:
                with beating(lambda tag, value: self.client.set_tag(run_id, tag, value)):
                    # The launcher has logged what was typed, and a logged value cannot change.
                    known = self.client.get_run(run_id).data
                    mlflow.log_params({n: v for n, v in params.items() if n not in known.params})
                    # It also notes where a clone came from, as git was told to reach it.
                    clean = {n: without_password(value) for n, value in known.tags.items()}
                    mlflow.set_tags({n: v for n, v in clean.items() if v != known.tags[n]})
                    yield run
            except KeyboardInterrupt:
                mlflow.end_run("KILLED")
                raise
            OPEN.discard(run_id)

    def claim(
        self,
        digest: str,
        title: str,
        run_id: str,
        done: Callable[[], Sealed | None],
        say: Callable[[str], None],
        parent_id: str = "",
    ) -> AbstractContextManager[Sealed | None]:
        """Hold the claim to some work for a block, or wait for the result of who holds it.

        Parameters
        ----------
        digest
            The work's key.
        run_id
            The run under which it will be done, if there is one yet.
        done
            Looks for the result.
        parent_id
            The driver's run, where a step on another machine was told it; else as its run says.
        """
        if run_id and not parent_id:
            parent_id = self.client.get_run(run_id).data.tags.get(PARENT, "")
        client = mlflow.MlflowClient(tracking_uri(), tracking_uri())

        def tell(claim: Claim) -> None:
            say(f"{title}: waiting for another run of the same work, {claim}")

        claims = Claims(client, self.experiment_id)
        return claimed(claims, digest, run_id, parent_id, done, tell)

    def close_stale(self) -> None:
        """Close what processes that died have left: runs, claims, temporary folders."""
        clear_left_folders()
        if close_stale_runs(self.client, self.experiment_id):
            client = mlflow.MlflowClient(tracking_uri(), tracking_uri())
            Claims(client, self.experiment_id).clear_dead()

    def note_failure(self, run_id: str, reason: str, error: BaseException) -> None:
        """Tag a run with why it failed, unless it is the store itself that failed."""
        if is_away(error):
            lose_patience()
        with suppress(MlflowException):
            written(self.client.set_tag, run_id, FAILURE, reason)

    def start(self, step: str, title: str, parameters: Mapping[str, Any], backend: Backend) -> bool:
        """Run a step as a project run of its own below the active run; False if it failed."""
        try:
            with owned_folder() as folder:
                mlflow.projects.run(  # type: ignore[no-untyped-call]
                    str(ROOT),
                    step,
                    parameters=dict(parameters),
                    experiment_id=self.experiment_id,
                    run_name=title,
                    env_manager="local",
                    storage_dir=str(folder),  # else MLflow makes one and leaves it
                    backend=backend.name,
                    backend_config=dict(backend.config),
                )
        except ExecutionException as error:
            reason, hint = getattr(error, "reason", ""), getattr(error, "hint", "")
            if reason:  # a backend of ours has started nothing and says what to do
                raise UserError(f"{title}: {reason}", hint) from error
            self._close_child(step, "", why_failed(error))
            return False
        except KeyboardInterrupt as error:
            self._close_child(step, "KILLED", str(error) or "interrupted")
            raise
        return True

    def _close_child(self, step: str, status: str, why: str) -> None:
        """Close the newest run of a step below the active run, if it did not finish."""
        active = mlflow.active_run()
        below = self._below(active.info.run_id, step) if active else []
        found = next(iter(below), None)
        if found is None or found.info.status == "FINISHED":
            return
        said = found.data.tags.get(FAILURE)
        if said is None:
            written(self.client.set_tag, found.info.run_id, FAILURE, why)
        elif said.startswith(STOPPED):  # MLflow has made FAILED of the KILLED it said of itself
            status = "KILLED"
        if status and found.info.status != status:
            written(self.client.set_terminated, found.info.run_id, status)

    def upload(self, run_id: str, path: Path) -> None:
        """Put a file or folder among a run's artifacts, under its own name."""
        if path.is_dir():
            self.client.log_artifacts(run_id, str(path), path.name)
        else:
            self.client.log_artifact(run_id, str(path))

    def describe(self, run_id: str, tags: Mapping[str, str], text: str) -> None:
        """Tag a run and describe it in Markdown, which the tracking UI shows."""
        for name, value in {**tags, "mlflow.note.content": text}.items():
            self.client.set_tag(run_id, name, value)

    def link_input(self, run_id: str, name: str, made: Output) -> None:
        """Note on a run what it read, so that the tracking UI shows where it came from."""
        if made.uri.startswith("models:/m-"):
            link = LoggedModelInput(made.uri.removeprefix("models:/"))
            self.client.log_inputs(run_id, models=[link])
            return
        source = json.dumps({"uri": made.uri})
        data = Dataset(name=name, digest=made.digest[:32], source_type="artifact", source=source)
        link_to = DatasetInput(data, [InputTag("mlflow.data.context", name)])
        self.client.log_inputs(run_id, datasets=[link_to])

    def accept(self, key: Key, old: Sealed, title: str, parent_id: str, over: str) -> Sealed:
        """Seal a past result under a new key, on a run that says who vouched for what."""
        who = getpass.getuser()
        tags = {
            **key_tags(key),
            REASON: f"accepted by {who} over: {over}",
            ACCEPTED: old.run_id,
            "mlflow.parentRunId": parent_id,
            "mlflow.user": who,
        }
        run = self.client.create_run(self.experiment_id, tags=tags, run_name=title)
        self.describe(run.info.run_id, {}, f"Run `{old.run_id}` taken as good. {tags[REASON]}")
        self.seal(run.info.run_id, key, old.outputs, old.details)
        self.client.set_terminated(run.info.run_id, "FINISHED")
        return replace(old, run_id=run.info.run_id)

    def seal(
        self, run_id: str, key: Key, outputs: Mapping[str, Output], details: Mapping[str, Any]
    ) -> None:
        """Declare a run's result complete. The last thing written."""
        for name, value in seal_tags(key, outputs, details).items():
            self.client.set_tag(run_id, name, value)

    def _below(self, parent_id: str, step: str) -> list[Run]:
        """List the runs of a step below a parent, newest first.

        A backend of another machine may make two: the one that it submits, and the step's own.
        """
        query = f"tags.`{PARENT}` = '{parent_id}' AND tags.`{ENTRY_POINT}` = '{step}'"
        return self._search(query, 2)

    def last_under(self, but: str, title: str) -> str:
        """Name the run that stood for a job in the newest other pipeline run; empty if none did."""
        tags = [f"pipeline.{outcome}.{title}" for outcome in ("run", "accept", "reuse")]
        found = [
            (run.info.start_time, str(run.data.tags[tag]))
            for tag in tags
            for run in self._search(f"tags.`{tag}` LIKE '%'", 2)
            if run.info.run_id != but
        ]
        return max(found, default=(0, ""))[1]

    def failure(self, parent_id: str, step: str) -> str:
        """Read why the newest run of a step below a parent failed; empty if it could not say."""
        runs = self._below(parent_id, step)
        return next((r.data.tags[FAILURE] for r in runs if FAILURE in r.data.tags), "")

    def read_below(self, parent_id: str, step: str, key: Key) -> Sealed | None:
        """Find what a step below a parent made, where its key differs only in what it read itself.

        Such a source changes while people use it: its digest of now is not that of the reading.
        """
        for run in self._below(parent_id, step):
            made, names = sealed(run), run.data.tags.get(READ, "")
            if made and names:
                there = read_key(run.data.tags)
                read = {name: there.inputs[name] for name in names.split(",")}
                if replace(key, inputs={**key.inputs, **read}) == there:
                    return made
        return None

    def key_below(self, parent_id: str, step: str) -> Key | None:
        """Read the key of the step that ran below a parent, if it came that far."""
        runs = self._below(parent_id, step)
        return next((read_key(run.data.tags) for run in runs if STEP in run.data.tags), None)


def why_failed(error: ExecutionException) -> str:
    """Say what a backend says of a step's end; MLflow itself says only that it failed."""
    said = str(error)
    is_mlflow = said.startswith("Run (ID")
    return "its process was killed, or ran out of memory" if is_mlflow else said


def close_open(why: str) -> None:
    """Close the runs that this process has not: it was told to stop."""
    while mlflow.active_run():
        mlflow.end_run("KILLED")
    client = mlflow.MlflowClient(tracking_uri())
    for run_id in {launcher_run(), *OPEN} - {""}:
        run = client.get_run(run_id)
        if FAILURE not in run.data.tags and run.info.status != "FINISHED":
            written(client.set_tag, run_id, FAILURE, why)
        if run.info.status == "RUNNING":
            written(client.set_terminated, run_id, "KILLED")


def sealed(run: Run) -> Sealed | None:
    """Read a run's seal; None if it did not finish or has none."""
    if run.info.status != "FINISHED":
        return None
    return read_seal(run.info.run_id, run.data.tags, run.info.end_time or 0)


def code_version() -> str:
    """Name the commit that is running; "uncommitted" after it where files differ from it."""
    try:
        commit = git("rev-parse", "HEAD")
        return commit + (" uncommitted" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def code_folder() -> str:
    """Name the folder of this project within its repository; empty for the top."""
    try:
        return git("rev-parse", "--show-prefix").rstrip("/")
    except (OSError, subprocess.CalledProcessError):
        return ""


def git(*words: str) -> str:
    """Ask git about this project."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
    )
    return asked.stdout.strip()
