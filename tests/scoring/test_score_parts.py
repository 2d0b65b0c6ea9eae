"""Parts that are finished are finished once, are whole, and never stand for other rows."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.schema import tables_digest
from src.errors import UserError
from src.scoring import parts as module
from src.scoring.answering import Answering, text_marks
from src.scoring.earlier import Earlier
from src.scoring.parts import Record, Work, clear
from src.scoring.score import score
from tests.fakes import PROJECT, environment
from tests.scoring.conftest import Model, Row, batch, table

EACH = 3  # rows of a part
ENTRIES = [(f"e{n}", f"text {n % 7}") for n in range(10)]

Make = Callable[..., Answering]


def cut(rows: list[tuple[str, str]], each: int = EACH) -> list[pa.RecordBatch]:
    return [batch(rows[start : start + each]) for start in range(0, len(rows), each)]


def scored(
    folder: Path,
    make: Make,
    rows: list[tuple[str, str]],
    *,
    model: Model | None = None,
    earlier: Path | None = None,
    stop: Callable[[int], None] = lambda rows: None,
    remove: bool = True,
) -> tuple[list[Row], list[Record], int]:
    """Score rows in this process; give what was scored, the records and how much was found."""
    model = model or Model()
    out = folder / f"out-{time.monotonic_ns()}"
    with Work(folder / "home", "digest", out.with_suffix(".private")) as work:
        answering = make(work.folder, model)
        past = Earlier(earlier, model.task) if earlier else None
        records, found = score(cut(rows), answering, work, 1, past, stop)
        work.hand_over(records, out)
        assert work.content.hexdigest() == tables_digest(out)
        if remove:
            work.remove()
    return table(out, model.task), records, found


class StopError(Exception):
    """Stands for whatever ends a scoring."""


def after(most: int) -> Callable[[int], None]:
    def stop(rows: int) -> None:
        if rows >= most:
            raise StopError

    return stop


@pytest.mark.unit
@pytest.mark.parametrize("task", ["sentiment", "topics"])
def test_every_row_gets_the_answer_to_its_text(tmp_path: Path, answering: Make, task: str) -> None:
    model = Model(task)
    rows, records, _ = scored(tmp_path, answering, ENTRIES, model=model)
    assert [row["id"] for row in rows] == [name for name, _ in ENTRIES]
    assert model.asked == [text for _, text in ENTRIES]
    for row, (_, text) in zip(rows, ENTRIES, strict=True):
        said = model.answer(text)
        assert row["model_version"] == "models:/made/1"
        if task == "topics":
            assert row["topics"] == said["topics"]
            assert row["confidences"] == [t["confidence"] for t in said["topic_details"]]
        else:
            assert {n: row[n] for n in said["all_scores"]} == said["all_scores"]
            assert row["confidence"] == said["confidence"]
    assert len({row["text_mark"] for row in rows}) == len({text for _, text in ENTRIES})
    assert sum(record.scored for record in records) == len(ENTRIES)
    assert not list((tmp_path / "home").iterdir())


@pytest.mark.unit
@pytest.mark.parametrize("done", range(1, 4))
def test_a_finished_part_is_not_answered_again(tmp_path: Path, answering: Make, done: int) -> None:
    expected, _, _ = scored(tmp_path / "whole", answering, ENTRIES)
    with pytest.raises(StopError):
        scored(tmp_path, answering, ENTRIES, stop=after(done * EACH))
    home = tmp_path / "home" / "digest"
    before = {file.name: file.stat().st_ino for file in home.glob("*.parquet")}
    model = Model()
    rows, _, found = scored(tmp_path, answering, ENTRIES, model=model, remove=False)
    assert rows == expected
    assert found == len(before) * EACH == done * EACH
    assert len(model.asked) == len(ENTRIES) - found
    assert {name: (home / name).stat().st_ino for name in before} == before


@pytest.mark.unit
@pytest.mark.parametrize("damage", ["cut", "no record", "cut record", "other record"])
def test_a_part_that_is_not_whole_is_made_again(
    tmp_path: Path, answering: Make, damage: str
) -> None:
    expected, records, _ = scored(tmp_path, answering, ENTRIES, remove=False)
    file = tmp_path / "home" / "digest" / records[1].name
    note = file.with_suffix(".json")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    elif damage == "no record":
        note.unlink()
    else:
        note.write_text(note.read_text()[:20] if damage == "cut record" else '{"rows": "x"}')
    model = Model()
    assert scored(tmp_path, answering, ENTRIES, model=model)[0] == expected
    assert model.asked == [text for _, text in ENTRIES[EACH : 2 * EACH]]


CHANGES = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ab")), max_size=14)


@pytest.mark.unit
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES, CHANGES)
def test_a_source_that_changed_is_scored_as_it_is_now(
    tmp_path: Path, answering: Make, old: list[tuple[int, str]], new: list[tuple[int, str]]
) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    before, now = ([(str(n), t) for n, t in dict(rows).items()] for rows in (old, new))
    scored(folder, answering, before, remove=False) if before else None
    model = Model()
    if not now:
        return
    rows, _, found = scored(folder, answering, now, model=model)
    assert [(row["id"], row["confidence"]) for row in rows] == [
        (name, model.answer(text)["confidence"]) for name, text in now
    ]
    assert len(model.asked) == len(now) - found


@pytest.mark.unit
@pytest.mark.parametrize("task", ["sentiment", "topics"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=CHANGES, new=CHANGES)
def test_incremental_equals_full(
    tmp_path: Path,
    answering: Make,
    task: str,
    old: list[tuple[int, str]],
    new: list[tuple[int, str]],
) -> None:
    folder = tmp_path / str(time.monotonic_ns())
    before, now = ([(str(n), t) for n, t in dict(rows).items()] for rows in (old, new))
    if not before or not now:
        return
    with Work(folder / "past", "digest", folder / "private") as work:
        records, _ = score(cut(before, 2), answering(work.folder, Model(task)), work, 1)
        work.hand_over(records, folder / "before")
    full, _, _ = scored(folder / "full", answering, now, model=Model(task))
    model = Model(task)
    rows, records, _ = scored(
        folder / "again", answering, now, model=model, earlier=folder / "before"
    )
    assert rows == full
    same = [pair for pair in now if pair in before]
    assert sum(record.carried for record in records) == len(same)
    assert len(model.asked) == len(now) - len(same)


@pytest.mark.unit
def test_each_text_is_marked_once(
    tmp_path: Path, answering: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(tmp_path / "before", answering, ENTRIES[3:])
    (before,) = (tmp_path / "before").glob("out-*")
    marked = list[str]()

    def counted(texts: pa.Array, key: bytes) -> list[str]:
        marked.extend(texts.to_pylist())
        return text_marks(texts, key)

    for where in ("answering", "score"):
        monkeypatch.setattr(f"src.scoring.{where}.text_marks", counted)
    rows, records, _ = scored(tmp_path, answering, ENTRIES, earlier=before)
    assert marked == [text for _, text in ENTRIES]
    assert [record.carried for record in records] == [0, 3, 3, 1]
    monkeypatch.undo()
    assert rows == scored(tmp_path / "full", answering, ENTRIES)[0]


@pytest.mark.unit
def test_parts_become_as_few_files_as_a_seal_can_list(
    tmp_path: Path, answering: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _, _ = scored(tmp_path, answering, ENTRIES)
    monkeypatch.setattr(module, "MOST_FILES", 2)
    rows, records, _ = scored(tmp_path, answering, ENTRIES)
    assert rows == expected
    assert len(records) == 4
    newest = max(tmp_path.glob("out-*"), key=lambda path: path.name)
    assert len(list(newest.iterdir())) == 2


@pytest.mark.unit
def test_two_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    with Work(tmp_path / "home", "a", tmp_path / "first") as one:
        with Work(tmp_path / "home", "a", tmp_path / "second") as other:
            assert other.folder == tmp_path / "second"
        clear(tmp_path / "home", -1.0)
        assert one.folder.exists()
    clear(tmp_path / "home", 3_600.0)
    assert one.folder.exists()
    clear(tmp_path / "home", -1.0)
    assert not one.folder.exists()


@pytest.mark.unit
@pytest.mark.parametrize(
    "answers", [[], [{}], [{"sentiment": "secret words"}], None, "secret words"]
)
def test_an_answer_of_another_shape_is_refused_without_quoting(
    tmp_path: Path, answering: Make, answers: Any
) -> None:
    model = Model()
    model.predict = lambda frame: answers  # type: ignore[method-assign]
    with pytest.raises(UserError, match="models:/made/1 does not answer as") as error:
        scored(tmp_path, answering, [("1", "secret words")], model=model)
    assert "secret" not in str(error.value)


KILLED = """
import os, signal, sys
from pathlib import Path
from src.scoring.answering import Answering
from src.scoring.parts import Work
from src.scoring.score import score
from tests.scoring.conftest import Model
from tests.scoring.test_score_parts import ENTRIES, cut

