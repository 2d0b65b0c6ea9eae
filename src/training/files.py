"""Writes the folder that a shipped model loads: plain data, the same bytes for the same fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SCHEMA_VERSION = 1


def write_model(
    folder: Path,
    settings: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Write `settings.json`, `weights.npz`, other files and the manifest with their digests.

    The archive is not compressed: compressed bytes differ between builds of zlib. NumPy gives
    its members one fixed date.

    Parameters
    ----------
    folder
        Exists; what has these names is replaced.
    settings
        Values that JSON knows.
    arrays
        By name; none of objects.
    more
        Contents of further files by name.
    """
    import numpy as np

    _write_json(folder / "settings.json", settings)
    np.savez(folder / "weights.npz", allow_pickle=False, **dict(sorted(arrays.items())))
    for name, content in (more or {}).items():
        (folder / name).write_bytes(content)
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("settings.json", "weights.npz", *(more or {}))
    }
    _write_json(folder / "manifest.json", {"schema_version": SCHEMA_VERSION, "sha256": digests})


def rewrite_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Replace the settings of a written model, and their digest in its manifest."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    _write_json(folder / "settings.json", settings)
    content = (folder / "settings.json").read_bytes()
    manifest["sha256"]["settings.json"] = hashlib.sha256(content).hexdigest()
    _write_json(folder / "manifest.json", manifest)


def text_array(lines: Iterable[str]) -> npt.NDArray[np.uint8]:
    """Pack strings without line breaks into bytes, one a line: an array without objects."""
    import numpy as np

    return np.frombuffer("\n".join(lines).encode(), np.uint8)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, sort_keys=True, indent=1) + "\n", encoding="utf-8")
