"""Values out of a file of ours, each of the type that it was written with."""

from __future__ import annotations

import math
from typing import Any

from src.evaluation.bootstrap import Estimate


def estimates(content: dict[str, Any]) -> dict[str, Estimate]:
    """Read estimates by name."""
    return {
        name: Estimate(*(number(numbers[end]) for end in ("value", "low", "high")))
        for name, numbers in content.items()
    }


def number(value: Any) -> float:
    """Read a finite float.

    Raises
    ------
    TypeError
        It is anything else.
    """
    if type(value) is not float or not math.isfinite(value):
        raise TypeError("no finite number")
    return value


def of(kind: type, value: Any) -> Any:
    """Read a value of exactly this type.

    Raises
    ------
    TypeError
        It is of another, be it a subclass, such as a bool for an int.
    """
    if type(value) is not kind:
        raise TypeError(f"{type(value).__name__} in place of {kind.__name__}")
    return value
