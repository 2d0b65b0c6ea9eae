"""Notices an environment that MLflow did not finish building.

MLflow names an environment by what it should hold, and takes one that is there for whole: one
that a killed creation left is used for ever and fails somewhere with an odd import error. The
project's lock says what must be there; nothing is imported to compare.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from src.errors import UserError
from src.pipeline.step import ROOT

NAME = re.compile(r"mlflow-[0-9a-f]{40}")
SHOWN = 3


def check_environment() -> None:
    """Refuse to run in a half-built environment of MLflow's; looks at no other.

    Raises
    ------
    UserError
        Packages of the lock are missing; names the folder to remove.
    """
    active, own = Path(os.environ.get("VIRTUAL_ENV", sys.prefix)), Path(sys.prefix)
    folder = active if NAME.fullmatch(active.name) else own
    if not NAME.fullmatch(folder.name):
        return
    # One without a Python of its own runs that of whoever started it.
    missing = missing_packages(folder) if folder.resolve() == own.resolve() else ["python"]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"the environment {folder} is half-built: it lacks {', '.join(missing[:SHOWN])}{more}.",
            f"Remove it, and the next run builds it anew: rm -r {folder}",
        )


def missing_packages(folder: Path) -> list[str]:
    """List the pinned packages that an environment lacks or holds in another version."""
    there = set(installed(folder))
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [pin for pin in pins(lock) if pin not in there]


def pins(lock: str) -> Iterator[str]:
    """Read `name==version` of each package that every system and Python needs."""
    for line in lock.splitlines():
        name, mark, version = line.partition("==")
        if mark and ";" not in version:
            yield f"{normal(name)}=={version.strip()}"


def installed(folder: Path) -> Iterator[str]:
    """Read what is installed; INSTALLER comes after all files, so one without is not whole."""
    for info in folder.glob("lib*/python*/site-packages/*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").rpartition("-")
        if (info / "INSTALLER").exists():
            yield f"{normal(name)}=={version.partition('+')[0]}"


def normal(name: str) -> str:
    """Spell a package's name in the one way that all its spellings stand for."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
