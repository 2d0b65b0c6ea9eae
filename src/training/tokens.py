"""The token ids of many texts, one after the other in one flat array."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from src.errors import UserError

if TYPE_CHECKING:
    import numpy.typing as npt

    Row = npt.NDArray[np.int32]

MOST_IN_MEMORY = 1 << 28  # bytes; what is longer lies in a file


class Tokens(Sequence["Row"]):
    """Rows of token ids: 4 bytes a token, where lists take up to 36.

    Parameters
    ----------
    flat
        The ids of all rows, int32 `(T,)`.
    starts
        Where each row begins in it, and where the last ends, int64 `(n + 1,)`.
    """

    def __init__(self, flat: Row, starts: npt.NDArray[np.int64]) -> None:
        self.flat, self.starts = flat, starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Tokens: ...
    def __getitem__(self, place: int | slice) -> Row | Tokens:
        if isinstance(place, slice):
            return gathered(self[i] for i in range(*place.indices(len(self))))
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        return self.flat[self.starts[place] : self.starts[place + 1]]


def gathered(rows: Iterable[Sequence[int] | Row], folder: Path | None = None) -> Tokens:
    """Write rows of ids into one flat array, one row at a time.

    Parameters
    ----------
    folder
        Where a large array lies in a file, which goes once nobody uses it; None for memory.

    Raises
    ------
    UserError
        There is no room in the folder.
    """
    if isinstance(rows, Tokens):
        return rows
    lengths, most = [0], MOST_IN_MEMORY
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = None
    with tempfile.SpooledTemporaryFile(
        most if folder else 0, dir=str(folder) if folder else None
    ) as file:
        try:
            for row in rows:
                file.write(array("i", row).tobytes())
                lengths.append(len(row))
            starts = np.cumsum(lengths, dtype=np.int64)
            if folder and file.tell() > most:
                file.flush()
                return Tokens(np.memmap(file, np.int32, "r"), starts)
        except OSError as error:
            raise UserError(
                f"the tokens of the entries find no room in {folder} ({type(error).__name__}).",
                "Free some, or name another folder: JOURNAL_CACHE=/path/to/folder",
            ) from None
        file.seek(0)
        return Tokens(np.frombuffer(file.read(), np.int32), starts)
