"""Fixtures that tests of several folders use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from src.pipeline.patience import regain_patience
from tests.fakes import FakeStore, made_up_entries, write_csv

# A test must not depend on how fast the machine happens to be.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_configure() -> None:
    """Let a request to end the suite stop the servers that it started, like Ctrl-C.

    Whoever starts the suite with `nohup` or in the background has signals ignored; programs under
    test would inherit that.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count as slow what fits a family that an extra installs: encoders take seconds."""
    for item in items:
        given = getattr(item, "callspec", None)
        if given and any(getattr(value, "extra", "") for value in given.params.values()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of 900 entries by 60 people, labelled, dated and with topics."""
    return write_csv(tmp_path / "journal.csv", made_up_entries(900))


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(tmp_path / "store")


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """A store that one test lost must not make the next one impatient."""
    yield
    regain_patience()
