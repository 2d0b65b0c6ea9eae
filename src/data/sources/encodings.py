"""In which encoding the bytes of a text file are, found out and said, never guessed silently.

UTF-8 is taken at its bytes and the other UTFs at their marks. Bytes that are none of these are
weighed by chardet (the byte statistics of its models), and its answer counts where it is clear.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from src.errors import UserError

DETECT = "detect"
CHUNK = 2**20
SAMPLE = 256 * 2**10  # bytes from the first one beyond ASCII on that are weighed
FEWEST = 10  # bytes beyond ASCII that an answer must rest on
# How far it must be ahead of the next that would read other words, as a share of its weight:
# little where few bytes are beyond ASCII, as all others weigh the same for both.
AHEAD, AHEAD_PER_SHARE = 0.02, 0.1
MARKS = {  # the longer first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CONTROLS = re.compile("[\x80-\x84\x86-\x9f]")
# What people's programs write. An answer outside of these means that it is none of them.
USUAL = {
    *(f"cp{number}" for number in range(1250, 1259)),
    *(f"iso8859-{part}" for part in (1, 2, 5, 6, 7, 8, 9, 15)),
    *("koi8-r", "koi8-u", "mac-roman", "cp437", "cp850", "cp866", "cp874"),
    *("cp932", "shift_jis", "euc_jp", "cp949", "euc_kr", "gb18030", "big5"),
}


def check(encoding: str) -> None:
    """Check that `encoding` is one that Python knows, of texts, or `detect`.

    Raises
    ------
    UserError
        It is not.
    """
    if encoding == DETECT:
        return
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise UserError(
            f"encoding={encoding} is no encoding of texts.",
            f"-P encoding=utf-8, cp1252, utf-16, …, or {DETECT}",
        ) from None


class Utf8(io.RawIOBase):
    """Reads bytes in whatever encoding and gives the same text in UTF-8, in bounded memory.

    As long as all is ASCII nothing needs to be known. From the first byte beyond on, a quarter
    of a mebibyte is looked at, and what that is found to be holds for the rest.

    Parameters
    ----------
    file
        The bytes, from their start.
    name
        What the file is called in messages.
    encoding
        What they are in, or `detect`.

    Attributes
    ----------
    note
        Which encoding was detected, how confidently, and the same of the next that would read
        other words; empty where nothing had to be detected.
    """

    def __init__(self, file: BinaryIO, name: str, encoding: str) -> None:
        self.note = ""
        self._file, self._name = file, name
        self._pieces = self._decoded(encoding)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        """Close what it reads, too."""
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read some UTF-8.

        Raises
        ------
        UserError
            The bytes are not in the encoding named, or which they are in is not sure.
        """
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(into), len(self._rest))
        into[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _decoded(self, encoding: str) -> Iterator[bytes]:
        head = self._file.read(CHUNK)
        marked = next((name for mark, name in MARKS.items() if head.startswith(mark)), "")
        # UTF-16 that is named in one byte order would keep the mark as a letter.
        if marked and (encoding == DETECT or encoding.lower().replace("_", "-").startswith("utf")):
            encoding = marked
        start = 0
        if encoding == DETECT:
            while head.isascii() and head:
                if b"\0" in head:
                    raise self._no_text()
                yield head
                start += len(head)
                head = self._file.read(CHUNK)
            first = next((at for at, byte in enumerate(head) if byte > 127), 0)
            while len(head) < first + SAMPLE and (more := self._file.read(CHUNK)):
                head += more
            encoding = self._weighed(head[first : first + SAMPLE], start + first)
        yield from self._in_one(encoding, head, start)

    def _in_one(self, encoding: str, head: bytes, start: int) -> Iterator[bytes]:
        """Decode the rest, whose encoding is known."""
        decoder = codecs.getincrementaldecoder(encoding)()
        while True:
            held = len(decoder.getstate()[0])
            try:
                words = decoder.decode(head, final=not head)
            except UnicodeDecodeError as error:
                raise self._not_in(encoding, start - held + error.start) from None
            except UnicodeError:  # a UTF-16 whose mark is missing
                raise self._not_in(encoding, start) from None
            yield words.encode("utf-8", "replace")
            if not head:
                return
            start += len(head)
            head = self._file.read(CHUNK)

    def _weighed(self, sample: bytes, at: int) -> str:
        """Say what bytes are in that begin with the first one beyond ASCII.

        Raises
        ------
        UserError
            That is not sure.
        """
        try:
            codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE)
        except UnicodeDecodeError as error:
            # What is UTF-8 up to a broken byte is UTF-8: in no other encoding does that happen
            # by chance.
            if not sample[: error.start].isascii():
                raise self._not_in("utf-8", at + error.start) from None
        else:
            return "utf-8"
        if b"\0" in sample:
            raise self._no_text()
        candidates = weigh(sample)
        if not candidates:
            raise self._not_in("utf-8", at)
        best, weight, _ = candidates[0]
        others = [(name, other) for name, other, alike in candidates if not alike]
        rival = max((other for _, other in others), default=0.0)
        beyond = sum(byte > 127 for byte in sample)
        needed = weight * min(AHEAD, AHEAD_PER_SHARE * beyond / len(sample))
        if best not in USUAL or beyond < FEWEST or weight - rival < needed:
            usual = [name for name in (best, *(name for name, _ in others)) if name in USUAL]
            named = f": {', '.join(usual[:3])}" if usual else ""
            raise UserError(
                f"{self._name} is not UTF-8: byte {at:,} cannot be read. What it is instead is "
                f"not sure{named}.",
                f"Save it again as UTF-8, or name it: -P encoding={(*usual, 'cp1252')[0]}",
            )
        self.note = f"{best} (confidence {weight:.3f}, the next {rival:.3f})"
        return best

    def _not_in(self, encoding: str, at: int) -> UserError:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        return UserError(
            f"{self._name} is not {name}: byte {at:,} cannot be read.",
            "Save it again as UTF-8, or name its encoding: -P encoding=cp1252",
        )

    def _no_text(self) -> UserError:
        return UserError(
            f"{self._name} holds zero bytes: it is no text, or UTF-16 without its mark.",
            "-P encoding=utf-16-le or utf-16-be",
        )


def weigh(sample: bytes) -> list[tuple[str, float, bool]]:
    """List what bytes can be in, the likeliest first.

    Each has Python's name, its weight, and whether it reads the same words as the first. One that
    would read control characters is left out: nobody writes these.
    """
    import chardet

    found, first = list[tuple[str, float, bool]](), ""
    for one in chardet.detect_all(sample):
        try:
            name = codecs.lookup(one["encoding"] or "").name
            words = codecs.getincrementaldecoder(name)().decode(sample)
        except (LookupError, UnicodeError):
            continue
        if not CONTROLS.search(words):
            first = first or words
            found.append((name, float(one["confidence"]), words == first))
    return found
