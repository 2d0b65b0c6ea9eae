"""What past runs keep of the forgotten: their entries, and who was trained with them."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from src.data.forgotten import FOUND, Forgotten, Mark
from src.data.privacy import mark
from src.data.sample import DESCRIBED, description
from src.data.seen import text_digest
from src.pipeline.seals import local_path

# What is noted of the entries found: the digest of a text and of an id, as `trained_on` has them;
# an id below the run that wrote the entry down; and a row of a logged sample, below that run too.
TEXT, NAMED, ROW, SAMPLE = "text", "named", "row", "sample"
SAMPLE_FILE = "data_sample.json"
RUN_ID = re.compile(r"runs:/([0-9a-f]{32})/")
AT_ONCE = 500  # runs asked for at once


@dataclass(frozen=True)
class Kept:
    """What a run keeps in the artifact store that may hold rows: its tables and its sample.

    Attributes
    ----------
    names
        Its artifacts: folders and files at the top.
    scopes
        The runs below which its ids are noted: its own, and the one whose splits it read.
    """

    run: Run
    names: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def location(self) -> str:
        """Where its artifacts lie."""
        return str(self.run.info.artifact_uri)

    def bring(self, name: str, folder: Path) -> Path:
        """Give an artifact's local path: where it is, or a copy in the folder."""
        if root := local_path(self.location):
            return root / name
        into = folder / self.run.info.run_id
        into.mkdir(parents=True, exist_ok=True)
        repository = get_artifact_repository(self.location)
        return Path(repository.download_artifacts(name, str(into)))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Look:
    """What the store holds of the forgotten, before anything leaves it.

    Attributes
    ----------
    marks
        Of each entry found, so that it is known wherever else it was noted.
    trained
        For each run that trained a model, how many of the entries it did so with.
    """

    marks: frozenset[Mark]
    trained: Mapping[str, int]


def all_runs(client: mlflow.MlflowClient, but: str) -> Iterator[Run]:
    """List every run of the store, deleted ones too, without those of one experiment."""
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        token: str | None = None
        while experiment.experiment_id != but:
            page = client.search_runs(
                [experiment.experiment_id], "", ViewType.ALL, AT_ONCE, None, token
            )
            yield from page
            token = page.token
            if not token:
                break


def kept_by(run: Run) -> Kept:
    """Find what a run keeps that may hold rows."""
    location = str(run.info.artifact_uri)
    names = set[str]()
    if root := local_path(location):
        files = (p.relative_to(root) for p in root.rglob("*") if p.is_file())
        names = {p.parts[0] for p in files if p.suffix == ".parquet" or str(p) == SAMPLE_FILE}
    else:
        repository, folders = get_artifact_repository(location), [""]
        while folders:
            for item in repository.list_artifacts(folders.pop() or None):
                if item.is_dir:
                    folders.append(item.path)
                elif item.path.endswith(".parquet") or item.path == SAMPLE_FILE:
                    names.add(item.path.partition("/")[0])
    read = RUN_ID.findall(run.data.params.get("splits", ""))
    return Kept(run, tuple(sorted(names)), (run.info.run_id, *read))


def look(kept: Iterable[Kept], forgotten: Forgotten, known: Iterable[Mark], folder: Path) -> Look:
    """Find the entries of the forgotten, and who was trained with them.

    Parameters
    ----------
    known
        Marks that earlier looks have found.
    folder
        A place for copies, which is emptied.
    """
    marks, kept = set(known), list(kept)
    for one in kept:
        for batch in _batches(one, folder, {"id", "text", "author", "source"}):
            for row in batch.to_pylist():
                if forgotten.has(row["author"], row["id"]):
                    marks |= _marks_of(row, one.run.info.run_id)
    trained = dict[str, int]()
    for one in kept:
        digests = list[str]()
        for batch in _batches(one, folder, {"digest"}):
            digests += batch.column("digest").to_pylist()
        if "trained_on" in one.names:
            trained[one.run.info.run_id] = trained_with(digests, marks)
    marks |= {(FOUND, found) for _, found in forgotten.met}
    return Look(frozenset(marks), trained)


def trained_with(digests: Iterable[str], marks: Set[Mark]) -> int:
    """Count the entries of the forgotten among the digests of what a model was trained on."""
    count = Counter(
        kind for d in digests for kind in (TEXT, NAMED) if (kind, mark(kind, d)) in marks
    )
    return max(count.values(), default=0)


def _marks_of(row: Mapping[str, Any], run_id: str) -> set[Mark]:
    words = {
        TEXT: text_digest(row["text"]),
        NAMED: text_digest(f"{row['source']}\0{row['id']}"),
        ROW: f"{run_id}\0{row['id']}",
    }
    if "split" in row:
        words[SAMPLE] = f"{run_id}\0{in_words(description(row))}"
    return {(kind, mark(kind, word)) for kind, word in words.items()}


def in_words(described: Mapping[str, Any]) -> str:
    """Write what a logged sample says of an entry as one word."""
    return json.dumps([described[name] for name in DESCRIBED])


def _batches(one: Kept, folder: Path, columns: set[str]) -> Iterator[pa.RecordBatch]:
    """Stream those of a run's tables that have these columns; what cannot be read is left out."""
    for name in one.names:
        path = one.bring(name, folder)
        for file in tables_of(path):
            with suppress(pa.ArrowInvalid, OSError), pq.ParquetFile(file) as opened:
                if columns <= set(opened.schema_arrow.names):
                    yield from opened.iter_batches()
        if folder in path.parents:
            shutil.rmtree(folder, ignore_errors=True)


def tables_of(path: Path) -> list[Path]:
    """List the tables of an artifact, in the order of their names."""
    return [path] if path.suffix == ".parquet" else sorted(path.rglob("*.parquet"))
