"""A file that lies somewhere, packed or not, and how its bytes and its text are read."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, TextIO, cast

from src.data.sources.encodings import Utf8
from src.errors import UserError

PACKED = {".gz": "gzip", ".zst": "zstd"}
BUFFER = 2**16


def endings(name: str) -> tuple[str, str]:
    """Give the ending that says what a file holds, and how it is packed: gzip, zstd or not ("").

    >>> endings("folder/Diary.CSV.gz")
    ('.csv', 'gzip')
    """
    name = name.lower().rpartition("/")[2]
    packed = next((end for end in PACKED if name.endswith(end)), "")
    _, dot, last = name.removesuffix(packed).rpartition(".")
    return dot + last if dot else "", PACKED.get(packed, "")


@dataclass(frozen=True)
class Stored:
    """A file of a source.

    Attributes
    ----------
    name
        What it is called in messages and as the `source` of its entries.
    size
        Its bytes.
    opened
        Opens it at its start, for reading in any order.
    """

    name: str
    size: int
    opened: Callable[[], BinaryIO]

    @property
    def ending(self) -> str:
        """The ending that says what it holds."""
        return endings(self.name)[0]

    @contextmanager
    def text(self, encoding: str) -> Iterator[tuple[TextIO, Utf8, Callable[[], float]]]:
        """Open it as text, unpacked, with its line breaks as they are.

        Returns
        -------
        The text, how its bytes became UTF-8, and what tells the share that is read so far.

        Raises
        ------
        UserError
            What is read is cut, damaged, or not in the encoding.
        """
        raw = self.opened()
        try:
            utf8 = Utf8(self._unpacked(raw), self.name, encoding)
            with io.TextIOWrapper(
                io.BufferedReader(utf8, BUFFER), encoding="utf-8", newline=""
            ) as text:
                yield text, utf8, lambda: raw.tell() / self.size
        except (EOFError, zlib.error) as error:
            raise self._broken(error) from None
        except OSError as error:
            # Both gzip and Arrow say so by an OSError without a number.
            if not endings(self.name)[1] or error.errno is not None:
                raise
            raise self._broken(error) from None
        finally:
            raw.close()

    def _unpacked(self, raw: BinaryIO) -> BinaryIO:
        packing = endings(self.name)[1]
        if packing == "gzip":
            import gzip

            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        if packing == "zstd":
            import pyarrow as pa

            return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))
        return raw

    def _broken(self, error: Any) -> UserError:
        cut = isinstance(error, EOFError) or "truncated" in str(error).lower()
        what = "is cut: it ends too early" if cut else f"is damaged or not {endings(self.name)[1]}"
        return UserError(f"{self.name} {what}.", "Copy it here again, or pack it again.")
