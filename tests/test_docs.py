"""What the pages in docs/ tell people to write and to type, done."""

from __future__ import annotations

import ast
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fakes import PROJECT, copy_project, made_up_entries, run_python, write_csv

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
DOCS = PROJECT / "docs"
TROUBLE = DOCS / "troubleshooting.md"
PAGES = [*sorted(DOCS.glob("adding-*.md")), TROUBLE]
SAID = re.compile(r"^### `([^`]+)`$", re.MULTILINE)
# The messages of MLflow's that people meet are looked for where it writes them.
THEIRS = (
    "store/db/utils.py",
    "store/model_registry/sqlalchemy_store.py",
    "store/artifact/utils/models.py",
    "utils/requirements_utils.py",
)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    return [found.groups(default="") for found in BLOCK.finditer(page.read_text())]


def literals(path: Path) -> list[str]:
    """The texts that a file can write, with a mark in place of what is put into them."""
    found = list[str]()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            found.append("".join(map(str, parts)))
    return found


def like(text: str) -> re.Pattern[str]:
    """What reads as a text does, whatever stands where it has a mark."""
    return re.compile(".*".join(map(re.escape, text.split("…"))), re.DOTALL)


@pytest.mark.unit
@pytest.mark.slow
def test_every_message_that_is_explained_can_be_seen() -> None:
    mlflow = find_spec("mlflow")
    assert mlflow
    assert mlflow.origin
    files = [Path(mlflow.origin).parent / name for name in THEIRS]
    files += [path for name in ("src", "steps", "tools") for path in (PROJECT / name).rglob("*.py")]
    known = [text for path in files for text in literals(path)]
    messages = SAID.findall(TROUBLE.read_text())
    assert len(messages) > 25
    unknown = [
        message
        for message in messages
        if not any(like(message).search(text) for text in known)
        and not any(like(text).fullmatch(message) for text in known if len(text.strip("… ")) > 12)
    ]
    assert unknown == []


@pytest.mark.integration
@pytest.mark.slow
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
