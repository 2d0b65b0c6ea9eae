"""Temporary folders that a killed process leaves, and the next one removes."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from src.pipeline.owner import me, place, process_lives

PREFIX = "pipeline"
OLD_SECONDS = 7 * 86_400.0  # of another machine or an earlier start of this one


@contextmanager
def owned_folder(where: Path | None = None) -> Iterator[Path]:
    """Make a folder for the block, whose name says whose it is.

    Parameters
    ----------
    where
        The folder that it is made in; the usual one for temporary files if not given.
    """
    with kept_folder(where) as made:
        yield Path(made)


def kept_folder(where: Path | None = None) -> tempfile.TemporaryDirectory[str]:
    """Make a folder whose name says whose it is; it goes with the object that stands for it."""
    return tempfile.TemporaryDirectory(prefix=ours(), dir=where, ignore_cleanup_errors=True)


def ours() -> str:
    """Begin the name of a folder so that it says whose it is."""
    return f"{PREFIX}-{here()}-{me().pid}-{me().started:.0f}-"


@contextmanager
def temporary_folder(where: Path | None = None) -> Iterator[Path]:
    """Make an owned folder, and let all temporary files go into it.

    MLflow and what it starts have temporary files of their own, which would be left as well.
    """
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with owned_folder(where) as made:
        inner = made / "tmp"
        inner.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(inner)
        try:
            yield made
        finally:
            tempfile.tempdir = before
            del os.environ["TMPDIR"]
            if variable is not None:
                os.environ["TMPDIR"] = variable


def here() -> str:
    """Name this machine and this start of it in 8 hex digits."""
    return hashlib.sha256(repr(place()).encode()).hexdigest()[:8]


def clear_left_folders(where: Path | None = None) -> int:
    """Remove the folders of processes that are gone; count them."""
    removed = 0
    for folder in (where or Path(tempfile.gettempdir())).glob(f"{PREFIX}-*-*-*-*"):
        with suppress(ValueError, OSError):
            _, host, pid, started, _ = folder.name.split("-", 4)
            if host == here():
                left = not process_lives(int(pid), float(started))
            else:
                left = time.time() - folder.stat().st_mtime > OLD_SECONDS
            if left and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed
