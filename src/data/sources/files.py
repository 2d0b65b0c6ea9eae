"""`source=<path or glob>`: one's own CSV, JSON Lines and parquet files."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from src.data.sources.columns import match
from src.data.sources.formats import BY_ENDING
from src.data.sources.source import IngestParams, Source
from src.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = ", ".join(BY_ENDING)


def files_of(source: str) -> list[Path]:
    """List the files that a path, a folder or a glob means, in the order of their names.

    Raises
    ------
    UserError
        There are none, or one has an ending that says nothing.
    """
    path = Path(source)
    if path.is_dir():
        found = [p for p in path.iterdir() if p.suffix.lower() in BY_ENDING and p.is_file()]
        missing = f"the folder {source} holds no files that end in {ENDINGS}."
    elif path.exists():
        found, missing = [path], ""
    else:
        # Path.glob would take no absolute pattern.
        matches = glob.glob(source, recursive=True)  # noqa: PTH207
        found = [p for p in map(Path, matches) if p.is_file()]
        missing = f"there is no file {source}."
        if glob.has_magic(source):
            missing = f"no file matches {source}."
    if not found:
        raise UserError(missing, "Look at the path: -P source=/path/to/entries.csv")
    for file in found:
        if file.suffix.lower() not in BY_ENDING:
            raise UserError(
                f"{file.name} ends in {file.suffix or 'nothing'}; known are {ENDINGS}.",
                "Save it as one of these, or narrow the glob.",
            )
    return sorted(found, key=lambda file: (file.name, file))


def check(params: IngestParams) -> None:
    """Check that every file is there, has content and a column of texts, and all the same roles.

    Raises
    ------
    UserError
        The first thing that is wrong.
    """
    first: tuple[str, set[str]] | None = None
    for file in files_of(params.source):
        try:
            if not file.stat().st_size:
                raise UserError(f"{file.name} is empty.", "Name a file with a header and rows.")
            columns = BY_ENDING[file.suffix.lower()].columns(file)
        except PermissionError:
            raise UserError(f"{file} may not be read.", f"chmod u+r {file}") from None
        if not any(columns):
            raise UserError(f"{file.name} has no columns.", "Name a file with a header and rows.")
        roles = set(match(columns, params, file.name))
        first = first or (file.name, roles)
        # A row of JSON Lines may leave out what others have.
        if roles != first[1] and file.suffix.lower() in {".csv", ".tsv", ".parquet"}:
            differ = ", ".join(sorted(roles ^ first[1]))
            raise UserError(
                f"{first[0]} and {file.name} do not have the same columns: {differ}.",
                "Give them the same columns, or ingest one of them.",
            )


def fingerprint(params: IngestParams) -> str:
    """Digest the files' names and bytes, in the order in which they are read."""
    total = hashlib.sha256()
    for file in files_of(params.source):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.name}\0{content}\n".encode())
    return total.hexdigest()


def read(params: IngestParams) -> Iterator[pa.Table]:
    """Stream the files' rows as tables of `src.data.raw.RAW`."""
    for file in files_of(params.source):
        yield from BY_ENDING[file.suffix.lower()].tables(file, params)


SOURCE = Source(
    name="files",
    help="CSV, JSON Lines or parquet: a file, a folder or a glob",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
)
