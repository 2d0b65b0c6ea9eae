"""Waits, within a limit, for a tracking store that is away; the one place for how long.

MLflow's client asks a tracking server again by itself; a database it does not ask again once
the store is open. Both are given the same patience, and none once it has run out: whoever
cleans up after that must not wait anew.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import time
from collections.abc import Callable
from inspect import isfunction
from typing import Any, TypeVar
from urllib.parse import urlsplit

from src.errors import UserError
from src.pipeline.caller import FOLDER
from src.pipeline.faults import is_away, is_collision

PATIENCE = "PIPELINE_PATIENCE"
SECONDS = 60.0
CUTS = 3  # of one call, that are borne
COLLISIONS = 20
AT_ONCE = 5.0  # at the start of it all an address that does not answer is more likely wrong
PORTS = {"http": 80, "https": 443}
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

T = TypeVar("T")
_ran_out = False
_retries = ""  # what RETRIES was when patience ran out


def patience() -> float:
    """Give the seconds that a store may be away while work is under way."""
    try:
        return float(os.environ.get(PATIENCE) or SECONDS)
    except ValueError:
        raise UserError(
            f"{PATIENCE}={os.environ[PATIENCE]} is not a number.",
            "It is how many seconds the tracking store may be away.",
        ) from None


def be_patient() -> None:
    """Let MLflow wait for the store in this process and those it starts; what is set stays."""
    if RETRIES not in os.environ:
        # The waits double: 0, 2, 4, … seconds.
        os.environ[RETRIES] = str(min(10, max(1, math.ceil(math.log2(patience() + 2)))))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
    # It shows each failing statement with all its values before it raises the same.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    os.environ.setdefault(PATIENCE, str(patience()))


def lose_patience() -> None:
    """Wait for nothing any more: the store is gone."""
    global _ran_out, _retries
    if not _ran_out:
        _retries = os.environ.get(RETRIES, "")
    _ran_out = True
    os.environ[RETRIES] = "0"


def regain_patience() -> None:
    """Wait again, as before a store was lost: something else begins in this process."""
    global _ran_out
    if not _ran_out:
        return
    _ran_out = False
    del os.environ[RETRIES]
    if _retries:
        os.environ[RETRIES] = _retries


def wait_for_databases() -> None:
    """Let every later use of a database server wait until it is back.

    SQLAlchemy tests a pooled connection before it hands it out and connects anew where it broke,
    so that an outage between two transactions is never seen. One that is cut in the middle is
    undone by the database; MLflow's stores are made to ask again.
    """
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "do_connect", connect_patiently):
        event.listen(Engine, "do_connect", connect_patiently)
        for store in (Tracking, Registry):
            for name, method in list(vars(store).items()):
                if isfunction(method) and not name.startswith("_"):
                    setattr(store, name, asked_again(method))


def asked_again(method: Callable[..., T]) -> Callable[..., T]:
    """Call a store's method again where its transaction was cut."""

    @functools.wraps(method)
    def patient(store: Any, *words: Any, **options: Any) -> T:
        for _ in range(CUTS):
            try:
                return method(store, *words, **options)
            except Exception as error:
                if _ran_out or store.engine.dialect.name == "sqlite" or not is_away(error):
                    raise
        return method(store, *words, **options)

    return patient


def written(write: Callable[..., T], *words: Any, **options: Any) -> T:
    """Write what others may be writing at the same time: the last one to do so wins."""
    for _ in range(COLLISIONS):
        try:
            return write(*words, **options)
        except Exception as error:
            if not is_collision(error):
                raise
    return write(*words, **options)


def connect_patiently(dialect: Any, record: Any, words: Any, options: Any) -> Any:
    """Connect in SQLAlchemy's stead; a file is there or not, and not waited for."""
    if dialect.name == "sqlite":
        return None
    seconds = 0.0 if _ran_out else patience()
    failure = dialect.loaded_dbapi.OperationalError
    try:
        return attempt(lambda: dialect.connect(*words, **options), failure, seconds)
    except failure:
        lose_patience()
        raise


def attempt(ask: Callable[[], Any], failure: type[Exception], seconds: float) -> Any:
    """Ask until it succeeds; raises the last failure when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except failure:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def reach(uri: str) -> None:
    """Make sure that a store answers before MLflow opens it, which would try for minutes.

    Raises
    ------
    UserError
        It cannot be reached.
    """
    below_driver = FOLDER in os.environ
    seconds = patience() if below_driver else min(AT_ONCE, patience())
    scheme = uri.partition(":")[0].partition("+")[0]
    try:
        if scheme in PORTS:
            attempt(lambda: knock(uri), OSError, seconds)
        elif scheme != "sqlite" and "://" in uri:
            attempt_database(uri, seconds)
    except OSError as error:
        raise unreachable(uri, error.strerror or type(error).__name__) from error


def knock(uri: str) -> None:
    """Connect to a server and leave again."""
    import socket

    where = urlsplit(uri)
    port = where.port or PORTS[where.scheme]
    socket.create_connection((where.hostname or "", port), timeout=10).close()


def attempt_database(uri: str, seconds: float) -> None:
    """Connect to a database, as often as it takes."""
    import sqlalchemy
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

    try:
        engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        if uri.startswith("databricks"):
            return
        missing = f"{error.name} is not installed" if isinstance(error, ImportError) else "unknown"
        raise unreachable(uri, missing) from error
    try:
        attempt(lambda: engine.connect().close(), OperationalError, seconds)
    except OperationalError as error:
        said = str(error.orig).strip().partition("\n")[0].rpartition("failed: ")[2]
        raise unreachable(uri, said) from error


def unreachable(uri: str, why: str) -> UserError:
    """Say that a store does not answer."""
    return UserError(
        f"the tracking store {without_password(uri)} cannot be reached: {why}.",
        "Check MLFLOW_TRACKING_URI and that its server is up. What was sealed is kept.",
    )


def without_password(text: str) -> str:
    """Blot out the passwords of all addresses in a text."""
    return re.sub(r"(://[^/\s:@]*):[^/\s]*@", r"\1:***@", text)
