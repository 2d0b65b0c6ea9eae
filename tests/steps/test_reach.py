"""Which steps an edit of this project makes run again, and which it leaves alone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from src import registry
from src.data import journal
from src.errors import UserError
from src.evaluation import behaviour
from src.pipeline.code import Reader
from src.pipeline.keys import versions
from src.pipeline.step import Step, all_steps, build
from src.training.family import TASKS, Family, check_installed, families
from tests.fakes import copy_project

pytestmark = pytest.mark.unit

EVERY = {f"{name} {model}" for name in all_steps() for model in TASKS}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


def starts(step: Step, model: str) -> list[str]:
    """Where the code of a step starts, for a model."""
    params = build(step.params, {"model": model})
    return [step.code, *(start for part in step.parts(params) for start in part.code)]


def code_of_steps(project: Path) -> dict[str, dict[str, str]]:
    reader = Reader(project)
    return {
        f"{step.name} {model}": reader.reach(starts(step, model)).files
        for step in all_steps().values()
        for model in TASKS
    }


def changed(project: Path, name: str, old: str, new: str) -> set[str]:
    """Edit a file and say which steps' code that changes."""
    before = code_of_steps(project)
    text = (project / name).read_text()
    assert old in text
    (project / name).write_text(text.replace(old, new, 1))
    after = code_of_steps(project)
    return {step for step in before if after[step] != before[step]}


def of(*names: str, models: tuple[str, ...] = tuple(TASKS)) -> set[str]:
    return {f"{name} {model}" for name in names for model in models}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (
            "src/training/train_topics.py",
            "from pathlib import Path",
            "# Files\nfrom pathlib import Path",
        ),
        ("src/data/cleaning.py", '"""Raw rows', '"""Raw and other rows'),
        ("steps/train.py", "def run(context: Context) -> None:", "def run(context):"),
        ("src/pipeline/console.py", "widths: tuple[int, ...] = (20, 8)", "widths=(30, 8)"),
        ("src/pipeline/execute.py", '"first run"', '"never ran"'),
        ("src/data/splitting.py", "0.15", "0.16"),  # a default: it counts as a parameter
        (
            "src/training/train_example.py",
            "from pathlib import Path",
            "import os\nfrom pathlib import Path",
        ),
    ],
)
def test_what_cannot_change_a_result_runs_nothing(
    project: Path, name: str, old: str, new: str
) -> None:
    assert changed(project, name, old, new) == set()


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("steps/train.py", "if there != ", "if there is not ", of("train")),
        ("src/data/privacy.py", "hexdigest()[:16]", "hexdigest()[:20]", of("ingest", "score")),
        ("src/data/sources/vader.py", "html.unescape", "str", of("ingest", "score")),
        ("src/evaluation/gates.py", "TOLERANCE = 0.02", "TOLERANCE = 0.03", of("evaluate")),
        ("src/registry.py", "tags=dict(tags)", "tags={**tags}", of("register")),
        ("src/registry.py", '"pipeline.moved"', '"pipeline.moved_to"', of("register")),
        ("src/promotion.py", "LOOKS = 10", "LOOKS = 11", of("register")),
        (
            "src/models/topic_extractor.py",
            "SCHEMA_VERSION = 1",
            "SCHEMA_VERSION = 2",
            of("train", models=("topics",)),
        ),
        (
            "src/training/linear.py",
            "max_iter=500",
            "max_iter=501",
            of("train", models=("sentiment",)),
        ),
    ],
)
def test_what_can_change_a_result_runs_exactly_the_steps_that_reach_it(
    project: Path, name: str, old: str, new: str, expected: set[str]
) -> None:
    assert changed(project, name, old, new) == expected


def installed(family: Family) -> bool:
    try:
        check_installed(family)
    except UserError:
        return False
    return True


def test_every_import_of_a_step_has_an_installed_version() -> None:
    reader = Reader(Path(__file__).parents[2])
    codes = [start for step in all_steps().values() for start in starts(step, "topics")]
    codes += [family.code for family in families().values() if installed(family)]
    found = versions(reader.reach(codes).foreign)
    assert {"mlflow", "pyarrow", "numpy", "scikit-learn", "rensa"} <= set(found)
    assert "absent" not in found.values()


def test_each_family_counts_its_own_files_only() -> None:
    reader = Reader(Path(__file__).parents[2])
    for family in families().values():
        files = reader.reach([family.code]).files
        own = family.code.partition(":")[0].replace(".", "/") + ".py"
        others = {f.code.partition(":")[0].replace(".", "/") + ".py" for f in families().values()}
        assert set(files) & others == {own}


@pytest.mark.parametrize(("module", "name"), [(journal, "HELD_OUT"), (behaviour, "PAIRS")])
def test_what_else_a_sentiment_model_is_measured_on_counts_for_it_alone(
    module: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "rival_digest", lambda *words: "none")
    step = all_steps()["evaluate"]

    def outside() -> dict[str, dict[str, str]]:
        params = {model: build(step.params, {"model": model}) for model in TASKS}
        return {model: step.outside(params[model], {"candidate": "c"}) for model in TASKS}

    before, copied = outside(), tmp_path / "copy.jsonl"
    copied.write_bytes(getattr(module, name).read_bytes() + b"\n")
    monkeypatch.setattr(module, name, copied)
    after = outside()
    assert after["topics"] == before["topics"] == {"champion": "none"}
    kind = module.__name__.rpartition(".")[2]
    assert {n for n in after["sentiment"] if after["sentiment"][n] != before["sentiment"][n]} == {
        kind
    }
