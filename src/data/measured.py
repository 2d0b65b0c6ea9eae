"""What is measured of data, each with its interval: chance alone must break no expectation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

CONFIDENCE = 0.999  # a false alarm stops a pipeline, and there are some twenty chances for one
Z = 3.290526731  # so many standard deviations to either side hold that share of a normal
FEWEST = 30  # entries on either side of a shift: of fewer its distribution is another


@dataclass(frozen=True)
class Measured:
    """A value and the ends of its 99.9 % interval; `note` says more about it."""

    value: float
    low: float
    high: float
    note: str = ""


def share(count: int, n: int) -> Measured | None:
    """Measure a share of n with the exact interval of Clopper and Pearson (1934); None of nothing.

    >>> found = share(3, 3)
    >>> round(found.low, 3), found.value, found.high
    (0.079, 1.0, 1.0)
    """
    from scipy.special import betaincinv

    if not n:
        return None
    beyond = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, n - count + 1, beyond)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, 1 - beyond)) if count < n else 1.0
    return Measured(count / n, low, high)


def median(counts: Mapping[int, int]) -> Measured | None:
    """Measure the median of numbers by their counts, its interval by order statistics.

    Of fewer than eleven numbers the interval is everything.

    >>> median({10: 400, 20: 600})
    Measured(value=20.0, low=20.0, high=20.0, note='')
    """
    n = sum(counts.values())
    if not n:
        return None
    reach = Z * math.sqrt(n) / 2
    below, above = math.floor(n / 2 - reach), math.ceil(n / 2 + reach)
    low = float(ranked(counts, below)) if below >= 0 else 0.0
    high = float(ranked(counts, above)) if above < n else math.inf
    return Measured(float(ranked(counts, n // 2)), low, high)


def ranked(counts: Mapping[int, int], rank: int) -> int:
    """Give the number at a rank, from 0."""
    for number, count in sorted(counts.items()):
        rank -= count
        if rank < 0:
            return number
    raise ValueError("fewer numbers than that")


def ratio(now: int, before: int) -> Measured | None:
    """Measure how many times as many there are, as if both had come by chance; None of nothing.

    >>> found = ratio(100, 1_000)
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.1, 0.07, 0.14)
    """
    found = share(now, now + before)
    if found is None or not before:
        return None
    low, high = (end / (1 - end) if end < 1 else math.inf for end in (found.low, found.high))
    return Measured(now / before, low, high)


def shift(now: Mapping[str, int], before: Mapping[str, int]) -> Measured | None:
    """Measure how far counts by kind have moved, by the population stability index.

    The index is the sum of (p - q) ln(p / q) over the kinds (Jeffreys, 1946; Siddiqi, 2006, takes
    0.25 for a major shift), half an entry added to each count. Where nothing has moved it is
    distributed as (1/n + 1/m) times chi-squared (Yurdakul and Naranjo, 2020): the low end is 0
    where 99.9 % of such samples show as much or less. None where either side has under 30 entries.

    >>> shift({"a": 50, "b": 50}, {"a": 500, "b": 500}).value
    0.0
    >>> shift({"a": 20, "b": 20}, {"a": 30, "b": 10}).low
    0.0
    >>> moved = shift({"a": 90, "b": 10}, {"a": 50, "b": 50})
    >>> round(moved.value, 2), moved.low == moved.value, moved.note
    (0.85, True, 'a 50 % → 90 %')
    """
    from scipy.special import chdtri

    n, m = sum(now.values()), sum(before.values())
    kinds = sorted({kind for counts in (now, before) for kind, count in counts.items() if count})
    if min(n, m) < FEWEST:
        return None
    if len(kinds) < 2:
        return Measured(0.0, 0.0, 0.0)
    p, q = (
        [(counts.get(kind, 0) + 0.5) / (total + len(kinds) / 2) for kind in kinds]
        for counts, total in ((now, n), (before, m))
    )
    value = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    noise = (1 / n + 1 / m) * float(chdtri(len(kinds) - 1, 1 - CONFIDENCE))
    most = max(range(len(kinds)), key=lambda at: abs(p[at] - q[at]))
    kind = kinds[most]
    note = f"{kind} {before.get(kind, 0) / m:.0%} → {now.get(kind, 0) / n:.0%}".replace("%", " %")
    return Measured(value, value if value > noise else 0.0, value, note)


def in_tenths(counts: Mapping[int, int], of: Mapping[int, int]) -> dict[str, int]:
    """Count lengths by the tenths of others, so that two sets of them can be compared.

    >>> in_tenths({1: 5, 50: 1, 99: 2}, dict.fromkeys(range(100), 1))
    {'0 to 9 characters': 5, '50 to 59 characters': 1, '90 characters and more': 2}
    """
    n = sum(of.values())
    starts = sorted({0, *(ranked(of, n * tenth // 10) for tenth in range(1, 10))})
    named = [f"{a} to {b - 1} characters" for a, b in pairwise(starts)]
    named.append(f"{starts[-1]} characters and more")
    found = dict[str, int]()
    for number, count in sorted(counts.items()):
        name = named[sum(start <= number for start in starts) - 1]
        found[name] = found.get(name, 0) + count
    return found
