"""Which column of a file plays which role."""

from __future__ import annotations

import re
from collections.abc import Iterable

from src.data.sources.source import IngestParams
from src.errors import UserError

_PLAIN = re.compile(r"[^\W\d][\w.-]{0,39}")

USUAL_NAMES = {
    "id": ("id", "entry_id"),
    "text": ("text", "journal_text", "content"),
    "author": ("author", "user_id"),
    "created_at": ("created_at", "date"),
    "label": ("label", "sentiment"),
    "score": ("score", "mood_score", "rating"),
    "topics": ("topics", "tags"),
}


def wanted(params: IngestParams) -> dict[str, tuple[str, ...]]:
    """Give the names that a role's column may have, lower-cased, the preferred first."""
    named = {role: getattr(params, f"{role}_column").strip() for role in USUAL_NAMES}
    return {
        role: (named[role].lower(),) if named[role] else usual
        for role, usual in USUAL_NAMES.items()
    }


def match(columns: Iterable[str], params: IngestParams, file: str) -> dict[str, str]:
    """Find the column of each role, whatever its case; roles without one are left out.

    Raises
    ------
    UserError
        There is no column of texts, or one that a parameter names is missing.
    """
    there = list(columns)
    # Of columns that differ in case only the first counts.
    lower = {column.strip().lower(): column for column in reversed(there)}
    found = dict[str, str]()
    for role, names in wanted(params).items():
        hits = [lower[name] for name in names if name in lower]
        if hits:
            found[role] = hits[0]
            continue
        named = getattr(params, f"{role}_column")
        has = f"{file} has the columns {shown(there)}."
        if named:
            raise UserError(f"{role}_column={named} is not there: {has}", f"-P {role}_column=NAME")
        if role == "text":
            raise UserError(
                f"no column of texts: {has}",
                f"Rename it to {' or '.join(names)}, or name it: -P text_column=NAME",
            )
    return found


def shown(columns: Iterable[str]) -> str:
    """List names of columns; of a file without a header they are data, and not shown.

    >>> shown(["id", "Today I told Anna about it", "7"])
    'id and 2 that look like data (has it a header?)'
    """
    there = list(columns)
    plain = [name for name in there if _PLAIN.fullmatch(name.strip())]
    if len(plain) == len(there):
        return ", ".join(plain)
    return (
        f"{', '.join(plain) or 'of no usual names'} and {len(there) - len(plain)} that look like "
        "data (has it a header?)"
    )
