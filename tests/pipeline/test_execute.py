"""One step: reused when it may be, sealed when it is done, never half-done."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.pipeline import execute as module
from src.pipeline.code import Reached
from src.pipeline.execute import Context, execute, one_line
from src.pipeline.step import Step, param
from tests.fakes import FakeStore

pytestmark = pytest.mark.unit

SECRET = "Dear diary, nobody may read this"


@dataclass(frozen=True)
class Params:
    size: int = param(3, "A size", low=0)


class FakeReader:
    """Reads code that a test may change."""

    def __init__(self) -> None:
        self.code = {"steps/x.py": "a"}

    def reach(self, starts: list[str]) -> Reached:
        return Reached(self.code, frozenset())


def write(name: str, content: Any) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        folder = context.output(name)
        folder.mkdir()
        value = content(context) if callable(content) else content
        (folder / "content.json").write_text(json.dumps(value))
        context.details["summary"] = f"wrote {name}"

    return run


FIRST = Step("first", "First", Params, write("a", lambda c: c.params.size), writes=("a",))
SECOND = Step(
    "second",
    "Second",
    Params,
    write("b", lambda c: json.loads((c.input("a") / "content.json").read_text()) + 1),
    reads=("a",),
    writes=("b",),
)
STEPS = {"first": FIRST, "second": SECOND}


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeReader:
    found = FakeReader()
    monkeypatch.setattr(module, "project_reader", lambda: found)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return found


def go(step: Step, store: FakeStore, **typed: str) -> tuple[Any, bool]:
    return execute(step, typed, STEPS | {step.name: step}, store, lambda text: None)  # type: ignore[arg-type]


def test_the_same_again_is_reused_and_records_no_run(store: FakeStore, reader: FakeReader) -> None:
    first, reused = go(FIRST, store)
    again, reused_again = go(FIRST, store, size="03")
    assert (reused, reused_again) == (False, True)
    assert again.run_id == first.run_id
    assert again.details == {"summary": "wrote a"}
    assert store.started == ["first"]


def test_what_goes_on_ahead_is_begun_before_the_work_and_only_where_there_is_some(
    store: FakeStore, reader: FakeReader
) -> None:
    done = list[Any]()
    run = write("a", lambda c: done.append("work"))
    step = replace(FIRST, ahead=lambda params: done.append(params.size), run=run)
    for _ in range(2):
        go(step, store, size="5")
    assert done == [5, "work"]


def test_each_difference_runs_and_is_named(store: FakeStore, reader: FakeReader) -> None:
    go(FIRST, store)
    result, _ = go(FIRST, store, size="4")
    assert store.runs[result.run_id]["pipeline.reason"] == "param size: 3 → 4"
    reader.code = {"steps/x.py": "b"}
    result, _ = go(FIRST, store, size="4")
    assert store.runs[result.run_id]["pipeline.reason"] == "code steps/x.py"
    result, reused = go(FIRST, store, size="4", force="true")
    assert not reused
    assert store.runs[result.run_id]["pipeline.reason"] == "forced"


def test_without_an_input_the_newest_that_fits_is_taken(
    store: FakeStore, reader: FakeReader
) -> None:
    go(FIRST, store, size="1")
    wanted, _ = go(FIRST, store, size="2")
    go(FIRST, store, size="1", force="true")
    result, _ = go(SECOND, store, size="2")
    assert store.runs[result.run_id]["input.a"] == f"runs:/{wanted.run_id}/a"
    assert (store.folder / result.run_id / "b/content.json").read_text() == "3"


def test_without_any_input_the_command_that_makes_one_is_given(
    store: FakeStore, reader: FakeReader
) -> None:
    with pytest.raises(UserError) as error:
        go(SECOND, store, size="5")
    assert "no finished first" in error.value.message
    assert "mlflow run . -e main -P until=first -P size=5" in error.value.hint
    assert store.started == []


def test_an_equal_result_of_a_rerun_keeps_what_follows(
    store: FakeStore, reader: FakeReader
) -> None:
    go(FIRST, store)
    before, _ = go(SECOND, store)
    go(FIRST, store, force="true")
    after, reused = go(SECOND, store)
    assert reused
    assert after.run_id == before.run_id


def test_a_named_input_that_was_altered_after_the_seal_is_refused(
    store: FakeStore, reader: FakeReader
) -> None:
    first, _ = go(FIRST, store)
    (store.folder / first.run_id / "a/content.json").write_text("9")
    with pytest.raises(UserError, match="altered or cut"):
        go(SECOND, store, a=f"runs:/{first.run_id}/a")
    assert [run["status"] for run in store.runs.values()] == ["FINISHED", "FAILED"]


def test_what_changed_outside_while_a_step_ran_makes_it_fail(
    store: FakeStore, reader: FakeReader
) -> None:
    seen = {"source": "1"}

    def change(context: Context) -> None:
        seen["source"] = "2"
        FIRST.run(context)

    restless = replace(FIRST, run=change, outside=lambda params, inputs: dict(seen))
    with pytest.raises(UserError, match="the source changed while first ran"):
        go(restless, store)
    (run,) = store.runs.values()
    assert run["status"] == "FAILED"
    assert not any(name.startswith("pipeline.sealed") for name in run)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("size=3 is odd.", "Give an even one."), "size=3 is odd. Give an even one."),
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_a_failure_is_said_in_a_line_without_data_and_never_reused(
    store: FakeStore, reader: FakeReader, error: BaseException, said: str, tmp_path: Path
) -> None:
    def fail(context: Context) -> None:
        context.output("a").mkdir()
        (context.output("a") / "half.txt").write_text(SECRET)
        raise error

    failing = replace(FIRST, run=fail)
    with pytest.raises(type(error)):
        go(failing, store)
    (run,) = store.runs.values()
    assert run["status"] == "FAILED"
    assert run["pipeline.failure"].startswith(said)
    assert SECRET not in json.dumps(store.runs)
    assert not any(name.startswith("pipeline.sealed") for name in run)
    assert not store.folder.exists()
    assert list((tmp_path / "temporary").iterdir()) == []
    _, reused = go(FIRST, store)
    assert not reused


def test_a_result_that_no_longer_holds_is_made_anew(store: FakeStore, reader: FakeReader) -> None:
    go(FIRST, store)
    result, reused = go(replace(FIRST, holds=lambda details: False), store)
    assert not reused
    assert store.runs[result.run_id]["pipeline.reason"] == (
        "what its last run did outside the pipeline was undone since"
    )


def test_content_from_outside_counts(store: FakeStore, reader: FakeReader) -> None:
    seen = {"source": "1"}
    outside = replace(FIRST, outside=lambda params, inputs: dict(seen))
    go(outside, store)
    seen["source"] = "2"
    result, reused = go(outside, store)
    assert not reused
    assert store.runs[result.run_id]["pipeline.reason"] == "input source"


def test_under_a_launcher_its_run_is_marked_as_a_reuse(
    store: FakeStore, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = go(FIRST, store)
    store.runs["launched"] = {}
    monkeypatch.setattr(module, "launched", lambda: True)
    monkeypatch.setattr(module, "launcher_run", lambda: "launched")
    _, reused = go(FIRST, store)
    assert reused
    assert store.runs["launched"]["pipeline.reused"] == first.run_id
    told = store.runs["launched"]["mlflow.note.content"]
    assert f"(#/experiments/0/runs/{first.run_id})" in told
    assert f"runs:/{first.run_id}/a" in told


def test_one_line_names_the_place_in_our_code() -> None:
    try:
        Step.__dict__["code"].fget(None)
    except AttributeError as error:
        said = one_line(error)
    assert said.startswith("AttributeError at src/pipeline/step.py:")
