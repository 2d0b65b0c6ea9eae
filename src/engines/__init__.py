"""Where the rows of a step are worked on: in its own process, or by Spark.

The answer is the same, so neither the engine nor this code is in the key of a step.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    from src.engines.spark import Spark

LOCAL, SPARK = "local", "spark"
PATIENCE = 5.0  # seconds for a master to take a connection
STANDALONE = "spark://"


def engine_param() -> Any:
    """Declare the parameter `engine`."""
    return param(
        LOCAL,
        "Where rows are worked on: local, or spark (see docs/spark.md); the result is the same",
        choices=(LOCAL, SPARK),
        content=False,
    )


def master_param() -> Any:
    """Declare the parameter `spark_master`."""
    return param(
        "", "Spark's master, like spark://host:7077; this machine's cores if empty", content=False
    )


def check(params: Any) -> None:
    """Check that Spark can be started and its master be reached, where it is the engine.

    Raises
    ------
    UserError
        A package or Java is missing, or nothing listens at the master's address.
    """
    if params.engine == LOCAL:
        if params.spark_master:
            raise UserError(
                "spark_master is given, but the engine is local.", "Add -P engine=spark"
            )
        return
    if find_spec("pyspark") is None:
        raise UserError(
            "engine=spark needs pyspark, which is not installed.",
            "uv pip install -r pyproject.toml --extra spark -c requirements.txt",
        )
    home = os.environ.get("JAVA_HOME")
    if not (home and (Path(home) / "bin" / "java").exists()) and not shutil.which("java"):
        raise UserError(
            "engine=spark needs Java 17 or newer, which is not installed.",
            "apt-get install default-jre-headless, or name its folder: JAVA_HOME=/path",
        )
    if params.spark_master.startswith(STANDALONE):
        reach(params.spark_master)


def reach(master: str) -> None:
    """Make sure that something listens at one of a master's addresses."""
    for address in master.removeprefix(STANDALONE).split(","):
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), PATIENCE):
                return
        except (OSError, ValueError, OverflowError):
            continue
    raise UserError(
        f"no Spark master answers at {master}.",
        "Look at its address: -P spark_master=spark://host:7077",
    )


@contextmanager
def opened(params: Any, say: Callable[[str], None] = lambda line: None) -> Iterator[Spark | None]:
    """Give the engine of a step for the block; None where its own process does the work.

    Raises
    ------
    UserError
        As `check`, or no worker of the cluster is free.
    """
    if params.engine == LOCAL:
        yield None
        return
    check(params)
    from src.engines.session import started

    with started(params.spark_master, say) as spark:
        yield spark
