"""An environment of MLflow's that a killed creation left is noticed before it is used."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from src.pipeline.built import missing_packages, pins
from tests.fakes import PROJECT, environment

LOCK = (PROJECT / "requirements.txt").read_text()
NAME = "mlflow-" + "0123456789" * 4


def build(folder: Path, wanted: list[str]) -> Path:
    """Build a virtual environment that only looks as if it held packages."""
    made = folder / NAME
    venv.create(made, symlinks=True)
    (packages,) = made.glob("lib/python*/site-packages")
    for pin in wanted:
        name, _, version = pin.partition("==")
        info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "INSTALLER").touch()
    return made


def run(made: Path, python: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "steps", "--help"],
        cwd=PROJECT,
        env=environment(made.parent, **env),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.unit
def test_what_every_system_needs_is_compared() -> None:
    lock = "a-b==1.0\nC_d==2.0 ; sys_platform == 'win32'\nF.G==4\n"
    assert list(pins(lock)) == ["a-b==1.0", "f-g==4"]
    assert len(list(pins(LOCK))) > 100


@pytest.mark.unit
def test_the_environment_of_this_suite_lacks_only_what_it_left_out() -> None:
    missing = {pin.partition("==")[0] for pin in missing_packages(Path(sys.prefix))}
    assert "mlflow" not in missing
    assert "numpy" not in missing


@pytest.mark.integration
def test_a_whole_environment_is_used(tmp_path: Path) -> None:
    made = build(tmp_path, list(pins(LOCK)))
    done = run(made, made / "bin/python", VIRTUAL_ENV=str(made))
    assert done.returncode == 0, done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("harm", ["nothing installed", "a package missing", "one not finished"])
def test_a_half_built_environment_is_named_and_not_used(tmp_path: Path, harm: str) -> None:
    wanted = list(pins(LOCK))
    made = build(tmp_path, [] if harm == "nothing installed" else wanted)
    if harm != "nothing installed":
        (last,) = made.glob("lib/python*/site-packages/scikit_learn-*/INSTALLER")
        last.unlink()
        if harm == "a package missing":
            last.parent.rmdir()
    done = run(made, made / "bin/python")
    assert done.returncode == 2
    assert f"{made} is half-built" in done.stderr
    assert f"rm -r {made}" in done.stderr
    assert "Traceback" not in done.stderr
    if harm != "nothing installed":
        assert "lacks scikit-learn==" in done.stderr


@pytest.mark.integration
def test_an_environment_without_a_python_is_noticed(tmp_path: Path) -> None:
    made = tmp_path / NAME
    made.mkdir()
    done = run(made, Path(sys.executable), VIRTUAL_ENV=str(made))
    assert done.returncode == 2
    assert "it lacks python" in done.stderr
