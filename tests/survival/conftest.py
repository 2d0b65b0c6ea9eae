"""An undisturbed pipeline to compare with, and lanes to disturb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.survival.lane import Lane


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[Callable[[str], Lane]]:
    """Make lanes; whatever runs in them ends with the test."""
    made: list[Lane] = []

    def make(name: str) -> Lane:
        made.append(Lane(tmp_path / name))
        return made[-1]

    yield make
    for lane in made:
        lane.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A pipeline that ran without a fault."""
    lane = Lane(tmp_path_factory.mktemp("undisturbed") / "lane")
    code, said = lane.run("main")
    assert code == 0, said
    yield lane
    lane.close()
