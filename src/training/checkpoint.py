"""What a training that was killed goes on from: its latest state."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch

OLD_SECONDS = 30 * 86_400.0  # nobody has started that training again


class Checkpoint:
    """A file of tensors and plain values, written whole or not at all.

    Parameters
    ----------
    folder
        Where such files are kept; those of trainings long given up are removed.
    digest
        Stands for all that the training depends on.
    say
        Takes a line where no state can be kept.
    """

    def __init__(self, folder: Path, digest: str, say: Callable[[str], None]) -> None:
        self.path, self.say = folder / f"{digest}.pt", say
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            for file in [*folder.glob("*.pt"), *folder.glob("*.part")]:
                if _left(file):
                    file.unlink()

    def load(self) -> dict[str, Any] | None:
        """Give the state; None where there is none that is whole."""
        # A damaged archive shows itself in as many ways as there are places to damage.
        with suppress(Exception):
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            return state
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state; a training that cannot keep one goes on all the same."""
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            self.say(f"no checkpoint in {self.path.parent} ({type(error).__name__})")

    def remove(self) -> None:
        """Forget the state: the training has ended."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _left(file: Path) -> bool:
    """Tell whether nobody will come back for a file."""
    writer = file.stem.rpartition(".")[2]
    if file.suffix == ".part" and writer.isdecimal() and not psutil.pid_exists(int(writer)):
        return True
    return time.time() - file.stat().st_mtime > OLD_SECONDS
