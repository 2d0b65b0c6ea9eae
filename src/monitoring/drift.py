"""Whether two samples differ more than chance alone makes them, and by how much.

The test flips signs. What each block of authors adds to the difference of two means has mean zero
where there is no drift; flipping the signs of whole blocks at random shows how far the means are
apart by chance. It is exact where what a block adds is as likely as its opposite, whatever its
variance, and so needs neither blocks of one size nor as many entries of each author in both
samples (Canay, Romano and Shaikh, 2017, Randomization tests under an approximate symmetry
assumption; the null hypothesis is imposed as in Cameron, Gelbach and Miller, 2008). Authors that
wrote in both samples make it cautious. Of several aspects the p-values are corrected by Holm
(1979), so that the chance of any false alarm is at most alpha. As in large samples any difference
is significant, drift must also be large: see `Shift.effect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from src.monitoring.features import Floats, Sums

DRAWS = 4_999  # sign flips behind a p-value: the least is 1 in 5,000
AT_ONCE = 500
TIE = 1e-9


@dataclass(frozen=True)
class Shift:
    """How far an aspect has moved.

    Attributes
    ----------
    effect
        Of shares: the total variation distance, half the sum of all differences; the share of
        entries (of words) that would have to be others. Of an embedding: the distance of the
        means by the standard deviation of an entry (Cohen, 1988, in all dimensions at once). Less
        what chance alone would give: the root of its square minus the flips' mean square.
    p
        How probable so large a distance is by chance alone.
    adjusted
        The same, corrected for the number of aspects.
    """

    effect: float
    p: float
    adjusted: float = 1.0

    def drifted(self, alpha: float, least: float) -> bool:
        """Tell whether it is both no chance and large."""
        return self.adjusted <= alpha and self.effect >= least


def shift(reference: Sums, new: Sums, *, shares: bool, seed: int, draws: int = DRAWS) -> Shift:
    """Test whether two samples have the same mean row.

    Parameters
    ----------
    reference, new
        Sums over independent blocks, with the same columns.
    shares
        Whether rows are shares with sum 1; else they are vectors.
    seed
        Of the flips.
    draws
        Number of flips.
    """
    there, here = reference.totals.sum(), new.totals.sum()
    if not there or not here:
        return Shift(0.0, 1.0)
    pooled = (reference.values.sum(axis=0) + new.values.sum(axis=0)) / (there + here)
    added = np.concatenate(
        [
            (new.values - new.totals[:, None] * pooled) / here,
            (reference.totals[:, None] * pooled - reference.values) / there,
        ]
    )
    spread = 1.0 if shares else float(np.sqrt(max(1e-12, 1 - pooled @ pooled)))

    def distances(differences: Floats) -> Floats:
        if shares:
            return np.asarray(np.abs(differences).sum(axis=-1) / 2)
        return np.asarray(np.linalg.norm(differences, axis=-1) / spread)

    seen = float(distances(added.sum(axis=0)))
    rng, reached, squares = np.random.default_rng(seed), 0, 0.0
    for start in range(0, draws, AT_ONCE):
        n = min(AT_ONCE, draws - start)
        signs = rng.integers(0, 2, (n, len(added))).astype(np.float64) * 2 - 1
        by_chance = distances(signs @ added)
        reached += int((by_chance >= seen - TIE).sum())
        squares += float((by_chance**2).sum())
    effect = float(np.sqrt(max(0.0, seen**2 - squares / draws)))
    return Shift(round(effect, 6), (1 + reached) / (1 + draws))


def holm(shifts: Mapping[str, Shift]) -> dict[str, Shift]:
    """Correct p-values for their number (Holm, 1979, A simple sequentially rejective procedure).

    Examples
    --------
    >>> found = holm({"a": Shift(0.5, 0.01), "b": Shift(0.1, 0.04), "c": Shift(0.1, 0.03)})
    >>> [round(each.adjusted, 4) for each in found.values()]
    [0.03, 0.06, 0.06]
    """
    ranked, highest = sorted(shifts, key=lambda name: (shifts[name].p, name)), 0.0
    adjusted = dict[str, float]()
    for place, name in enumerate(ranked):
        highest = max(highest, min(1.0, shifts[name].p * (len(ranked) - place)))
        adjusted[name] = highest
    return {name: Shift(own.effect, own.p, adjusted[name]) for name, own in shifts.items()}


def differences(reference: Sums, new: Sums) -> tuple[Floats, Floats]:
    """Give how far each column's mean has moved, with half its 95 % interval, shapes `(k,)`."""
    there, here = max(reference.totals.sum(), 1.0), max(new.totals.sum(), 1.0)
    own = (new.values - new.totals[:, None] * new.mean) / here
    theirs = (reference.values - reference.totals[:, None] * reference.mean) / there
    error = np.sqrt((own**2).sum(axis=0) + (theirs**2).sum(axis=0))
    moved: Floats = new.mean - reference.mean
    return moved, 1.96 * error
