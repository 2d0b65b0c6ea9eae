"""Notes on a run in a database: with MLflow, but with as little of it as can write a tag.

A launched process that found nothing to do has one thing to write. Two thirds of what MLflow
costs it are pandas and its kin, which the tables never see, and the collecting of garbage that
there is not. MLflow runs without the former wherever its smaller distribution is installed.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

NOT_NEEDED = ("matplotlib", "numpy", "pandas", "pyarrow", "pygments", "scipy", "sklearn", "skops")


def note(uri: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Tag a run, all at once. The last thing that a process does with MLflow."""
    with sparing():
        from mlflow import MlflowClient
        from mlflow.entities import RunTag

        MlflowClient(uri).log_batch(run_id, tags=[RunTag(n, value) for n, value in tags.items()])


@contextmanager
def sparing() -> Iterator[None]:
    """Let imports do without what is not needed here, and collect no garbage meanwhile."""
    hidden = [name for name in NOT_NEEDED if name not in sys.modules]
    collecting = gc.isenabled()
    gc.disable()
    cast(dict[str, Any], sys.modules).update(dict.fromkeys(hidden))  # None: cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name) is None:
                del sys.modules[name]
        gc.freeze()  # modules live as long as the process: nothing to look through at its end
        if collecting:
            gc.enable()
