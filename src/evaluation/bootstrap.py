"""Every metric with its uncertainty: one set of resampling weights, one pass per metric.

A metric is computed as *replicates*, shape `(1 + n_resamples,)`: first the metric itself, then the
metric of each resample. Two models judged with the same weights are compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Replicates = dict[str, Floats]

CELLS_AT_ONCE = 4_000_000  # float64 cells in one block: 32 MB


@dataclass(frozen=True)
class Estimate:
    """A value with the two ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_plain(self.value)} [{_plain(self.low)}, {_plain(self.high)}]"


def _plain(number: float) -> str:
    return f"{round(number, 3) + 0.0:.3f}"  # the zero turns -0.000 into 0.000


def bootstrap_weights(n: int, n_resamples: int, seed: int) -> Weights:
    """Count how often each entry is drawn in each resample (Efron, 1979).

    Returns
    -------
    Array of shape `(1 + n_resamples, n)`. Row 0 is all ones, the sample itself; every other row
    draws `n` entries with replacement, so each row sums to `n`. Entries are drawn one by one:
    where few authors wrote them all, the intervals are narrower than for new authors.

    Examples
    --------
    >>> bootstrap_weights(4, n_resamples=100, seed=0).sum(axis=1).tolist() == [4] * 101
    True
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((1 + n_resamples, n), dtype=np.uint8)  # an entry is never drawn 256 times
    for row in weights[1:]:
        row[:] = np.bincount(rng.integers(0, n, size=n), minlength=n)
    return weights


def blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Cut rows of `width` cells into slices of at most `CELLS_AT_ONCE` cells, or one row."""
    step = max(1, CELLS_AT_ONCE // max(1, width))
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def resampled_sums(weights: Weights, contributions: Any) -> Floats:
    """Sum what entries contribute, in the sample and in every resample.

    Parameters
    ----------
    weights
        Shape `(n_rows, n)`.
    contributions
        Sparse, shape `(n, m)`. A sparse product adds in a fixed order, whatever the number of
        threads, so that the same input gives the same bits.

    Returns
    -------
    Shape `(n_rows, m)`.
    """
    sums = np.empty((weights.shape[0], contributions.shape[1]))
    for block in blocks(weights.shape[0], weights.shape[1]):
        drawn = np.ascontiguousarray(weights[block].T, dtype=np.float64)
        sums[block] = (contributions.T @ drawn).T
    return sums


def estimate(
    replicates: Floats,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Turn replicates into a value with its percentile interval, centred on the value.

    Resampling draws entries twice, which shifts some metrics: it makes a small calibration error
    larger, and words that met once never meet. The interval is the percentiles less that shift,
    the median of the resamples minus the value (the bootstrap's estimate of bias; Efron and
    Tibshirani, 1993, chapter 10), so the value always lies inside. For plain shares it is zero.

    Parameters
    ----------
    replicates
        Shape `(1 + n_resamples,)`. NaN marks a resample in which the metric is undefined; it is
        left out. The first must be a number.
    level
        Share of resamples inside the interval, between 0 and 1.
    bounds
        The metric's range, at which the interval is cut.

    Examples
    --------
    >>> estimate(np.array([0.5, 0.25, 0.5, 0.5, 0.75]), level=0.5)
    Estimate(value=0.5, low=0.4375, high=0.5625)
    """
    value = float(replicates[0])
    resamples = replicates[1:][~np.isnan(replicates[1:])]
    if np.isnan(value):
        raise ValueError("the metric is undefined on the sample itself")
    if not len(resamples):
        return Estimate(value, value, value)
    tail = (1 - level) / 2
    low, middle, high = np.quantile(resamples, [tail, 0.5, 1 - tail])
    return Estimate(
        value,
        max(bounds[0], min(value, float(value + (low - middle)))),
        min(bounds[1], max(value, float(value + (high - middle)))),
    )


def estimates(
    replicates: Mapping[str, Floats], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Estimate]:
    """Estimate every metric that is defined on the sample; a metric without a range is a share."""
    return {
        name: estimate(values, bounds=ranges.get(name, (0.0, 1.0)))
        for name, values in replicates.items()
        if not np.isnan(values[0])
    }


def differences(ours: Mapping[str, Floats], theirs: Mapping[str, Floats]) -> dict[str, Estimate]:
    """Estimate ours minus theirs, for two models judged on the same entries and weights."""
    paired = {name: ours[name] - theirs[name] for name in ours if name in theirs}
    return {name: estimate(both) for name, both in paired.items() if not np.isnan(both[0])}
