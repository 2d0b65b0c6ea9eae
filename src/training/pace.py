"""How fast long work goes and how long it takes yet, said every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_SECONDS = 10.0


class Pace:
    """Counts texts and says so.

    Parameters
    ----------
    say
        Takes a line.
    total
        Texts of all the work.
    done
        Those of them that were done before.
    """

    def __init__(self, say: Callable[[str], None], total: int, done: int = 0) -> None:
        self.say, self.total, self.done, self.fresh = say, total, done, 0
        self.start = self.said = time.monotonic()

    def count(self, n_texts: int, what: str) -> None:
        """Count texts as done, and say how it goes if nothing was said for a while."""
        self.done += n_texts
        self.fresh += n_texts
        if time.monotonic() - self.said >= EVERY_SECONDS:
            self.tell(what)

    def tell(self, what: str) -> None:
        """Say how it goes."""
        self.said = time.monotonic()
        speed = self.fresh / max(self.said - self.start, 1e-9)
        left = (self.total - self.done) / speed if speed else 0.0
        self.say(f"{what}: {speed:,.0f} texts/s, {lasting(left)} left at most")


def lasting(seconds: float) -> str:
    """Say a length of time in the unit that fits.

    Examples
    --------
    >>> lasting(89), lasting(91), lasting(9000)
    ('89 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
