from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from src import engines
from src.data.sources import IngestParams
from src.data.splitting import SplitParams
from src.errors import UserError
from src.pipeline.code import Reader
from src.pipeline.step import ROOT, content_of
from tools.serve import HOST, free_port

pytestmark = pytest.mark.unit


def asked(master: str = "", engine: str = "spark") -> Any:
    return SimpleNamespace(engine=engine, spark_master=master)


def with_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: object())
    monkeypatch.setattr(engines.shutil, "which", lambda name: f"/usr/bin/{name}")


def test_without_pyspark_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs pyspark") as error:
        engines.check(asked())
    assert "--extra spark" in error.value.hint


def test_without_java_its_package_is_named(tmp_path: Path, monkeypatch) -> None:
    with_spark(monkeypatch)
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="needs Java 17") as error:
        engines.check(asked())
    assert "default-jre-headless" in error.value.hint
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    engines.check(asked())


@pytest.mark.parametrize("address", ["{port}", "no-port", "host:many", "{port},127.0.0.1:x", ""])
def test_a_master_that_is_not_there_is_an_error(address: str, monkeypatch) -> None:
    with_spark(monkeypatch)
    master = "spark://" + address.replace("{port}", f"{HOST}:{free_port()}")
    with pytest.raises(UserError, match="no Spark master answers"):
        engines.check(asked(master))


def test_a_master_without_its_engine_is_an_error() -> None:
    with pytest.raises(UserError, match="the engine is local") as error:
        engines.check(asked("local[2]", "local"))
    assert error.value.hint == "Add -P engine=spark"
    with engines.opened(asked(engine="local")) as engine:
        assert engine is None


def test_the_engine_is_in_no_key() -> None:
    for params in (IngestParams(engine="spark", spark_master="local[2]"), SplitParams()):
        assert not {"engine", "spark_master"} & content_of(params).keys()
    for start in ("steps.ingest:run", "steps.split:run"):
        reached = Reader(ROOT).reach([start])
        assert not [file for file in reached.files if "engines" in file]
        assert "pyspark" not in reached.foreign
