"""Stands in for `steps/__main__.py` in a copy of the project: waits at the point a test names.

`HALT_AT=<entry point>:<point>` names it; the process writes its number to `HALT_NOTE` there.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.pipeline import cli

ENTRY, _, POINT = os.environ.get("HALT_AT", "").partition(":")


def halt(point: str) -> None:
    """Wait for the end, if this is the point."""
    if point == POINT:
        note = Path(os.environ["HALT_NOTE"])
        note.with_suffix(".new").write_text(str(os.getpid()))
        note.with_suffix(".new").rename(note)
        while True:
            time.sleep(0.02)


def prepare() -> None:
    """Put the points into the way that a step goes, from its first line to its seal."""
    from src.pipeline.runs import Store
    from src.pipeline.trials import Trials

    dispatch, run, upload, seal = cli.dispatch, Store.run, Store.upload, Store.seal
    attempt = Trials.run

    def halting_dispatch(arguments: Sequence[str]) -> int:
        halt("start")
        return dispatch(arguments)

    @contextmanager
    def halting_run(self: Store, *arguments: Any) -> Iterator[Any]:
        with run(self, *arguments) as found:
            halt("begun")
            yield found

    def halting_upload(self: Store, *arguments: Any) -> None:
        upload(self, *arguments)
        halt("middle")

    def halting_seal(self: Store, *arguments: Any) -> None:
        halt("end")
        seal(self, *arguments)
        halt("sealed")

    def halting_trial(self: Trials, number: int, params: Any, fit: Callable[[], float]) -> Any:
        def halting_fit() -> float:
            halt(f"trial-{number}")
            return fit()

        return attempt(self, number, params, halting_fit)

    cli.dispatch = halting_dispatch
    Trials.run = halting_trial  # type: ignore
    Store.run, Store.upload, Store.seal = halting_run, halting_upload, halting_seal  # type: ignore


def count_creations(note: Path) -> None:
    """Write a line for each database that this process creates."""
    replace = Path.replace

    def counting(self: Path, target: Path) -> Path:
        if self.suffix == ".fresh":
            with note.open("a") as file:
                file.write(f"{os.getpid()}\n")
        return replace(self, target)

    Path.replace = counting  # type: ignore


if "CREATIONS" in os.environ:
    count_creations(Path(os.environ["CREATIONS"]))
if sys.argv[1:2] == [ENTRY]:
    prepare()
sys.exit(cli.main(sys.argv[1:]))
