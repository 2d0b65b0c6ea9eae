"""Starts Spark for one step and stops it after."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from src.engines.spark import Spark
from src.errors import UserError
from src.pipeline.step import ROOT

HERE = ("local", "local-cluster")  # masters that run on this machine alone
PATIENCE = 60.0  # seconds for the cluster to give a worker
LOOPBACK = "127.0.0.1"


@contextmanager
def started(master: str, say: Callable[[str], None]) -> Iterator[Spark]:
    """Start Spark, hand our code to its workers, and stop it with the block.

    What is not said here is Spark's own affair: `spark-defaults.conf` and SPARK_CONF_DIR.

    Raises
    ------
    UserError
        Spark does not start, or no worker is free within a minute.
    """
    master = master or "local[*]"
    here = master.partition("[")[0] in HERE
    settings = {
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.executorEnv.PYTHONHASHSEED": "0",
    }
    if here:
        settings |= {"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK}
        settings |= {"spark.local.dir": tempfile.gettempdir()}
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    say(f"starting Spark at {master}")
    builder = SparkSession.builder.appName("journal-models").master(master)
    for name, value in settings.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # py4j's, Java's, or Spark's own
        raise UserError(
            f"Spark did not start at {master} ({type(error).__name__}); what Java wrote above "
            "says why.",
            "Java must be 17 or newer, and Spark on the cluster of the version of pyspark here.",
        ) from None
    try:
        if not here:
            wait_for_worker(session, master)
        with tempfile.TemporaryDirectory() as folder:
            session.sparkContext.addPyFile(str(packed(Path(folder))))
            yield Spark(session)
    finally:
        session.stop()


def wait_for_worker(session: SparkSession, master: str) -> None:
    """Wait until an executor is there; Spark itself would wait for ever.

    Raises
    ------
    UserError
        None came.
    """
    deadline = time.monotonic() + PATIENCE
    tracker = session.sparkContext._jsc.sc().statusTracker()
    while len(tracker.getExecutorInfos()) < 2:  # the driver is one
        if time.monotonic() > deadline:
            raise UserError(
                f"{master} gave no worker within {PATIENCE:.0f} seconds.",
                "See whether its workers are alive and have memory and cores to spare.",
            )
        time.sleep(0.2)


def packed(folder: Path) -> Path:
    """Pack our modules for the workers, who have the packages of others themselves."""
    path = folder / "journal-models.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted((ROOT / "src").rglob("*.py")):
            packed.write(file, file.relative_to(ROOT))
    return path
