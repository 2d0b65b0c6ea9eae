"""The live table of a terminal: the step that runs, how far it is, and what comes after it.

Steps say how they go in lines for people. What looks like progress in them (`trial 3 of 20`,
`120,000 rows`, `1,300 texts/s`, `2 min left`) becomes a bar, a rate and the time left.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from src.pipeline.patience import without_password

if TYPE_CHECKING:
    from rich.console import RenderableType

OF = re.compile(r"(\d[\d,]*) of (\d[\d,]*)")
COUNT = re.compile(r"(\d[\d,]*) (rows|entries|texts|words)\b(?!/s)")
NOISE = re.compile(
    r"[a-z]+ {2,}(run|reuse) |\d{4}[/-]\d\d[/-]\d\d |=== |\s*warnings?\.warn|.*Warning: "
)
BAR = 14
FADE = 4  # of a second: how often the table is drawn


@dataclass
class Doing:
    """What a running step said last, and what follows from it.

    Attributes
    ----------
    said
        Its newest line, without its own name.
    done, total
        How far it is; `total` is 0 where nobody knows.
    unit
        What is counted, so that one count is not taken for another's progress.
    what
        The word for it, where it was said.
    since
        When this count was first heard, and what it was then.
    heard
        When it was heard last, in seconds.
    """

    said: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    what: str = ""
    since: tuple[float, int] = (0.0, 0)
    heard: float = 0.0

    def hear(self, line: str, now: float) -> None:
        """Take in a line that the step has said at a time in seconds."""
        if NOISE.match(line):
            return
        self.said = re.sub(r"^[a-z_]+: ", "", line)
        found = OF.search(line) or COUNT.search(line)
        if found is None:
            self.total = self.done = 0
            self.unit = ""
            return
        done, rest = int(found[1].replace(",", "")), found[2]
        total = int(rest.replace(",", "")) if rest[0].isdigit() else 0
        if total and not 0 <= done <= total:
            return
        unit = re.sub(r"[\d,.]+.*", "", line[: found.start()]) + str(total or rest)
        if unit != self.unit or done < self.done:
            self.since = (now, done)
        self.unit, self.done, self.total, self.heard = unit, done, total, now
        self.what = "" if total else rest

    @property
    def rate(self) -> float:
        """How much of what is counted was done each second; 0 before a second count."""
        seconds = self.heard - self.since[0]
        return (self.done - self.since[1]) / seconds if seconds > 0 else 0.0

    def measures(self, now: float) -> list[str]:
        """Say the rate and the time left, where the step does not say them itself."""
        found = list[str]()
        if self.rate and "/s" not in self.said and self.rate >= 1:
            found.append(f"{self.rate:,.0f} {self.what}/s".replace(" /s", "/s"))
        if self.rate and self.total and " left" not in self.said:
            left = (self.total - self.done) / self.rate - (now - self.heard)
            found.append(f"{clock(max(left, 0.0))} left")
        return found


def clock(seconds: float) -> str:
    """Write a length of time as a clock shows it.

    Examples
    --------
    >>> clock(9.7), clock(75), clock(4000)
    ('0:09', '1:15', '1:06:40')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def table(stream: int, title: str, later: list[str]) -> Iterator[Callable[[str], None]]:
    """Draw the table on a terminal until the block ends, then take it away.

    Parameters
    ----------
    stream
        The descriptor of the terminal.

    Returns
    -------
    hear
        Takes each line that the step says.
    """
    from rich.console import Console
    from rich.live import Live

    start, doing = time.monotonic(), Doing()
    with os.fdopen(os.dup(stream), "w", encoding="utf-8") as file:
        console = Console(file=file, force_terminal=True, highlight=False)

        def draw() -> RenderableType:
            return drawn(title, later, doing, start, time.monotonic())

        with Live(
            console=console,
            get_renderable=draw,
            transient=True,
            refresh_per_second=FADE,
            redirect_stdout=False,
            redirect_stderr=False,
        ):
            yield lambda line: doing.hear(without_password(line), time.monotonic())


def drawn(title: str, later: list[str], doing: Doing, start: float, now: float) -> RenderableType:
    """Lay the table out: what runs, with its bar below its words, then what waits."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=0, expand=True)
    for width in (20, 8, 8):
        grid.add_column(width=width, no_wrap=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    below: list[RenderableType] = []
    doing = replace(doing)  # whoever reads the step's words changes it meanwhile
    measures = doing.measures(now)
    if doing.total:
        line = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(doing.total, doing.done, width=BAR, complete_style="green")
        share = f"{100 * doing.done // doing.total} %"
        line.add_row(bar, share, *measures)
        below.append(line)
    elif measures:
        below.append(Text("  ".join(measures), style="dim"))
    said = Text(doing.said or "starting …", style="" if doing.said else "dim")
    said.truncate(10_000)
    grid.add_row(title, Text("run", "yellow"), clock(now - start), Group(said, *below))
    for name in later:
        grid.add_row(Text(name, "dim"), Text("waits", "dim"), "", "")
    return grid
