"""What the reading of code sees, and what it must not see."""

from pathlib import Path

import pytest

from src.pipeline.code import Reached, Reader

pytestmark = pytest.mark.unit

FILES = {
    "steps/__init__.py": "",
    "steps/train.py": (
        "import numpy as np\n"
        "from src.maths import scale\n"
        "from src import shapes\n"
        "LIMIT = 3\n"
        "def run(context):\n"
        "    from src.lazy import late\n"
        "    return scale(np.ones(LIMIT)), shapes.area(2), late(), late.x\n"
        "def unused():\n"
        "    import torch\n"
        "    return torch\n"
    ),
    "src/__init__.py": "",
    "src/maths.py": (
        '"""Maths."""\n'
        "import sklearn\n"
        "FACTOR = 2\n"
        "def scale(x):\n"
        '    """Scale."""\n'
        "    return x * FACTOR\n"
        "def other(x):\n"
        "    return sklearn.other(x)\n"
    ),
    "src/shapes.py": "def area(r):\n    return r * r\ndef circle(r):\n    return 3 * r\n",
    "src/lazy.py": 'def late():\n    return open("src/query/entries.sql")\n',
    "src/query/entries.sql": "select 1",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def reach(tree: Path, start: str = "steps.train:run") -> Reached:
    return Reader(tree).reach([start])


def edit(tree: Path, name: str, old: str, new: str) -> None:
    text = (tree / name).read_text()
    assert old in text
    (tree / name).write_text(text.replace(old, new))


def test_reaches_what_is_used_and_no_more(tree: Path) -> None:
    found = reach(tree)
    assert set(found.files) == {
        "steps/train.py",
        "src/maths.py",
        "src/shapes.py",
        "src/lazy.py",
        "src/query/entries.sql",
    }
    assert found.foreign == {"numpy"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/maths.py", "FACTOR = 2\n", "FACTOR = 2  # twice\n"),
        ("src/maths.py", '    """Scale."""\n', '    """Scale x."""\n'),
        ("src/maths.py", "def scale(x):", "def scale(x: float) -> float:"),
        ("src/maths.py", "x * FACTOR", "(x   *\n        FACTOR)"),
        ("src/maths.py", "sklearn.other(x)", "sklearn.another(x)"),
        ("src/shapes.py", "3 * r", "4 * r"),
        ("src/shapes.py", "def circle", "def round"),
        ("steps/train.py", "import torch\n    return torch", "pass"),
        (
            "steps/train.py",
            "import numpy as np\nfrom src.maths import scale\n",
            "from src.maths import scale\nimport numpy as np\n",
        ),
        ("src/maths.py", "import sklearn\nFACTOR = 2\n", "FACTOR = 2\nimport sklearn\n"),
    ],
)
def test_what_cannot_change_a_result_does_not_count(
    tree: Path, name: str, old: str, new: str
) -> None:
    before = reach(tree)
    edit(tree, name, old, new)
    assert reach(tree) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/maths.py", "FACTOR = 2", "FACTOR = 3"),
        ("src/maths.py", "x * FACTOR", "x + FACTOR"),
        ("src/shapes.py", "r * r", "r * r * r"),
        ("src/lazy.py", "return open", "return list"),
        ("src/query/entries.sql", "select 1", "select 2"),
        ("steps/train.py", "LIMIT = 3", "LIMIT = 4"),
        ("src/maths.py", "def scale", "def twice(f):\n    return f\n@twice\ndef scale"),
        ("src/maths.py", "FACTOR = 2", "FACTOR = 2\nFACTOR += 1"),
        ("src/maths.py", "FACTOR = 2", "FACTOR = 2\nprint(FACTOR)"),
        ("src/__init__.py", "", "import warnings\nwarnings.simplefilter('ignore')\n"),
    ],
)
def test_what_can_change_a_result_names_its_file(tree: Path, name: str, old: str, new: str) -> None:
    before = reach(tree).files
    edit(tree, name, old, new)
    after = reach(tree).files
    assert {n for n in after | before if after.get(n) != before.get(n)} == {name}


def test_follows_aliases_reexports_and_relative_imports(tree: Path) -> None:
    (tree / "src/__init__.py").write_text("from .maths import scale as doubled\n")
    (tree / "steps/train.py").write_text(
        "import src\nimport src.shapes as s\ndef run(c):\n    return src.doubled(s.circle(1))\n"
    )
    found = reach(tree)
    assert set(found.files) == {"steps/train.py", "src/maths.py", "src/shapes.py"}
    edit(tree, "src/maths.py", "x * FACTOR", "x - FACTOR")
    assert reach(tree) != found


def test_a_module_handed_on_counts_whole(tree: Path) -> None:
    (tree / "steps/train.py").write_text(
        "from src import shapes\ndef run(c):\n    return getattr(shapes, c.name)\n"
    )
    before = reach(tree)
    edit(tree, "src/shapes.py", "3 * r", "4 * r")
    assert reach(tree) != before


def test_guarded_imports_and_type_checking(tree: Path) -> None:
    (tree / "steps/train.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "try:\n    import orjson as json\nexcept ImportError:\n    import json\n"
        "def run(c: torch.Tensor):\n    return json.dumps(c)\n"
    )
    assert reach(tree).foreign == {"orjson"}


def test_help_and_defaults_of_parameters_count_elsewhere(tree: Path) -> None:
    source = (
        "from src.pipeline.step import param\n"
        "class Params:\n    seed: int = param(7, 'Seed')\n"
        "def run(c):\n    return Params\n"
    )
    (tree / "steps/train.py").write_text(source)
    before = reach(tree)
    (tree / "steps/train.py").write_text(source.replace("7, 'Seed'", "8, 'Seed of all'"))
    assert reach(tree) == before
    (tree / "steps/train.py").write_text(source.replace("seed: int", "seed: float"))
    assert reach(tree) != before


def test_an_unknown_start_is_an_error(tree: Path) -> None:
    with pytest.raises(ValueError, match="defines no walk"):
        reach(tree, "steps.train:walk")
    with pytest.raises(ValueError, match="no module"):
        reach(tree, "steps.nowhere:run")
