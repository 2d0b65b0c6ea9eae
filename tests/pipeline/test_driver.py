"""The chain: each job reused or run once, in order, and recorded on the parent."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from src.errors import UserError
from src.pipeline import execute as module
from src.pipeline.code import Reached
from src.pipeline.driver import Chain, age, drive
from src.pipeline.execute import Context
from src.pipeline.jobs import Job
from src.pipeline.step import Step, param
from tests.fakes import FakeStore

pytestmark = pytest.mark.unit


@dataclass(frozen=True)
class Params:
    size: int = param(3, "A size")


@dataclass(frozen=True)
class ModelParams:
    model: str = param("x", "A model", choices=("x", "y"))
    size: int = param(3, "A size")


class Code:
    """Reads each step's code as one word that a test may change."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def reach(self, starts: list[str]) -> Reached:
        name = starts[0].partition(":")[2]
        return Reached({name: self.words.get(name, "")}, frozenset())


def put(context: Context, name: str, value: object, **details: object) -> None:
    context.output(name).mkdir()
    (context.output(name) / "content.json").write_text(json.dumps(value))
    context.details |= {"summary": f"{name} is {value}", **details}


def get(context: Context, name: str) -> int:
    return int(json.loads((context.input(name) / "content.json").read_text()))


def read(context: Context) -> None:
    put(context, "a", context.params.size // 2)


def fit(context: Context) -> None:
    put(context, "b", [context.params.model, get(context, "a")])


def judge(context: Context) -> None:
    put(context, "c", 1, refused=context.params.model == "y")


STEPS = {
    "read": Step("read", "Read", Params, read, writes=("a",)),
    "fit": Step("fit", "Fit", ModelParams, fit, reads=("a",), writes=("b",), group="model"),
    "judge": Step("judge", "Judge", ModelParams, judge, reads=("b",), writes=("c",), group="model"),
}


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, store: FakeStore, tmp_path: Path) -> Iterator[Code]:
    found = Code()
    for name in ("PATH", "MLFLOW_EXPERIMENT_ID", "PIPELINE_CALLER_FOLDER"):
        monkeypatch.setenv(name, os.environ.get(name, str(tmp_path)))  # put back afterwards
    monkeypatch.setattr(module, "project_reader", lambda: found)
    store.steps = dict(STEPS)
    yield found


def jobs(*models: str, size: str = "3") -> list[Job]:
    """The jobs of one chain for some models that share the first step."""
    of: list[Mapping[str, str]] = [{"model": model, "size": size} for model in models]
    return [
        Job(STEPS["read"], {"size": size}),
        *(Job(STEPS[name], typed, typed["model"]) for typed in of for name in ("fit", "judge")),
    ]


def run(store: FakeStore, todo: list[Job], force: str = "", accept: str = "") -> int:
    return drive(Chain(todo, store, force, accept), "main x", as_json=False)  # type: ignore[arg-type]


def outcomes(store: FakeStore, todo: list[Job]) -> list[tuple[str, str]]:
    planned = Chain(todo, store).plan()  # type: ignore[arg-type]
    return [(done.job.title, done.outcome) for done in planned]


def test_a_second_drive_starts_nothing_and_says_so(
    store: FakeStore, code: Code, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(store, jobs("x")) == 0
    assert store.started == ["main x", "read", "fit x", "judge x"]
    first = capfd.readouterr().out
    assert first.count("run ") == 3
    assert run(store, jobs("x")) == 0
    assert store.started == ["main x", "read", "fit x", "judge x"]
    said = capfd.readouterr().out
    assert said.count("reuse   run") == 3
    assert "Nothing to do: every step is reused." in said


def test_models_share_what_does_not_depend_on_them(store: FakeStore, code: Code) -> None:
    run(store, jobs("x"))
    run(store, jobs("x", "y"))
    assert store.started[4:] == ["main x", "fit y", "judge y"]


def test_the_parent_shows_what_ran_and_what_was_reused(store: FakeStore, code: Code) -> None:
    run(store, jobs("x"))
    run(store, jobs("x", "y"))
    parent = store.runs["r4"]
    assert parent["pipeline.reuse.read"] == "r1"
    assert parent["pipeline.run.fit.y"] == "r5"
    assert "| fit x | reuse |" in parent["mlflow.note.content"]


def test_a_refusal_is_a_result_with_its_own_exit_code(store: FakeStore, code: Code) -> None:
    assert run(store, jobs("y")) == 3
    assert run(store, jobs("y")) == 3
    assert store.started == ["main x", "read", "fit y", "judge y"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("read", ["read"]),
        ("fit", ["fit x", "judge x"]),
        ("judge", ["judge x"]),
    ],
)
def test_changed_code_runs_what_depends_on_it(
    store: FakeStore, code: Code, changed: str, expected: list[str]
) -> None:
    run(store, jobs("x"))
    code.words[changed] = "new"
    planned = outcomes(store, jobs("x"))
    assert next(title for title, outcome in planned if outcome == "run") == expected[0]
    before = len(store.started)
    run(store, jobs("x"))
    # What reads an equal result of a rerun step is reused after all.
    assert store.started[before + 1 :] == expected[:1]


