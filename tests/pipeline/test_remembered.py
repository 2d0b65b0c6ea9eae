"""What is remembered of reading code is what reading it anew gives, whatever happened between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.pipeline import remembered
from src.pipeline.code import Reader
from src.pipeline.remembered import RememberingReader
from tests.fakes import PROJECT

pytestmark = pytest.mark.unit

FILES = {
    "steps/__init__.py": "",
    "steps/train.py": (
        "import numpy\n"
        "from src.maths import scale\n"
        "def run(context):\n"
        "    return scale(3), open('src/query/entries.sql'), 'src/query/other.sql'\n"
        "def other(context):\n"
        "    return 1\n"
    ),
    "src/__init__.py": "",
    "src/maths.py": "def scale(x):\n    return x * 2\n",
    "src/query/entries.sql": "select 1",
}
START = ["steps.train:run"]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "tree"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which starts were read from the files themselves."""
    found = list[str]()
    reach = Reader.reach

    def counted(self: Reader, starts: list[str]) -> object:
        found.extend(starts)
        return reach(self, starts)

    monkeypatch.setattr(Reader, "reach", counted)
    return found


def test_the_second_process_parses_nothing(tree: Path, parsed: list[str]) -> None:
    first = RememberingReader(tree).reach(START)
    assert RememberingReader(tree).reach(START) == first == Reader(tree).reach(START)
    assert parsed == START * 2  # the first, and the one to compare with


def test_a_copy_in_another_folder_is_known(tree: Path, parsed: list[str]) -> None:
    first = RememberingReader(tree).reach(START)
    other = shutil.copytree(tree, tree.parent / "clone")
    assert RememberingReader(other).reach(START) == first
    assert parsed == START


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/maths.py", "def scale(x):\n    return x * 3\n"),
        ("src/query/entries.sql", "select 2"),
        ("src/query/other.sql", "select 3"),  # named, and not there before
        ("numpy.py", "x = 1\n"),  # now a module of the project
        ("steps/train/__init__.py", "def run(context):\n    return 5\n"),  # looked for second
    ],
)
def test_whatever_changes_is_noticed(tree: Path, name: str, text: str) -> None:
    RememberingReader(tree).reach(START)
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)
    assert RememberingReader(tree).reach(START) == Reader(tree).reach(START)


def test_a_file_that_is_gone_is_noticed(tree: Path) -> None:
    before = RememberingReader(tree).reach(START)
    (tree / "src/query/entries.sql").unlink()
    after = RememberingReader(tree).reach(START)
    assert after == Reader(tree).reach(START) != before


def test_an_edit_that_is_taken_back_is_known_again(tree: Path, parsed: list[str]) -> None:
    first = RememberingReader(tree).reach(START)
    (tree / "src/maths.py").write_text("def scale(x):\n    return x * 3\n")
    RememberingReader(tree).reach(START)
    (tree / "src/maths.py").write_text(FILES["src/maths.py"])
    assert RememberingReader(tree).reach(START) == first
    assert parsed == START * 2


def test_an_edit_between_two_starts_mixes_nothing(tree: Path) -> None:
    reader = RememberingReader(tree)
    reader.reach(START)
    text = FILES["steps/train.py"]
    (tree / "steps/train.py").write_text(text.replace("return 1", "return 2"))
    late = RememberingReader(tree)
    late.reach(START)
    reader.reach(["steps.train:other"])  # read before the edit, kept after it
    for start in (START, ["steps.train:other"]):
        assert RememberingReader(tree).reach(start) == Reader(tree).reach(start)


@pytest.mark.parametrize("damage", ["", "{", "[]", "cut", "altered", "folder"])
def test_a_damaged_memory_is_done_without(tree: Path, damage: str) -> None:
    first = RememberingReader(tree).reach(START)
    file = remembered.place()
    whole = file.read_text()
    if damage == "folder":
        file.unlink()
        file.mkdir()
    elif damage == "altered":
        content = json.loads(whole)
        next(iter(content["memories"][0]["results"].values()))[0]["src/maths.py"] = "0" * 16
        file.write_text(json.dumps(content))
    else:
        file.write_text(whole[: len(whole) // 2] if damage == "cut" else damage)
    assert RememberingReader(tree).reach(START) == first


def test_a_cache_that_cannot_be_written_is_done_without(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree.parent / "file").write_text("in the way")
    monkeypatch.setenv("JOURNAL_CACHE", str(tree.parent / "file"))
    assert RememberingReader(tree).reach(START) == Reader(tree).reach(START)


def test_little_is_kept(tree: Path) -> None:
    for number in range(remembered.MEMORIES + 3):
        (tree / "src/maths.py").write_text(f"def scale(x):\n    return x * {number}\n")
        RememberingReader(tree).reach(START)
    assert len(remembered.load()) == remembered.MEMORIES
    folder = remembered.place().parent
    for number in range(remembered.FILES + 3):
        (folder / f"code-{number}.json").touch()
    (tree / "src/maths.py").write_text("def scale(x):\n    return -x\n")
    RememberingReader(tree).reach(START)
    assert len(list(folder.iterdir())) == remembered.FILES
    assert RememberingReader(tree).reach(START) == Reader(tree).reach(START)


@pytest.mark.slow
def test_processes_that_remember_at_once_agree(tree: Path) -> None:
    """Eight processes, each of which edits a tree of its own and reads it again and again."""
    code = (
        "import sys, pathlib\n"
        "from src.pipeline.code import Reader\n"
        "from src.pipeline.remembered import RememberingReader\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "for i in range(40):\n"
        "    (root / 'src/maths.py').write_text(f'def scale(x):\\n    return {i % 3}\\n')\n"
        "    for start in ('steps.train:run', 'steps.train:other'):\n"
        "        assert RememberingReader(root).reach([start]) == Reader(root).reach([start])\n"
    )
    copies = [shutil.copytree(tree, tree.parent / f"copy{n}") for n in range(8)]
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(copy)], cwd=PROJECT, env=os.environ)
        for copy in copies
    ]
    assert [process.wait(timeout=300) for process in running] == [0] * 8
    assert remembered.load()
    assert not list(remembered.place().parent.glob("*.new"))
