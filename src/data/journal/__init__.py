"""Journal entries of invented people, each labelled twice: some to train on, others to judge by.

`README.md` beside this file tells who wrote them, how, and what they are not. `training` is part
of the built-in corpus; `held_out` is for evaluations only and never reaches a source.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from src.data import LABELS

MIXED = "mixed"
TRAINING, HELD_OUT = (
    Path(__file__).with_name(f"{half}.jsonl") for half in ("training", "held_out")
)


@dataclass(frozen=True)
class JournalEntry:
    """One entry of an invented person.

    Attributes
    ----------
    author
        Which person; the two halves share none.
    label, second_label
        What its writer and a second, blind reader said: positive, negative, neutral or mixed.
    text
        What the person wrote, normalised as cleaning would.
    """

    author: str
    label: str
    second_label: str
    text: str

    @property
    def agreed(self) -> str | None:
        """What both readers said, mixed among it; None where they disagree."""
        return self.label if self.label == self.second_label else None

    @property
    def sentiment(self) -> str | None:
        """One of the three classes; None for what is mixed or disagreed on."""
        return self.agreed if self.agreed in LABELS else None

    @property
    def is_mixed(self) -> bool:
        """Whether both readers called it mixed."""
        return self.agreed == MIXED


def training() -> list[JournalEntry]:
    """Read the half that the built-in corpus holds: 739 entries of 55 people."""
    return read(TRAINING)


def held_out() -> list[JournalEntry]:
    """Read the half that no model is trained on: 644 entries of 46 other people."""
    return read(HELD_OUT)


def read(path: Path) -> list[JournalEntry]:
    """Read one half; a row with other keys is a TypeError."""
    lines = path.read_text(encoding="utf-8").split("\n")  # a text may hold other line breaks
    return [JournalEntry(**json.loads(line)) for line in lines if line]


def fingerprint(path: Path) -> str:
    """Digest one half's bytes, so that reuse notices when it changes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
