"""Parts of a scoring that are finished, kept until all are: what a killed one goes on from.

A part is a parquet file and a record beside it, which says of what rows it is made. Both appear
whole, the record last: a part without one was never finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from src.data.digest import Digest
from src.data.schema import Artifact, FilesDigest
from src.scoring.scores import Counts

OLD_SECONDS = 30 * 86_400.0  # nobody has started that scoring again
LOCK, WRITING = "lock", "writing"
MOST_FILES = 48


@dataclass(frozen=True)
class Record:
    """What is known of a finished part.

    Attributes
    ----------
    rows
        Digest of the ids, authors and texts that it is made of.
    file
        Digest of its bytes.
    scored, carried
        Rows that the model answered, and rows taken over from an earlier scoring.
    counts
        What its answers are like.
    """

    number: int
    rows: str
    file: str
    scored: int
    carried: int
    counts: Counts

    @property
    def name(self) -> str:
        """What its file is called."""
        return name_of(self.number)


def name_of(number: int) -> str:
    """Name a part's file."""
    return f"part-{number:06}.parquet"


def rows_digest(batch: pa.RecordBatch) -> str:
    """Digest the ids, authors and texts of a part: 64 hex digits."""
    # Under another name authors count by what they are, not by their order.
    plain = pa.RecordBatch.from_arrays(batch.columns, names=["id", "by", "text"])
    digest = Digest(plain.schema)
    digest.update(plain)
    return digest.hexdigest()


def write_part(
    folder: Path, artifact: Artifact, number: int, source: pa.RecordBatch, rows: pa.RecordBatch,
    carried: int, counts: Counts,
) -> Record:  # fmt: skip
    """Write a part and its record, each whole or not at all.

    Raises
    ------
    UserError
        The rows break an invariant of the artifact.
    """
    file = folder / name_of(number)
    fresh = folder / WRITING / file.name
    artifact.write(fresh.parent, [rows], fresh.stem)
    scored = rows.num_rows - carried
    found = Record(number, rows_digest(source), bytes_digest(fresh), scored, carried, counts)
    _settle(fresh, file)
    note = fresh.with_suffix(".json")
    note.write_text(json.dumps(asdict(found)), encoding="utf-8")
    _settle(note, file.with_suffix(".json"))
    return found


def bytes_digest(file: Path) -> str:
    """Digest a file as it lies there."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _settle(fresh: Path, place: Path) -> None:
    """Give a file its name once its bytes are on the disk."""
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(place)


class Work:
    """The folder of one scoring's parts, held by one process at a time.

    Parameters
    ----------
    home
        Where such folders are kept; those of scorings long given up are removed.
    digest
        Stands for all that a part's answers depend on besides its rows.
    otherwise
        A folder to work in while another process holds that one, or where none can be kept.

    Attributes
    ----------
    content
        Digest of the parts taken in so far.
    """

    def __init__(self, home: Path, digest: str, otherwise: Path) -> None:
        self.folder, self.otherwise = home / digest, otherwise
        self.content = FilesDigest()

    def __enter__(self) -> Work:
        self._lock = None
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder / LOCK)
        if self._lock is None:
            self.folder = self.otherwise
            self.folder.mkdir(parents=True)
        else:
            os.utime(self.folder)
            clear(self.folder.parent, OLD_SECONDS)
            shutil.rmtree(self.folder / WRITING, ignore_errors=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)

    def finished(self, number: int, batch: pa.RecordBatch) -> Record | None:
        """Find the part that an earlier process has made of these very rows."""
        file = self.folder / name_of(number)
        with suppress(OSError, ValueError, KeyError, TypeError):
            said = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            found = Record(**{**said, "counts": Counts(**said["counts"])})
            if found.rows == rows_digest(batch) and found.file == bytes_digest(file):
                return found
        return None

    def take(self, record: Record) -> None:
        """Take in the next finished part: while others are answered its digest costs no time."""
        self.content.add(self.folder / record.name)

    def hand_over(self, records: list[Record], folder: Path) -> None:
        """Put the parts into a folder; they also stay where they are.

        A seal lists each file, in a tag of a bounded length: so many that it could not, become
        fewer, each of as many parts.
        """
        folder.mkdir(parents=True)
        each = -(-len(records) // MOST_FILES)
        for number, start in enumerate(range(0, len(records), each)):
            files = [self.folder / record.name for record in records[start : start + each]]
            place = folder / name_of(number)
            if each > 1:
                _joined(files, place)
                continue
            try:
                os.link(files[0], place)
            except OSError:  # on another disk
                shutil.copy2(files[0], place)

    def remove(self) -> None:
        """Forget the parts: the scoring has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)


def clear(home: Path, older: float) -> None:
    """Remove the work of scorings that nobody is at, if it was left so many seconds ago."""
    for folder in home.glob("*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < older:
                continue
            held = _locked(folder / LOCK)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _joined(files: list[Path], place: Path) -> None:
    """Write the rows of files into one, a row group each."""
    with pq.ParquetWriter(place, pq.read_schema(files[0]), compression="zstd") as writer:
        for file in files:
            writer.write_table(pq.read_table(file))


def _locked(file: Path) -> int | None:
    """Lock a file for this process, however it ends; None where another one has."""
    import fcntl

    opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
