"""Seals of tables and models: what breaks them, and what does not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src.pipeline.content import content_digest
from src.pipeline.results import Output
from src.pipeline.seals import files_of, holds, local_path

pytestmark = pytest.mark.unit

TABLE = pa.table({"id": ["a", "b", "c"], "text": ["one", "two", None]})


def no_sizes(location: str) -> dict[str, int]:
    raise AssertionError("asked a store elsewhere")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "entries"
    path.mkdir()
    pq.write_table(TABLE, path / "part.parquet")
    (path / "note.json").write_text('{"a": 1, "b": [2]}')
    return path


def seal(path: Path) -> Output:
    return Output("runs:/r/entries", content_digest(path), str(path), files_of(path))


def rewrite(path: Path) -> None:
    """The same rows in other bytes."""
    pq.write_table(TABLE, path / "part.parquet", compression="gzip", row_group_size=1)


def respell(path: Path) -> None:
    (path / "note.json").write_text('{"b":[2],\n"a":1}')


def touch(path: Path) -> None:
    os.utime(path / "part.parquet", ns=(1, 1))


def cut(path: Path) -> None:
    size = (path / "part.parquet").stat().st_size
    os.truncate(path / "part.parquet", size // 2)


def alter(path: Path) -> None:
    pq.write_table(TABLE.slice(0, 2), path / "part.parquet")


def remove(path: Path) -> None:
    (path / "part.parquet").unlink()


def lose(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


@pytest.mark.parametrize("change", [rewrite, respell, touch])
def test_other_bytes_of_the_same_content_hold(folder: Path, change: Callable[[Path], None]) -> None:
    sealed = seal(folder)
    change(folder)
    assert holds(sealed, no_sizes)


@pytest.mark.parametrize("change", [cut, alter, remove, lose])
def test_harm_is_noticed(folder: Path, change: Callable[[Path], None]) -> None:
    sealed = seal(folder)
    assert holds(sealed, no_sizes)
    change(folder)
    assert not holds(sealed, no_sizes)


def test_files_that_mlflow_adds_to_a_model_do_not_break_its_seal(tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "artifacts").mkdir(parents=True)
    (model / "artifacts/settings.json").write_text("{}")
    (model / "code.py").write_text("x = 1\n")
    (model / "MLmodel").write_text("time: 1")
    sealed = seal(model)
    (model / "registered_model_meta").write_text("name: x")
    (model / "MLmodel").write_text("time: 2")
    (model / "__pycache__").mkdir()
    (model / "__pycache__/code.pyc").write_bytes(b"\0")
    assert holds(sealed, no_sizes)
    (model / "code.py").write_text("# a comment\nx = 1\n")
    assert holds(sealed, no_sizes)
    (model / "code.py").write_text("x = 2\n")
    assert not holds(sealed, no_sizes)


def test_elsewhere_the_listed_sizes_have_to_match() -> None:
    sealed = Output("runs:/r/a", "d", "s3://bucket/a", {"part.parquet": (10, 0)})
    assert holds(sealed, lambda location: {"part.parquet": 10, "more": 3})
    assert not holds(sealed, lambda location: {"part.parquet": 9})
    assert not holds(sealed, lambda location: {})


def test_a_local_path_is_told_from_a_location_elsewhere() -> None:
    assert local_path("/a/b") == Path("/a/b")
    assert local_path("file:///a/b%20c") == local_path("/a/b%20c") == Path("/a/b c")
    assert local_path("mlflow-artifacts:/0/r") is None
    assert local_path("s3://bucket/a") is None
