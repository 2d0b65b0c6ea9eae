from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from src.data.schema import ENTRIES

ROOT = Path(__file__).resolve().parents[2]


def test_reading_and_digesting_import_no_pandas(tmp_path: Path, make_entries) -> None:
    """Arrow imports pandas as soon as values leave it for numpy, which takes half a second."""
    ENTRIES.write(tmp_path, [make_entries([{"label": "neutral", "author": "a" * 16}, {}])])
    code = (
        "import sys, pathlib\n"
        "from src.data.schema import ENTRIES\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "print(ENTRIES.digest(folder), ENTRIES.read(folder).num_rows, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [ENTRIES.digest(tmp_path), "2", "False"]