where, at = sys.argv[1], sys.argv[2]

def end(rows=0):
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(Model):
    def predict(self, frame):
        if at == "within" and len(self.asked) >= 6:
            end()
        return super().predict(frame)

with Work(Path(where) / "home", "digest", Path(where) / "private") as work:
    made = Answering(Path(where), "sentiment", "models:/made/1", b"key", work.folder)
    vars(made)["loaded"] = Dying()
    if at == "before record":
        from src.scoring import parts
        settle = parts._settle
        def dying(fresh, place):
            if place.name == "part-000002.json":
                end()
            settle(fresh, place)
        parts._settle = dying
    stop = (lambda rows: end() if rows >= 6 else None) if at == "boundary" else (lambda rows: None)
    score(cut(ENTRIES), made, work, 1, None, stop)
"""


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.parametrize("at", ["boundary", "within", "before record"])
def test_a_killed_scoring_goes_on_where_it_was(tmp_path: Path, answering: Make, at: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), at],
        cwd=PROJECT,
        env=environment(tmp_path, PYTHONPATH=str(PROJECT)),
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    home = tmp_path / "home" / "digest"
    kept = {file.stem: file.stat().st_mtime_ns for file in home.glob("*.json")}
    assert len(kept) == 2
    model = Model()
    rows, _, found = scored(tmp_path, answering, ENTRIES, model=model, remove=False)
    assert found == 2 * EACH
    assert len(model.asked) == len(ENTRIES) - found
    now = {file.stem: file.stat().st_mtime_ns for file in home.glob("*.json")}
    assert {name: now[name] for name in kept} == kept
    assert rows == scored(tmp_path / "whole", answering, ENTRIES)[0]
    assert not list((home / "writing").iterdir())