def test_a_plan_says_which_input_will_change(store: FakeStore, code: Code) -> None:
    run(store, jobs("x"))
    planned = list(Chain(jobs("x", size="9"), store).plan())  # type: ignore[arg-type]
    assert [done.reason for done in planned] == [
        "param size: 3 → 9",
        "input a will change",
        "input b will change",
    ]
    assert store.started == ["main x", "read", "fit x", "judge x"]


def test_an_equal_result_under_another_parameter_changes_nothing_below(
    store: FakeStore, code: Code
) -> None:
    run(store, jobs("x", size="2"))
    todo = [Job(STEPS["read"], {"size": "3"}), *jobs("x", size="2")[1:]]
    run(store, todo)
    assert store.started[4:] == ["main x", "read"]


def test_a_forced_step_runs_and_the_rest_follows_its_content(store: FakeStore, code: Code) -> None:
    run(store, jobs("x"))
    run(store, jobs("x"), force="fit")
    assert store.started[4:] == ["main x", "fit x"]


def test_an_accepted_result_is_sealed_under_the_new_key_and_says_over_what(
    store: FakeStore, code: Code
) -> None:
    run(store, jobs("x"))
    code.words["fit"] = "new"
    run(store, jobs("x"), accept="fit")
    assert store.started[4:] == ["main x", "fit x"]
    accepted = store.runs["r5"]
    assert accepted["pipeline.reason"] == "accepted over: code fit"
    assert store.find_outputs("r5") == store.find_outputs("r2")
    run(store, jobs("x"))
    assert store.started[6:] == []
    code.words["judge"] = "new"
    assert outcomes(store, jobs("x"))[1] == ("fit x", "reuse")


def test_nothing_to_accept_is_a_mistake(store: FakeStore, code: Code) -> None:
    with pytest.raises(UserError, match="no past result of fit x to accept"):
        run(store, jobs("x"), accept="fit")


@pytest.mark.parametrize("harm", ["alter", "cut", "remove", "touch"])
def test_a_result_whose_seal_does_not_hold_is_made_anew(
    store: FakeStore, code: Code, harm: str
) -> None:
    run(store, jobs("x"))
    file = store.folder / "r1/a/content.json"
    if harm == "touch":
        os.utime(file, ns=(1, 1))
    elif harm == "remove":
        file.unlink()
    else:
        file.write_text("9" if harm == "alter" else "")
    (first, *_) = Chain(jobs("x"), store).plan()  # type: ignore[arg-type]
    if harm == "touch":
        assert first.outcome == "reuse"
        return
    assert (first.outcome, first.reason) == (
        "run",
        "the seal does not hold: a gone or altered since",
    )
    run(store, jobs("x"))
    # The content comes out as it was: nothing below it has to run.
    assert store.started[4:] == ["main x", "read"]


def test_a_failure_names_step_and_reason_and_keeps_what_was_done(
    store: FakeStore, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(context: Context) -> None:
        raise UserError("no labels.", "Give some.")

    store.steps["fit"] = replace(STEPS["fit"], run=fail)
    broken = [replace(job, step=store.steps[job.step.name]) for job in jobs("x")]
    with pytest.raises(UserError) as error:
        run(store, broken)
    assert error.value.message == "fit x failed: no labels. Give some."
    assert "python -m steps fit -P model=x" in error.value.hint
    assert store.runs["r0"]["status"] == "FAILED"
    assert store.runs["r0"]["pipeline.failure"].startswith("fit x failed")
    assert "pipeline.run.read" in store.runs["r0"]
    store.steps["fit"] = STEPS["fit"]
    run(store, jobs("x"))
    assert store.started[3:] == ["main x", "fit x", "judge x"]


def test_age_is_told_in_its_largest_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 200_000.0)
    ages = [age(int((200_000 - seconds) * 1000)) for seconds in (5, 90, 7_300, 180_000)]
    assert ages == ["5 s ago", "2 min ago", "2 h ago", "2 d ago"]


def check(context: Context) -> None:
    put(context, "a", context.params.size, refused=context.params.size > 3)


def test_what_a_halting_step_refuses_ends_the_chain(
    store: FakeStore, code: Code, capfd: pytest.CaptureFixture[str]
) -> None:
    halting = replace(STEPS["read"], run=check, halts=True)
    store.steps["read"] = halting

    def todo(size: str) -> list[Job]:
        return [Job(halting, {"size": size}), *jobs("x", "y")[1:]]

    said = "Stopped: nothing is made from what read refused.\n"
    for _ in range(2):
        assert run(store, todo("4")) == 3
        assert store.started == ["main x", "read"]
        assert capfd.readouterr().out.endswith(said)
        assert outcomes(store, todo("4")) == [("read", "reuse")]
    assert store.runs["r0"]["mlflow.note.content"].startswith(said)
    assert run(store, todo("3")) == 3  # y's verdict, at the end of its chain
    assert store.started[2:] == ["main x", "read", "fit x", "judge x", "fit y", "judge y"]
    assert "Stopped" not in capfd.readouterr().out
