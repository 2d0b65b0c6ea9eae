"""Topics that a person wants: a file of names, each with phrases that tell of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from src.errors import UserError
from src.pipeline.caller import caller_folder

LONGEST = 100  # characters of a name
EXAMPLE = '{"sleep": ["slept badly", "woke up tired"], "money": ["paid the rent"]}'


@dataclass(frozen=True)
class Seeds:
    """Wanted topics.

    Attributes
    ----------
    names
        Theirs.
    phrases
        What tells of each: at least one phrase, the name where the file gives none.
    """

    names: Sequence[str] = ()
    phrases: Sequence[Sequence[str]] = ()


def read_seeds(path: str) -> Seeds:
    """Read the file of wanted topics; none if no path is given.

    Raises
    ------
    UserError
        It is not there, or not an object of names with lists of phrases.
    """
    if not path:
        return Seeds()
    try:
        found = json.loads(_located(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"seeds={path} cannot be read ({type(error).__name__}).", _hint()) from None
    except ValueError:
        raise UserError(f"seeds={path} is not JSON.", _hint()) from None
    if not isinstance(found, dict) or not found:
        raise UserError(f"seeds={path} holds no object of names with phrases.", _hint())
    for name, phrases in found.items():
        if not 1 <= len(name.strip()) <= LONGEST or "\n" in name:
            raise UserError(
                f"seeds={path}: a name has {len(name)} characters, not 1 to {LONGEST} in a line.",
                _hint(),
            )
        if not isinstance(phrases, list) or not all(isinstance(p, str) and p for p in phrases):
            raise UserError(f"seeds={path}: {name!r} has no list of phrases.", _hint())
    names = [name.strip() for name in found]
    if len(set(names)) < len(names):
        raise UserError(f"seeds={path}: two names differ only in spaces.", _hint())
    return Seeds(names, [phrases or [name] for name, phrases in found.items()])


def seeds_digest(path: str) -> str:
    """Give what stands for the wanted topics in keys; "none" if no path is given."""
    if not path:
        return "none"
    seeds = read_seeds(path)
    return hashlib.sha256(json.dumps([seeds.names, seeds.phrases]).encode()).hexdigest()


def _located(path: str) -> Path:
    return caller_folder() / Path(path).expanduser()


def _hint() -> str:
    return f"Write names with phrases, as in {EXAMPLE}"
