"""What the pages in docs/ tell people to write and to type, done."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.fakes import PROJECT, copy_project, made_up_entries, run_python, write_csv

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = sorted((PROJECT / "docs").glob("adding-*.md"))

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [found.groups(default="") for found in BLOCK.finditer(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_works(page: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    source = write_csv(tmp_path / "journal.csv", made_up_entries(300))
    (project / "README.md").write_text((PROJECT / "README.md").read_text())
    tried = 0
    for language, title, content in blocks(page):
        if title:
            (project / title).parent.mkdir(parents=True, exist_ok=True)
            (project / title).write_text(content)
        elif language == "python" and "import" in content:
            exec(compile(content, page.name, "exec"), {})  # noqa: S102 - our own page
            tried += 1
        elif language == "bash":
            for line in content.splitlines():
                words = shlex.split(line)[1:]
                if "main" in words:
                    words += ["-P", f"source={source}"]
                done = run_python(
                    project, *words, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db"
                )
                assert done.returncode == 0, line + done.stdout + done.stderr
                tried += 1
    assert tried
