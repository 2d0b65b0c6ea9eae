"""Under `umask 077` nobody else may read what the pipeline writes."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import copy_project, environment, made_up_entries, write_csv

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_all_that_is_written_is_the_owners_alone(tmp_path: Path) -> None:
    project, home = copy_project(tmp_path), tmp_path / "home"
    home.mkdir()
    source = write_csv(tmp_path / "journal.csv", made_up_entries(300))
    gone = tmp_path / "gone.txt"
    gone.write_text("person-7\n")
    before = set(tmp_path.rglob("*"))
    words = ["main", "-P", "until=split", "-P", f"source={source}", "-P", f"forget={gone}"]
    env = environment(
        tmp_path,
        HOME=str(home),
        JOURNAL_CACHE=str(tmp_path / "cache"),
        JOURNAL_KEY_FILE=str(tmp_path / "keys" / "key"),
        MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
    )
    done = subprocess.run(
        [sys.executable, "-m", "steps", *words],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    made = [p for p in set(tmp_path.rglob("*")) - before if "__pycache__" not in p.parts]
    assert {"key", "mlflow.db", "part.parquet", "train.parquet"} <= {p.name for p in made}
    assert [str(p) for p in made if stat.S_IMODE(p.lstat().st_mode) & 0o077] == []
