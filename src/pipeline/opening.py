"""Opens the tracking store as lightly as the work allows: MLflow only once something has to run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from src.pipeline.caller import launcher_run, tracking_uri
from src.pipeline.lookup import PastRun, Reader, ServerReader, SqliteReader, UnreadableError, reader
from src.pipeline.results import REUSED, SEAL, Output, Sealed, read_seal
from src.pipeline.seals import local_path
from src.pipeline.temporary import clear_left_folders

if TYPE_CHECKING:
    from src.pipeline.runs import Store

NOTE = "mlflow.note.content"  # the tag that the tracking UI shows as a run's description
MARK = "reused.md"  # the artifact that says of a run that it is a reuse; the UI renders it
CARD = "card.html"  # the artifact that shows what a run has come to
HIDDEN = ".artifact.uploading."  # what MLflow does not list: files that are being written
T = TypeVar("T")


class Light:
    """Stands in for a `Store`: answers what can be read without MLflow, hands on the rest."""

    def __init__(self) -> None:
        self.uri = tracking_uri()
        os.environ["MLFLOW_TRACKING_URI"] = self.uri
        self.reader: Reader | None = reader(self.uri)

    @cached_property
    def full(self) -> Store:
        """The store as MLflow opens it."""
        from src.pipeline.runs import Store

        return Store()

    def __getattr__(self, name: str) -> Any:
        """Hand on what this class does not answer itself."""
        return getattr(self.full, name)

    def _read(self, ask: Callable[[Reader], T], otherwise: Callable[[Store], T]) -> T:
        if self.reader is not None:
            try:
                return ask(self.reader)
            except UnreadableError:
                self.reader = None
        return otherwise(self.full)

    @cached_property
    def experiment_id(self) -> str:
        """The experiment that runs go to; one that is not there yet is made."""
        if typed := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return typed
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
        found = self._read(lambda r: r.experiment_id(name), lambda s: s.experiment_id)
        return found or self.full.experiment_id

    def find(self, digest: str) -> Sealed | None:
        """Find the newest sealed run of a key."""
        found = self._read(
            lambda r: sealed(r.newest(self.experiment_id, SEAL + digest)),
            lambda s: s.find(digest),
        )
        return None if found and found.purged else found

    def output(self, uri: str) -> Output:
        """Find out what content a URI stands for."""
        run_id, _, name = uri.removeprefix("runs:/").partition("/")
        if self.reader is not None and uri.startswith("runs:/"):
            made = self._read(lambda r: sealed(r.run(run_id)), lambda s: None)
            if made and name in made.outputs:
                return made.outputs[name]
        return self.full.output(uri)

    def sizes(self, location: str) -> dict[str, int]:
        """List the files that the artifact store keeps at a location, with their sizes."""
        inside = "mlflow-artifacts:/"
        if isinstance(self.reader, ServerReader) and location.startswith(inside):
            with suppress(UnreadableError):
                return self.reader.sizes(location.removeprefix(inside).lstrip("/"))
        return self.full.sizes(location)

    def close_stale(self) -> None:
        """Close what processes that died have left; MLflow is needed only where there is any."""
        running = self._read(lambda r: r.running(self.experiment_id), lambda s: [""])
        if set(running) - {launcher_run()}:
            self.full.close_stale()
        else:
            clear_left_folders()

    def describe(self, run_id: str, tags: Mapping[str, str], text: str) -> None:
        """Tag a run and describe it in Markdown, which the tracking UI shows.

        Only MLflow writes to a database, and that costs more than finding that nothing has to
        run. There the description of a reuse is an artifact instead, where artifacts lie here.
        """
        with suppress(UnreadableError, OSError):
            if isinstance(self.reader, ServerReader):
                self.reader.tag(run_id, {**tags, NOTE: text})
                return
            if isinstance(self.reader, SqliteReader) and REUSED in tags:
                folder = local_path(self.reader.artifacts(run_id))
                if folder and folder.is_absolute():
                    mark(folder, text)
                    return
        self.full.describe(run_id, tags, text)


def mark(folder: Path, text: str) -> None:
    """Put the mark of a reuse among a run's artifacts, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{HIDDEN}{MARK}"
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(folder / MARK)


def sealed(run: PastRun | None) -> Sealed | None:
    """Read a run's seal; None if it did not finish or has none."""
    if run is None or run.status != "FINISHED":
        return None
    return read_seal(run.run_id, run.tags, run.ended)


def on_server(experiment_id: str, run_id: str) -> str:
    """Say where a tracking server shows a run; empty without one, or if its address is secret."""
    uri = tracking_uri()
    if not uri.startswith(("http://", "https://")) or "@" in uri:  # a password may be in it
        return ""
    return f"{uri.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def address_of(store: Store, run_id: str) -> str:
    """Say where a run can be looked at: on a tracking server, else its card where it lies here."""
    if address := on_server(store.experiment_id, run_id):
        return address
    found = reader(tracking_uri())
    folder = local_path(found.artifacts(run_id)) if isinstance(found, SqliteReader) else None
    card = folder / CARD if folder else None
    return card.as_uri() if card and card.is_absolute() and card.is_file() else ""


def open_store() -> Store:
    """Open the caller's tracking store."""
    return cast("Store", Light())
