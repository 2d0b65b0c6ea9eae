"""Takes the rows of forgotten people out of what past runs left in the artifact store.

Tables are known by their columns: where there is an `author`, an `id` or a `digest` of a trained
entry, a row of somebody forgotten leaves. A result that rows left can still be read, with digests
of what it is now, and is never taken for the result of its key again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from src.data.forgotten import Forgotten, Mark
from src.data.privacy import mark
from src.data.sample import DESCRIBED
from src.forgetting.kept import NAMED, ROW, SAMPLE, SAMPLE_FILE, TEXT, Kept, in_words, tables_of
from src.pipeline.content import content_digest
from src.pipeline.owner import is_alive
from src.pipeline.results import Output, purged_tags, read_seal
from src.pipeline.seals import local_path

HIDDEN = ".artifact.uploading.*"  # what a killed upload leaves beside artifacts of this machine


@dataclass(frozen=True)
class Purge:
    """What left.

    Attributes
    ----------
    rows
        How many, by artifact, as `<run id>/<name>`.
    unreadable
        Artifacts that are cut, so that nobody can say what they hold.
    elsewhere
        Runs whose artifacts are not on this machine: removed, or on another.
    """

    rows: Mapping[str, int]
    unreadable: tuple[str, ...]
    elsewhere: tuple[str, ...]


def purge(
    client: mlflow.MlflowClient,
    kept: Iterable[Kept],
    forgotten: Forgotten,
    marks: frozenset[Mark],
    folder: Path,
) -> Purge:
    """Take the rows of the forgotten out of every artifact; the others stay, in their order.

    An artifact's new digest is noted before its files are replaced, one by one and each whole:
    whatever is interrupted is completed when this is done again.
    """
    rows, unreadable, elsewhere = dict[str, int](), list[str](), list[str]()
    for one in kept:
        run_id, tags = one.run.info.run_id, one.run.data.tags
        sealed, repository = read_seal(run_id, tags, 0), get_artifact_repository(one.location)
        alive = one.run.info.status == "RUNNING" and is_alive(tags)
        root = local_path(one.location)
        made = sealed.outputs.values() if sealed else ()
        if root and not root.exists() and any(o.uri.startswith(f"runs:/{run_id}/") for o in made):
            elsewhere.append(run_id)
        changed = dict[str, Rewritten]()
        for name in one.names:
            try:
                found = rewritten(one, name, forgotten, marks, folder)
            except (pa.ArrowInvalid, OSError, ValueError):
                if sealed or alive:
                    unreadable.append(f"{run_id}/{name}")
                else:  # a killed upload has left it
                    repository.delete_artifacts(name)  # type: ignore[no-untyped-call]
                continue
            if found:
                changed[name], rows[f"{run_id}/{name}"] = found, found.rows
        now = {
            name: Output(made.uri, content_digest(changed[name].path), made.location)
            for name, made in (sealed.outputs if sealed else {}).items()
            if name in changed
        }
        if now and one.run.info.lifecycle_stage == "active":
            for tag, value in purged_tags(tags, now).items():
                client.set_tag(run_id, tag, value)
        for found in changed.values():
            for file, place in found.files.items():
                repository.log_artifact(str(file), place)  # type: ignore[no-untyped-call]
        if root and not alive:
            for left in root.rglob(HIDDEN):
                left.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return Purge(rows, tuple(unreadable), tuple(elsewhere))


@dataclass(frozen=True)
class Rewritten:
    """An artifact without some of its rows.

    Attributes
    ----------
    rows
        How many left.
    path
        The whole of it, as it is to be.
    files
        Those that differ, with the folder of the run's artifacts that each goes to.
    """

    rows: int
    path: Path
    files: Mapping[Path, str | None]


def rewritten(
    one: Kept, name: str, forgotten: Forgotten, marks: frozenset[Mark], folder: Path
) -> Rewritten | None:
    """Write an artifact anew without the forgotten; None where none of them is in it."""
    path = one.bring(name, folder)
    kept = (
        {path: _stay_in_sample(path, one.scopes, marks)}
        if name == SAMPLE_FILE
        else {file: _stay(file, one.scopes, forgotten, marks) for file in tables_of(path)}
    )
    kept = {file: stay for file, stay in kept.items() if not all(stay)}
    if not kept:
        return None
    copy = folder / "rewritten" / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, copy)
    files = dict[Path, str | None]()
    for file, stay in kept.items():
        new = copy / file.relative_to(path) if path.is_dir() else copy
        write = _write_sample if name == SAMPLE_FILE else _write_table
        write(file, new, stay)
        place = new.relative_to(folder / "rewritten").parent.as_posix()
        files[new] = None if place == "." else place
    return Rewritten(sum(stay.count(False) for stay in kept.values()), copy, files)


def _stay(
    file: Path, scopes: Iterable[str], forgotten: Forgotten, marks: frozenset[Mark]
) -> list[bool]:
    """Tell for each row of a table whether it stays."""
    stay = list[bool]()
    kinds = {kind for kind, _ in marks}

    def goes(row: Mapping[str, str | None]) -> bool:
        if (digest := row.get("digest")) and any(
            (kind, mark(kind, digest)) in marks for kind in (TEXT, NAMED)
        ):
            return True
        name, author = row.get("id") or "", row.get("author")
        if forgotten.has(author, name):
            return True
        return (
            bool(name)
            and "author" not in row
            and ROW in kinds
            and any((ROW, mark(ROW, f"{scope}\0{name}")) in marks for scope in scopes)
        )

    with pq.ParquetFile(file) as opened:
        there = [n for n in ("author", "id", "digest") if n in opened.schema_arrow.names]
        if not there:
            return []
        for batch in opened.iter_batches(columns=there):
            stay += [not goes(row) for row in batch.to_pylist()]
    return stay


def _write_table(file: Path, new: Path, stay: list[bool]) -> None:
    with (
        pq.ParquetFile(file) as opened,
        pq.ParquetWriter(new, opened.schema_arrow, compression="zstd") as writer,
    ):
        start = 0
        for group in range(opened.num_row_groups):
            rows = opened.read_row_group(group)
            writer.write_table(rows.filter(pa.array(stay[start : start + rows.num_rows])))
            start += rows.num_rows


def _stay_in_sample(file: Path, scopes: Iterable[str], marks: frozenset[Mark]) -> list[bool]:
    """Tell for each row of a logged sample whether it stays; it has no ids, so likenesses go."""
    table = json.loads(file.read_text(encoding="utf-8"))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    if not set(DESCRIBED) <= set(table["columns"]):
        return []
    words = [in_words(row) for row in rows]
    return [
        not any((SAMPLE, mark(SAMPLE, f"{scope}\0{word}")) in marks for scope in scopes)
        for word in words
    ]


def _write_sample(file: Path, new: Path, stay: list[bool]) -> None:
    table = json.loads(file.read_text(encoding="utf-8"))
    rows = [row for row, stays in zip(table["data"], stay, strict=True) if stays]
    new.write_text(json.dumps(table | {"data": rows}), encoding="utf-8")
