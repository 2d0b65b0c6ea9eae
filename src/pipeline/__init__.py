"""The engine: steps, keys, runs. It knows nothing of text.

What programs and notebooks call is here as well, imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from src.pipeline.python import compare, load_model, past_runs, plan, run, run_step, show

__all__ = ["compare", "load_model", "past_runs", "plan", "run", "run_step", "show"]


def __getattr__(name: str) -> Any:
    """Import a function when it is asked for: nothing else here needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from src.pipeline import python

    return getattr(python, name)


def __dir__() -> list[str]:
    """List the functions too."""
    return sorted({*globals(), *__all__})
