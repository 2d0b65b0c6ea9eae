"""What a terminal shows and a pipe does not, how much is said, and what `--json` promises."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.pipeline import cli, console, opening
from src.pipeline.answers import MainAnswer, fits, shape
from src.pipeline.cli import main
from src.pipeline.driver import Done, words
from src.pipeline.jobs import Job
from src.pipeline.live import Doing, clock, drawn
from src.pipeline.results import Sealed
from src.pipeline.step import Command, Step, all_steps, entry_points, read_arguments
from src.pipeline.stopping import DRIVER
from tests.fakes import PROJECT

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    yield
    console.choose(quiet=False, verbose=False)


def shown(monkeypatch: pytest.MonkeyPatch, outcome: str, *cells: str, terminal: bool = True) -> str:
    """Give what a row looks like on a terminal of 60 columns, or elsewhere."""
    screen = Terminal() if terminal else io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        console.say_row("train x", outcome, *cells, address="https://example.org/")
    return screen.getvalue()


def test_words_that_stand_bare_are_the_parameters_that_a_command_names() -> None:
    assert read_arguments(["x", "-P", "print=true", "y"], ("a", "b")) == {
        "a": "x",
        "print": "true",
        "b": "y",
    }
    for wrong in (["x", "y"], ["-x"], ["x", "--a", "z"]):
        with pytest.raises(UserError):
            read_arguments(wrong, ("a",))


def test_a_row_is_folded_coloured_and_linked_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(monkeypatch, "done", "3.4 s", "word " * 20).splitlines()
    assert len(lines) > 2
    assert lines[0].startswith("\x1b]8;;https://example.org/\x1b\\train x\x1b]8;;\x1b\\ ")
    assert "\x1b[32mdone\x1b[0m" in lines[0]
    assert all(line.startswith(" " * 28 + "word") and len(line) <= 60 for line in lines[1:])


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("CI", "true"), ("PIPED", "x")])
def test_elsewhere_a_row_is_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    said = shown(monkeypatch, "done", "3.4 s", "word " * 20, terminal=name != "PIPED")
    assert said == f"{'train x':<20}done    3.4 s  {'word ' * 20}".rstrip() + "\n"


def test_no_color_takes_the_colours_and_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    said = shown(monkeypatch, "failed", "why")
    assert "\x1b[" not in said
    assert "\x1b]8;;" in said


def test_a_quiet_command_says_errors_and_its_last_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.choose(quiet=True, verbose=False)
    console.say("first")
    console.progress("half way")
    console.say("last")
    console.complain(UserError("wrong.", "Do it right."))
    console.say_last()
    shown = capsys.readouterr()
    assert shown.out == "last\n"
    assert shown.err == "error: wrong.\n       Do it right.\n"


def test_quiet_and_verbose_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quiet", "trian", "-v"]) == 2
    assert "Did you mean train?" in capsys.readouterr().err


def test_a_verbose_command_says_what_its_children_say(capfd: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        console.choose(quiet=False, verbose=verbose)
        with console.captured(title="x") as lines:
            subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        assert list(lines) == ["from a child"]
        assert ("from a child" in capfd.readouterr().err) is verbose


def test_a_warning_of_a_step_is_said_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with console.captured(title="x"):
        os.write(2, b"train: warning: labels look noisy.\nall else\n")
    assert capfd.readouterr().err == "train: warning: labels look noisy.\n"


def test_rows_without_a_total_have_a_rate() -> None:
    doing = Doing()
    doing.hear("ingest: 1,000 rows read", 10.0)
    assert doing.measures(10.0) == []
    doing.hear("ingest: 5,000 rows read", 12.0)
    assert (doing.said, doing.done, doing.total) == ("5,000 rows read", 5000, 0)
    assert doing.measures(12.0) == ["2,000 rows/s"]


def test_trials_of_a_total_have_a_share_and_a_time_left() -> None:
    doing = Doing()
    for number in (1, 2, 3):
        doing.hear(f"train: trial {number} of 9: best 0.7", 30.0 * number)
    assert (doing.done, doing.total) == (3, 9)
    assert doing.measures(90.0) == ["3:00 left"]
    assert doing.measures(100.0) == ["2:50 left"]
    doing.hear("train: trial 1 of 9: another search", 300.0)
    assert doing.measures(300.0) == []


def test_what_a_step_says_of_its_pace_is_not_said_twice() -> None:
    doing = Doing()
    for number in (1, 2):
        doing.hear(f"roberta: epoch {number} of 5: 1,234 texts/s, 3 min left at most", number * 9.0)
    assert (doing.done, doing.total, doing.measures(18.0)) == (2, 5, [])


def test_lines_of_others_and_plain_ones_are_no_progress() -> None:
    doing = Doing()
    doing.hear("train: trial 2 of 3: x", 0.0)
    doing.hear("2026/11/23 19:45:26 INFO mlflow.projects: === Created 3 of 4", 1.0)
    assert doing.said == "trial 2 of 3: x"
    doing.hear("evaluate: measuring", 2.0)
    assert (doing.said, doing.total) == ("measuring", 0)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_lines_can_be_drawn(lines: list[str]) -> None:
    from rich.console import Console

    doing = Doing()
    for number, line in enumerate([*lines, f"x: {len(lines)} of 9 rows"]):
        doing.hear(line, float(number))
        assert doing.total == 0 or 0 <= doing.done <= doing.total
        file = io.StringIO()
        screen = Console(file=file, width=80, force_terminal=False)
        screen.print(drawn("train x", ["evaluate x"], doing, 0.0, 75.0))
        assert "1:15" in file.getvalue()
        assert "evaluate x          waits" in file.getvalue()
    assert clock(3_725) == "1:02:05"


def test_rich_is_not_imported_where_nothing_is_watched() -> None:
    program = (
        "import sys; from src.pipeline import console, cli, live;"
        "context = console.captured(title='x'); context.__enter__();"
        "context.__exit__(None, None, None); sys.exit('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False, stderr=-1)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [n for n, e in entry_points().items() if n != "promote"])
def test_help_says_what_json_holds(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main([name, "--help"]) == 0
    assert "--json prints schema 1" in capsys.readouterr().out


def test_what_the_driver_prints_has_the_shape_that_it_promises() -> None:
    step = next(iter(all_steps().values()))
    steps = [Done(Job(step, {}), "run", "first run", None).as_dict()]
    assert fits({"schema": 1, "run_id": None, "steps": steps, "halted": ""}, MainAnswer)


@pytest.mark.parametrize(
    "wrong", [{}, {"run_id": 3, "steps": []}, {"run_id": "x", "steps": [{"step": "a"}]}, []]
)
def test_another_shape_is_told(wrong: Any) -> None:
    assert not fits(wrong, MainAnswer)


def test_every_answer_can_be_described_and_json_counts_its_schema(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for entry in entry_points().values():
        if isinstance(entry, Command) and entry.answer:
            assert shape(entry.answer).startswith("{")
    console.say_json({"a": 1})
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "a": 1}


@pytest.mark.parametrize("driver", ["", "one 1"])
def test_a_step_alone_is_watched_and_below_a_driver_it_is_the_drivers(
    monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    titles, said = list[str](), list[str]()

    def hear(stream: int, title: str, later: list[str]) -> Any:
        titles.append(title)
        return nullcontext(said.append)

    def execute(step: Step, typed: Any, steps: Any, store: Any, say: Any) -> tuple[Sealed, bool]:
        os.write(2, b"split: 3 of 4 parted\n")
        return Sealed("r", {}, {"summary": "Parted."}), False

    monkeypatch.delenv(DRIVER, raising=False)
    if driver:
        monkeypatch.setenv(DRIVER, driver)
    monkeypatch.setattr(opening, "open_store", lambda: SimpleNamespace(close_stale=lambda: None))
    monkeypatch.setattr(cli, "execute", execute)
    monkeypatch.setattr(console, "watching", hear)
    monkeypatch.setattr(console, "watched", lambda: True)
    step = all_steps()["split"]
    typed = dict.fromkeys(step.reads, "runs:/x/y")
    assert cli.run_step(step, typed, as_json=False) == 0
    assert titles == ([] if driver else ["split"])
    assert said == ([] if driver else ["split: 3 of 4 parted"])


def test_times_line_up() -> None:
    job = Job(all_steps()["split"], {}, "")
    made = Sealed("r", {}, {"summary": "x"})
    cells = [words(Done(job, "run", "", made, seconds))[1] for seconds in (0.3, 12.0, 1234.5)]
    assert cells == ["  0.3 s  x", " 12.0 s  x", "1,234.5 s  x"]
