"""Tables as plain text: columns lined up, long words folded, within a width."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

GAP = 2
LEAST = 8  # columns that a cell of words is left with


def wide(text: str) -> int:
    """Count the columns that a terminal gives to a text.

    Examples
    --------
    >>> wide("sleep"), wide("眠り"), wide("é")
    (5, 4, 1)
    """
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def fill(text: str, width: int, right: bool = False) -> str:
    """Pad a text to a width."""
    room = " " * max(width - wide(text), 0)
    return room + text if right else text + room


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int,
    right: Sequence[bool] = (),
) -> str:
    """Line up a table below its names.

    Parameters
    ----------
    width
        Columns of the terminal; the widest cells are folded until it fits.
    right
        Which columns are set flush right; none if empty.
    """
    listed = [[" ".join(cell.split()) for cell in row] for row in rows]
    flush = list(right) or [False] * len(columns)
    wanted = [max(map(wide, cells)) for cells in zip(columns, *listed, strict=True)]
    spare = width - GAP * (len(columns) - 1)
    while sum(wanted) > spare and max(wanted) > LEAST:
        widest = max(range(len(wanted)), key=wanted.__getitem__)
        others = sorted(set(wanted) - {wanted[widest]}, reverse=True)
        least = max(others[0] if others else 0, LEAST)
        wanted[widest] -= max(1, min(sum(wanted) - spare, wanted[widest] - least))
    lines = list[str]()
    for row in [list(columns), *listed]:
        cells = [
            textwrap.wrap(cell, max(size, 1), break_on_hyphens=False) or [""]
            for cell, size in zip(row, wanted, strict=True)
        ]
        for number in range(max(map(len, cells), default=0)):
            parts = [
                fill(cell[number] if number < len(cell) else "", size, at_right)
                for cell, size, at_right in zip(cells, wanted, flush, strict=True)
            ]
            lines.append((" " * GAP).join(parts).rstrip())
    if lines:
        rule = (" " * GAP).join("─" * size for size in wanted).rstrip()
        head = next(n for n in range(1, len(lines) + 1) if n == header_height(columns, wanted))
        lines.insert(head, rule)
    return "\n".join(lines)


def header_height(columns: Sequence[str], widths: Sequence[int]) -> int:
    """Count the lines that the names take."""
    pairs = zip(columns, widths, strict=True)
    return max(len(textwrap.wrap(name, max(size, 1)) or [""]) for name, size in pairs)


def amount(size: int) -> str:
    """Write bytes for people.

    Examples
    --------
    >>> amount(7), amount(12_345), amount(34_500_000)
    ('7 B', '12.3 kB', '34.5 MB')
    """
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
