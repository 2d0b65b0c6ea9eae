"""Spark for tests: Java, small settings, and a master with two workers on the loopback address."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from src.data.sources import files
from tests.services import install, own_folder
from tools.serve import HOST, free_port, listens, process

SETTINGS = {
    "spark.driver.memory": "1g",
    "spark.executor.memory": "512m",
    "spark.sql.shuffle.partitions": "2",
    "spark.driver.host": HOST,
    "spark.driver.bindAddress": HOST,
}


@pytest.fixture(scope="session")
def spark_settings() -> Iterator[Path]:
    """Let Spark be small; ends the Java process that pyspark keeps for this one."""
    pytest.importorskip("pyspark")
    install("default-jre-headless", lambda: bool(shutil.which("java")))
    with own_folder() as folder, pytest.MonkeyPatch.context() as patch:
        lines = [f"{name} {value}\n" for name, value in SETTINGS.items()]
        (folder / "spark-defaults.conf").write_text("".join(lines))
        patch.setenv("SPARK_CONF_DIR", str(folder))
        patch.setenv("SPARK_LOCAL_IP", HOST)
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        yield folder
        end_java()


def end_java() -> None:
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    if gateway:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)
        SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture(scope="session")
def cluster(spark_settings: Path) -> Iterator[str]:
    """Run a master and two workers of one core each; gives the master's address."""
    import pyspark

    program = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    deploy, port = "org.apache.spark.deploy", free_port()
    address = ["--host", HOST, "--webui-port", "0"]
    env = {**os.environ, "SPARK_DAEMON_MEMORY": "256m"}
    master = f"spark://{HOST}:{port}"
    with ExitStack() as stack:
        log = spark_settings / "master.log"
        command = [program, f"{deploy}.master.Master", *address, "--port", str(port)]
        stack.enter_context(process(command, lambda: listens(port), log, env=env))
        for number in range(2):
            own = free_port()
            command = [program, f"{deploy}.worker.Worker", *address, "--port", str(own)]
            command += ["--cores", "1", "--memory", "1g"]
            command += ["--work-dir", str(spark_settings / "work")]
            log = spark_settings / f"worker-{number}.log"
            stack.enter_context(
                process([*command, master], lambda own=own: listens(own), log, env=env)
            )
        yield master


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")
    monkeypatch.setattr(files, "PIECE", 100)
