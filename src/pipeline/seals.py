"""Whether what a seal covers is still there and unchanged, found out as cheaply as can be.

A folder on this machine is looked at by size and time of change, and read only where these
differ. Elsewhere the sizes that the store lists have to match; the content is verified by the
step that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlparse

from src.errors import UserError
from src.pipeline.results import Output

Files = Mapping[str, tuple[int, int]]


def local_path(location: str) -> Path | None:
    """Give the folder or file that a location means on this machine; None if it is elsewhere.

    MLflow takes `%20` for a space in a plain path too.
    """
    parsed = urlparse(location)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(unquote(location)) if location.startswith("/") else None


def files_of(path: Path) -> dict[str, tuple[int, int]]:
    """List the files at a path with their sizes and times of change."""
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    stats = {p.relative_to(path).as_posix(): p.stat() for p in found}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def holds(output: Output, sizes: Callable[[str], Mapping[str, int]]) -> bool:
    """Tell whether an artifact is still what was sealed.

    Parameters
    ----------
    sizes
        Lists the sizes of the files that a store elsewhere keeps at a location.
    """
    if not output.location:
        return True
    path = local_path(output.location)
    if path is None:
        there = sizes(output.location)
        return all(there.get(name) == size for name, (size, _) in output.files.items())
    if not path.exists():
        return False
    now = files_of(path)
    if all(now.get(name) == tuple(sealed) for name, sealed in output.files.items()):
        return True
    from src.pipeline.content import content_digest

    try:
        return content_digest(path) == output.digest
    except UserError:  # a table that is cut cannot be read at all
        return False
