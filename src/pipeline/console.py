"""The only printer: results in sentences on stdout, progress and errors on stderr.

On a terminal words are coloured and lead to runs and cards, long rows are folded, and a step that
runs is watched live; `NO_COLOR`, `TERM=dumb` and `CI` are respected. Elsewhere there are plain
lines, one for each thing that is said.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from src.errors import UserError
from src.pipeline.patience import without_password

SCHEMA = (
    1  # of what `--json` prints; a field that is taken away or changes its meaning counts it up
)
COLOURS = {"done": 32, "run": 33, "reuse": 2, "refused": 33, "failed": 31, "killed": 31}
NARROWEST = 30


@dataclass
class Manner:
    """How much is said: `last` is what a quiet command has kept back so far."""

    quiet: bool = False
    verbose: bool = False
    last: str = ""


manner = Manner()


def choose(quiet: bool, verbose: bool) -> None:
    """Say errors and the last result only, or all that child processes say too."""
    manner.quiet, manner.verbose, manner.last = quiet, verbose, ""


def say(text: str) -> None:
    """Show a line of result."""
    if manner.quiet:
        manner.last = text
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def say_last() -> None:
    """Show what a quiet command has come to."""
    if manner.last:
        sys.stdout.write(manner.last + "\n")
        sys.stdout.flush()
    manner.last = ""


def progress(text: str) -> None:
    """Show a line of progress."""
    if not manner.quiet:
        alarm(text)


def alarm(text: str) -> None:
    """Show what a quiet command says as well."""
    sys.stderr.write(without_password(text) + "\n")
    sys.stderr.flush()


def say_json(content: Mapping[str, Any]) -> None:
    """Show a result for machines; each command's `--help` says what is in it."""
    say(json.dumps({"schema": SCHEMA, **content}, indent=2, ensure_ascii=False))


def complain(error: UserError) -> None:
    """Show a mistake and the way out."""
    alarm(painted("error:", "failed", sys.stderr) + f" {error.message}")
    if error.hint:
        alarm(f"       {error.hint}")


def terminal(stream: Any) -> bool:
    """Tell whether somebody looks at a terminal that can do more than print lines."""
    if os.environ.get("TERM") == "dumb" or os.environ.get("CI"):
        return False
    return bool(os.isatty(stream) if isinstance(stream, int) else stream.isatty())


def watched() -> bool:
    """Tell whether a live table shows what runs."""
    return not manner.quiet and not manner.verbose and terminal(sys.stderr)


def width() -> int:
    """Give the columns there are to write in."""
    import shutil

    return max(NARROWEST, shutil.get_terminal_size((100, 24)).columns)


def painted(words: str, outcome: str, stream: Any = None) -> str:
    """Colour words as an outcome is coloured, where that can be seen."""
    colour = COLOURS.get(outcome)
    if not colour or os.environ.get("NO_COLOR") or not terminal(stream or sys.stdout):
        return words
    return f"\x1b[{colour}m{words}\x1b[0m"


def linked(words: str, address: str) -> str:
    """Let words lead somewhere (OSC 8), where a terminal can follow."""
    if not address or not terminal(sys.stdout):
        return words
    return f"\x1b]8;;{address}\x1b\\{words}\x1b]8;;\x1b\\"


def row(*cells: str, widths: tuple[int, ...] = (20, 8)) -> str:
    """Line up the cells of a summary's row; the last one is free."""
    head = "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    return (head + "  ".join(cells[len(widths) :])).rstrip()


def say_row(title: str, outcome: str, *cells: str, address: str = "") -> None:
    """Show what became of a step; on a terminal folded below its own column, and linked."""
    line = row(title, outcome, *cells)
    if not terminal(sys.stdout):
        say(line)
        return
    import textwrap

    start = len(row(title, outcome, "|")) - 1
    room = max(NARROWEST, width() - start)
    first, *more = textwrap.wrap(line[start:], room, break_on_hyphens=False) or [""]
    head = linked(title, address) + " " * (20 - len(title))
    head += painted(outcome, outcome) + " " * max(start - max(20, len(title)) - len(outcome), 0)
    say("\n".join([(head + first).rstrip(), *(" " * start + line for line in more)]))


@contextmanager
def captured(keep: int = 20, title: str = "", later: Iterable[str] = ()) -> Iterator[deque[str]]:
    """Catch what child processes and MLflow print meanwhile; the newest lines are at the end.

    On a terminal a live table shows how it goes, and is gone afterwards: our own results stay in
    order. Warnings are shown afterwards.

    Parameters
    ----------
    title
        What is running.
    later
        What comes after it.
    """
    lines, warned = deque[str](maxlen=keep), list[str]()
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    read, write = os.pipe()
    watched = ExitStack()
    hear = watched.enter_context(watching(saved[1], title, later))

    def follow() -> None:
        with os.fdopen(read, errors="replace") as stream:
            for line in stream:
                if line.strip():
                    lines.append(line.strip())
                    hear(lines[-1])
                    if ": warning: " in line:
                        warned.append(lines[-1])

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    os.dup2(write, 1)
    os.dup2(write, 2)
    os.close(write)
    try:
        yield lines
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        thread.join(timeout=5)
        watched.close()
        for descriptor in saved:
            os.close(descriptor)
        if not manner.verbose:
            for line in warned:
                progress(line)


@contextmanager
def watching(stream: int, title: str, later: Iterable[str]) -> Iterator[Callable[[str], None]]:
    """Give what to tell the lines of a running step: a live table, an echo, or nobody."""
    if manner.verbose:
        yield lambda line: (os.write(stream, f"{without_password(line)}\n".encode()), None)[1]
    elif manner.quiet or not title or not terminal(stream):
        yield lambda line: None
    else:
        from src.pipeline.live import table

        with table(stream, title, list(later)) as hear:
            yield hear
