"""The only printer: results in sentences on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from src.errors import UserError
from src.pipeline.patience import without_password


def say(text: str) -> None:
    """Show a line of result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def progress(text: str) -> None:
    """Show a line of progress."""
    sys.stderr.write(without_password(text) + "\n")
    sys.stderr.flush()


def say_json(content: Mapping[str, Any]) -> None:
    """Show a result for machines."""
    say(json.dumps(content, indent=2, ensure_ascii=False))


def complain(error: UserError) -> None:
    """Show a mistake and the way out."""
    progress(f"error: {error.message}")
    if error.hint:
        progress(f"       {error.hint}")


def row(*cells: str, widths: tuple[int, ...] = (20, 8)) -> str:
    """Line up the cells of a summary's row; the last one is free."""
    head = "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    return (head + "  ".join(cells[len(widths) :])).rstrip()


@contextmanager
def captured(keep: int = 20) -> Iterator[deque[str]]:
    """Catch what child processes and MLflow print meanwhile; the newest lines are at the end.

    On a terminal the newest line is shown as a live status; our own results stay in order.
    """
    lines: deque[str] = deque(maxlen=keep)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    read, write = os.pipe()
    live = os.isatty(saved[1])

    def follow() -> None:
        with os.fdopen(read, errors="replace") as stream:
            for line in stream:
                if line.strip():
                    lines.append(line.strip())
                    if live:
                        os.write(saved[1], f"\r\x1b[K  {lines[-1][:76]}".encode())

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
        if live:
            os.write(2, b"\r\x1b[K")
        for descriptor in saved:
            os.close(descriptor)
