"""Remembers what reading the project's code came to, so that unchanged code is not parsed again.

A memory holds results together with everything that they follow from: the digest of each file
that was read and, for each place where a file was looked for, whether there was one. It counts
only where all of that is so again, in whatever folder, which makes it right whatever happened in
between. Memories lie in the user's cache folder; one that cannot be read or kept is done without.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from src.pipeline.caller import cache_folder
from src.pipeline.code import Reached, Reader

RULES = ("code.py", "remembered.py")  # what these say decides what a result means
MEMORIES = 6  # kept of so many states of the code, the newest first
FILES = 4  # kept for so many versions of Python and of the rules


@dataclass(frozen=True)
class Memory:
    """Results of one state of the code, by their starts, and what they follow from."""

    digests: Mapping[str, str] = field(default_factory=dict)
    there: Mapping[str, bool] = field(default_factory=dict)
    results: Mapping[str, Reached] = field(default_factory=dict)

    def holds(self, root: Path) -> bool:
        """Tell whether all that the results follow from is so below a root."""
        try:
            return all(
                os.path.isfile(f"{root}/{name}") == there  # noqa: PTH113 - three times as fast
                for name, there in self.there.items()
            ) and all(
                hashlib.sha256((root / name).read_bytes()).hexdigest() == digest
                for name, digest in self.digests.items()
            )
        except OSError:
            return False

    def agrees(self, other: Memory) -> bool:
        """Tell whether two memories can be of the same state."""
        return all(
            mine.get(name, value) == value
            for mine, theirs in ((self.digests, other.digests), (self.there, other.there))
            for name, value in theirs.items()
        )

    def with_more(self, other: Memory) -> Memory:
        """Join two memories of the same state."""
        return Memory(
            {**self.digests, **other.digests},
            {**self.there, **other.there},
            {**self.results, **other.results},
        )


class RememberingReader:
    """A `Reader` that reads only what no memory tells."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.reader = Reader(root)

    def reach(self, starts: Iterable[str]) -> Reached:
        """Do as `Reader.reach`."""
        listed = sorted(starts)
        name = " ".join(listed)
        if name not in self.memory.results:
            read = {name: self.reader.reach(listed)}
            new = Memory(dict(self.reader.digests), dict(self.reader.there), read)
            self.memory = self.memory.with_more(new) if self.memory.agrees(new) else new
            keep([self.memory, *self.others])
        return self.memory.results[name]

    @cached_property
    def stored(self) -> list[Memory]:
        """All memories that were there when this process first asked, the newest first."""
        return load()

    @cached_property
    def memory(self) -> Memory:
        """What is known of this state of the code."""
        return next((m for m in self.stored if m.holds(self.root)), Memory())

    @cached_property
    def others(self) -> list[Memory]:
        """Memories of other states."""
        return [m for m in self.stored if not m.holds(self.root)][: MEMORIES - 1]


def place() -> Path:
    """Say where the memories of this Python and these rules lie."""
    rules = [Path(__file__).with_name(name).read_bytes() for name in RULES]
    name = hashlib.sha256(b"\0".join([sys.version.encode(), *rules])).hexdigest()[:16]
    return cache_folder() / f"code-{name}.json"


def load() -> list[Memory]:
    """Read the memories; none where there are none, or not as they were written."""
    try:
        content = json.loads(place().read_bytes())
        if content["digest"] == digest_of(content["memories"]):
            return [read_memory(found) for found in content["memories"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return []


def keep(memories: list[Memory]) -> None:
    """Write the memories whole or not at all; of two processes that do, the later one wins."""
    written = [write_memory(memory) for memory in memories]
    text = json.dumps({"digest": digest_of(written), "memories": written})
    with suppress(OSError):
        target = place()
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="code-", suffix=".new", dir=target.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(target)
        except OSError:
            Path(name).unlink()
        files = sorted(target.parent.glob("code-*"), key=lambda path: path.stat().st_mtime)
        for old in files[:-FILES]:
            old.unlink()


def write_memory(memory: Memory) -> dict[str, Any]:
    """Write a memory as JSON has it."""
    results = {
        name: [dict(reached.files), sorted(reached.foreign)]
        for name, reached in memory.results.items()
    }
    return {"digests": memory.digests, "there": memory.there, "results": results}


def read_memory(found: Mapping[str, Any]) -> Memory:
    """Read a memory from JSON."""
    results = {
        name: Reached(files, frozenset(foreign))
        for name, (files, foreign) in found["results"].items()
    }
    return Memory(found["digests"], found["there"], results)


def digest_of(written: Any) -> str:
    """Digest memories as they are written, to know a damaged file."""
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
