"""What goes wrong around a step is said in a sentence that quotes nothing."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from src.errors import UserError
from src.pipeline import patience
from src.pipeline.faults import explain, is_away

pytestmark = pytest.mark.unit


def raised(outer: Exception, inner: BaseException) -> Exception:
    try:
        try:
            raise inner
        except BaseException:
            raise outer  # noqa: B904 - as libraries do that forget the cause
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("my diary"), "ran out of memory"),
        (OSError(errno.ENOSPC, "No space left"), "no space is left"),
        (raised(RuntimeError(), OSError(errno.EDQUOT, "Quota")), "no space is left"),
        (OSError(errno.EROFS, "Read-only file system", "/artifacts"), "/artifacts cannot be"),
        (sqlite3.OperationalError("database or disk is full"), "no space is left"),
        (raised(ValueError(), UserError("a sentence")), "a sentence"),
    ],
)
def test_faults_from_outside_are_said(error: BaseException, said: str) -> None:
    found = explain(error)
    assert found
    assert said in found.message
    assert "diary" not in f"{found.message} {found.hint}"


@pytest.mark.parametrize("error", [ValueError("my diary"), KeyError(3), UserError("itself")])
def test_our_own_errors_are_left_alone(error: Exception) -> None:
    assert explain(error) is None
    assert not is_away(error)


def test_passwords_are_blotted_out() -> None:
    text = "at postgresql://me:s3cret@host:5/db and https://host:443/x:y@z, http://u:p%40@h"
    clean = patience.without_password(text)
    assert clean == "at postgresql://me:***@host:5/db and https://host:443/x:y@z, http://u:***@h"


def test_patience_becomes_retries_that_wait_that_long(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (1, 10, 60):
        monkeypatch.setenv(patience.PATIENCE, str(seconds))
        for name in (patience.RETRIES, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "PGCONNECT_TIMEOUT"):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        patience.be_patient()
        retries = int(os.environ[patience.RETRIES])
        assert seconds <= sum(2**n for n in range(1, retries)) or retries == 2
        patience.be_patient()
        assert int(os.environ[patience.RETRIES]) == retries
    monkeypatch.setenv(patience.RETRIES, "3")
    patience.be_patient()
    assert os.environ[patience.RETRIES] == "3"


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:1", "postgresql://me:s3cret@127.0.0.1:1/x", "postgresql+no://me:s3cret@h"],
)
def test_a_store_that_does_not_answer_is_named_without_its_password(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(patience.PATIENCE, "0.1")
    with pytest.raises(UserError) as caught:
        patience.reach(uri)
    assert "cannot be reached" in caught.value.message
    assert "s3cret" not in caught.value.message


def test_a_cut_transaction_is_asked_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    store, calls = SimpleNamespace(engine=SimpleNamespace(dialect=SimpleNamespace())), list[int]()

    def cut(times: int) -> Callable[..., str]:
        def method(_: object, answer: str) -> str:
            calls.append(1)
            if len(calls) <= times:
                raise MlflowException("cut", TEMPORARILY_UNAVAILABLE)
            return answer

        calls.clear()
        return patience.asked_again(method)

    store.engine.dialect.name = "postgresql"
    assert cut(patience.CUTS)(store, "done") == "done"
    with pytest.raises(MlflowException):
        cut(100)(store, "done")
    assert len(calls) == patience.CUTS + 1
    store.engine.dialect.name = "sqlite"
    with pytest.raises(MlflowException):
        cut(1)(store, "done")
    store.engine.dialect.name = "postgresql"
    monkeypatch.setenv(patience.RETRIES, "5")
    patience.lose_patience()
    patience.lose_patience()
    assert os.environ[patience.RETRIES] == "0"
    with pytest.raises(MlflowException):
        cut(1)(store, "done")
    patience.regain_patience()
    assert os.environ[patience.RETRIES] == "5"
    assert cut(1)(store, "done") == "done"
