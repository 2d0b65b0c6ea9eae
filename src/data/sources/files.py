"""`source=<path or glob>`: one's own CSV, JSON Lines and parquet files."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from src.data.sources import formats
from src.data.sources.formats import ENDINGS, FileParams, check_ending, ending_of
from src.data.sources.source import Piece, Source
from src.data.sources.stored import Stored
from src.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

PIECE = 32_768  # rows of a parquet file that are read apart


def files_of(source: str) -> list[Path]:
    """List the files that a path, a folder or a glob means, in the order of their names.

    Raises
    ------
    UserError
        There are none, or one has an ending that says nothing.
    """
    path = Path(source)
    if path.is_dir():
        found = [p for p in path.iterdir() if ending_of(p.name) and p.is_file()]
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
        check_ending(file.name)
    return sorted(found, key=lambda file: (file.name, file))


def stored(source: str) -> list[Stored]:
    """Give the files as what formats read.

    Raises
    ------
    UserError
        As `files_of`, or one may not be read.
    """
    return [_stored(file) for file in files_of(source)]


def _stored(file: Path) -> Stored:
    def opened() -> BinaryIO:
        try:
            return file.open("rb")
        except PermissionError:
            raise UserError(f"{file} may not be read.", f"chmod u+r {file}") from None
        except FileNotFoundError:
            raise UserError(
                f"{file} was there and is gone.", "Run again once nobody moves it."
            ) from None

    return Stored(file.name, file.stat().st_size, opened)


def check(params: FileParams) -> None:
    """Check that every file is there, has content and a column of texts, and all the same roles.

    Raises
    ------
    UserError
        The first thing that is wrong.
    """
    formats.check(stored(params.source), params)


def fingerprint(params: FileParams) -> str:
    """Digest the files' names and bytes, in the order in which they are read."""
    total = hashlib.sha256()
    for file in files_of(params.source):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"{file.name}\0{content}\n".encode())
    return total.hexdigest()


def read(params: FileParams) -> Iterator[pa.Table]:
    """Stream the files' rows as tables of `src.data.raw.RAW`."""
    yield from formats.read(stored(params.source), params)


def pieces(params: FileParams) -> Iterator[Piece]:
    """Cut the files into runs of row groups of parquet, or whole files of other kinds."""
    for file in files_of(params.source):
        if ending_of(file.name) != ".parquet":
            yield Piece(partial(_read_piece, file, params))
            continue
        for start, groups in formats.row_groups(_stored(file), PIECE):
            yield Piece(partial(_read_piece, file, params, groups), {file.name: start})


def _read_piece(file: Path, params: FileParams, groups: range | None = None) -> Iterator[pa.Table]:
    try:
        opened = _stored(file)
    except FileNotFoundError:
        raise UserError(
            f"{file} is not there for a worker.",
            "Put it into a folder that every machine of the cluster sees by the same path.",
        ) from None
    if groups is None:
        return formats.read([opened], params)
    return formats.read_groups(opened, params, groups)


SOURCE = Source(
    name="files",
    help="CSV, JSON Lines (gzip, zstd) or parquet: a file, a folder or a glob",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
    params=FileParams,
    pieces=pieces,
)
