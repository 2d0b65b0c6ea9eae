"""Families are found by their files, and found out before anything heavy is imported."""

import dataclasses
import subprocess
import sys

import pytest

from src.errors import UserError
from src.pipeline.step import ROOT, build, fields_of
from src.training.family import TASKS, Family, check_installed, families, family, task_of

FAMILIES = pytest.mark.parametrize("found", families().values(), ids=families().keys())


@pytest.mark.unit
def test_each_task_has_its_usual_family_and_its_model_file():
    for name, task in TASKS.items():
        assert task.name == name
        assert family(name) is families(name)[task.default_family]
        assert (ROOT / task.model_file).is_file()
    assert set(families("sentiment")) >= {"linear", "example"}
    assert set(families("topics")) >= {"nmf"}
    assert len(families()) == sum(len(families(task)) for task in TASKS)


@pytest.mark.unit
@FAMILIES
def test_a_family_declares_its_parameters_with_help(found):
    assert dataclasses.is_dataclass(found.params)
    for declared in fields_of(found.params).values():
        assert declared.metadata["help"]
    assert build(found.params, {}) == found.params()
    module, name = found.code.split(":")
    assert getattr(sys.modules[module], name) is found.fit
    assert found.fit.__doc__


@pytest.mark.unit
@pytest.mark.parametrize(
    ("task", "name", "hint"),
    [
        ("sentiment", "liner", "Did you mean linear?"),
        ("topics", "qqq", "Known: lda, nmf, semantic"),
    ],
)
def test_an_unknown_family_is_answered_with_the_nearest(task, name, hint):
    with pytest.raises(UserError, match=name) as caught:
        family(task, name)
    assert hint.rstrip("?") in caught.value.hint


@pytest.mark.unit
def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="sentimnt") as caught:
        task_of("sentimnt")
    assert caught.value.hint == "Did you mean sentiment?"


@pytest.mark.unit
def test_missing_distributions_are_named_with_the_command_that_adds_them():
    needy = Family(
        "needy", TASKS["topics"], print, requires=("numpy", "no-such-thing"), extra="more"
    )
    with pytest.raises(UserError, match="needs no-such-thing, which") as caught:
        check_installed(needy)
    command = "uv pip install -r pyproject.toml --extra more -c requirements.txt"
    assert command in caught.value.hint


@pytest.mark.slow
def test_finding_families_imports_nothing_heavy():
    code = (
        "import sys; from src.training.family import families, check_installed\n"
        "for found in families().values(): found.params()\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    imported = set(done.stdout.split())
    assert "src" in imported, done.stderr
    assert not imported & {"mlflow", "sklearn", "scipy", "numpy", "pandas", "pyarrow", "torch"}
