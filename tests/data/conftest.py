from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from src.data.schema import ENTRIES

MakeEntries = Callable[[Sequence[dict[str, Any]]], pa.Table]


@pytest.fixture(scope="session")
def make_entries() -> MakeEntries:
    """Build entries from what matters about each; texts share no word unless they are given."""

    def make(rows: Sequence[dict[str, Any]]) -> pa.Table:
        full = [
            {
                "id": f"e{i}",
                "text": " ".join(f"{word}{i}" for word in ("went", "home", "slept", "woke", "ate")),
                "source": "made",
            }
            | row
            for i, row in enumerate(rows)
        ]
        return pa.Table.from_pylist(full, schema=ENTRIES.schema)

    return make


@pytest.fixture(autouse=True)
def own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tests off the key of whoever runs them."""
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")
