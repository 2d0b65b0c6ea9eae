"""What people type, and what they get for a mistake, before anything heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from src.pipeline.answers import ErrorAnswer, fits
from src.pipeline.cli import main
from src.pipeline.step import Step, entry_points
from tests.fakes import PROJECT, environment

pytestmark = pytest.mark.unit


def complain(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must be refused, and give what it said."""
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


@pytest.mark.parametrize(
    ("words", "said", "way_out"),
    [
        (["trian"], "unknown step 'trian'", "Did you mean train?"),
        (["train", "-P", "model=sentimnt"], "unknown model 'sentimnt'", "Did you mean sentiment?"),
        (["main", "-P", "model=topic"], "unknown model 'topic'", "Did you mean topics?"),
        (
            ["train", "-P", "model=sentiment", "-P", "family=liner"],
            "no family 'liner' for sentiment",
            "Did you mean linear?",
        ),
        (["split", "-P", "sede=3"], "split has no parameter 'sede'", "Did you mean seed?"),
        (["main", "--sede", "3"], "the pipeline has no parameter 'sede'", "Did you mean seed?"),
        (["split", "--valid", "0.9"], "valid=0.9 is not within", "valid:"),
        (["split", "--seed", "x"], "seed=x is not a whole number", "seed:"),
        (["main", "-P", "until=trian"], "unknown step 'trian'", "Did you mean train?"),
        (["main", "-P", "force=splt"], "unknown step 'splt'", "Did you mean split?"),
        (["ingest", "-P", "source=vadr"], "unknown source 'vadr'", "Did you mean vader?"),
        (["ingest", "--force", "maybe"], "force=maybe is neither", "force:"),
        (["train", "-P"], "cannot read the argument '-P'", "-P name=value"),
    ],
)
def test_a_mistake_names_the_value_and_the_way_out(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str, way_out: str
) -> None:
    shown = complain(capsys, *words)
    assert said in shown
    assert way_out in shown


def test_a_chain_that_stops_early_still_knows_the_names_of_later_steps(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("-P", "until=split", "-P", "n_resamples=500", "-P", f"source={tmp_path / 'no.csv'}")
    assert "there is no file" in complain(capsys, "main", *words)


def file(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return f"source={folder / name}"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "empty.csv is empty"),
        ("words.csv", b"note,mood\nhello,5\n", "words.csv"),
        ("latin.csv", "text\ncaf\xe9\n".encode("latin-1"), "UTF-8"),
        ("entries.xlsx", b"PK", "entries.xlsx ends in .xlsx"),
    ],
)
def test_a_bad_file_is_refused_by_its_head(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    for step in ("ingest", "main"):
        assert said in complain(capsys, step, "-P", file(tmp_path, name, content))


def test_a_file_without_texts_is_told_which_columns_it_has(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shown = complain(capsys, "main", "-P", file(tmp_path, "x.csv", b"note,mood\nhello,5\n"))
    assert "note" in shown
    assert "mood" in shown
    assert "text_column" in shown


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "there is no file" in complain(capsys, "main", "-P", f"source={tmp_path / 'no.csv'}")


@pytest.mark.parametrize("name", entry_points())
def test_help_lists_each_parameter(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    entry = entry_points()[name]
    assert entry.help in shown
    for parameter in entry.params.__dataclass_fields__:
        assert f"\n  {parameter} " in shown
    if isinstance(entry, Step):
        assert all(f"\n  {artifact} " in shown for artifact in entry.reads)


def test_help_of_a_family_lists_its_own_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "-P", "model=sentiment"]) == 0
    assert "Inverse strength" in capsys.readouterr().out


def test_without_a_step_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in entry_points())
    assert main([]) == 2


@pytest.mark.integration
@pytest.mark.parametrize(
    "words",
    [["train", "--help"], ["main", "-P", "model=x"], ["main", "-P", "source=/no/such.csv"]],
)
def test_nothing_heavy_is_imported_to_say_so(words: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from src.pipeline.cli import main; main(sys.argv[1:]);"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'torch', 'numpy', 'pyarrow'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=PROJECT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_program_that_waits_for_json_gets_the_mistake_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["split", "-P", "sede=3", "--json"]) == 2
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert fits(found, ErrorAnswer)
    assert found["error"]["message"] == "split has no parameter 'sede'."
    assert found["error"]["hint"] in shown.err
