"""Behaviour: pairs of texts that differ in one thing, and what a model must make of it.

After M. T. Ribeiro, T. Wu, C. Guestrin and S. Singh, Beyond Accuracy: Behavioral Testing of NLP
Models with CheckList, ACL 2020. The 319 pairs in `behaviour.jsonl` were written for this project.
A mood is the score of positive minus that of negative, −1 to 1. Each pair is a test of one sort:

- minimum: both texts get the label that they must have.
- invariance: both get the same label, and moods that differ by at most 0.2.
- direction: the second's mood lies to the expected side of the first's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAIRS = Path(__file__).with_name("behaviour.jsonl")
TOLERANCE = 0.2  # of an invariance, in moods
MORE = {"more positive": 1.0, "more negative": -1.0}
SWAPS = ("name", "place", "gender", "dialect")  # who writes, or of whom: it must not matter


@dataclass(frozen=True)
class Pair:
    """Two texts and what they must come to.

    Attributes
    ----------
    kind
        What differs: a negation, a name, capitals.
    test
        minimum, invariance or direction.
    first, second
        The texts.
    expected
        Of a minimum both labels; of a direction "more positive" or "more negative"; else "same".
    """

    kind: str
    test: str
    first: str
    second: str
    expected: str | Sequence[str]


@dataclass(frozen=True)
class Failures:
    """How a kind went.

    Attributes
    ----------
    pairs, failures
        How many there are, and how many failed.
    largest_change
        Of a kind of `SWAPS`, the largest absolute difference of the moods in a pair; else None.
    """

    pairs: int
    failures: int
    largest_change: float | None = None

    @property
    def rate(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failures / self.pairs if self.pairs else 0.0


def read_pairs() -> list[Pair]:
    """Read the pairs."""
    lines = PAIRS.read_text(encoding="utf-8").split("\n")
    return [Pair(**json.loads(line)) for line in lines if line]


def fingerprint() -> str:
    """Digest the pairs' bytes, so that reuse notices when they change."""
    return hashlib.sha256(PAIRS.read_bytes()).hexdigest()


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    """List the texts in the order that `judge_pairs` takes answers in, two for each pair."""
    return [text for pair in pairs for text in (pair.first, pair.second)]


def holds(pair: Pair, labels: Sequence[str], moods: Sequence[float]) -> bool:
    """Tell whether a pair's two answers are as they must be.

    >>> holds(Pair("name", "invariance", "", "", "same"), ["neutral"] * 2, [0.1, 0.35])
    False
    """
    change = moods[1] - moods[0]
    if pair.test == "minimum":
        return list(labels) == list(pair.expected)
    if pair.test == "invariance":
        return labels[0] == labels[1] and abs(change) <= TOLERANCE
    if pair.test == "direction":
        return change * MORE[str(pair.expected)] > 0.0
    raise ValueError(f"{pair.test} is no test")


def judge_pairs(
    pairs: Sequence[Pair], labels: Sequence[str], moods: Sequence[float]
) -> dict[str, Failures]:
    """Count failures by kind, in alphabetical order.

    Parameters
    ----------
    pairs
        Length n.
    labels, moods
        What a model made of `texts_of(pairs)`, length 2n.
    """
    found = dict[str, list[tuple[bool, float]]]()
    answered = zip(labels[::2], labels[1::2], moods[::2], moods[1::2], strict=True)
    for pair, (one, other, low, high) in zip(pairs, answered, strict=True):
        failed = not holds(pair, (one, other), (low, high))
        found.setdefault(pair.kind, []).append((failed, abs(high - low)))
    return {
        kind: Failures(
            len(results),
            sum(failed for failed, _ in results),
            max(change for _, change in results) if kind in SWAPS else None,
        )
        for kind, results in sorted(found.items())
    }


def overall(behaviour: Mapping[str, Failures]) -> Failures:
    """Add up all kinds."""
    kinds = behaviour.values()
    return Failures(sum(kind.pairs for kind in kinds), sum(kind.failures for kind in kinds))


def behaviour_metrics(behaviour: Mapping[str, Failures]) -> dict[str, float]:
    """Name the shares that failed, and the largest changes of swaps; nothing without pairs."""
    if not behaviour:
        return {}
    return {
        "behaviour_failures": overall(behaviour).rate,
        **{f"behaviour_failures_{kind}": found.rate for kind, found in behaviour.items()},
        **{
            f"swap_largest_change_{kind}": found.largest_change
            for kind, found in behaviour.items()
            if found.largest_change is not None
        },
    }
