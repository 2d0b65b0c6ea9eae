"""The score entry point: any source, by a registered version, into one row per entry."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import psutil
import pytest

from src import registry
from src.data.privacy import pseudonym
from src.errors import UserError
from src.forgetting import known
from src.pipeline import execute as module
from src.pipeline.code import Reached
from src.pipeline.execute import Context, execute
from src.pipeline.step import all_steps
from src.registry import Version
from src.scoring import processes
from src.scoring.scores import artifact
from steps.score import ENTRY, wanted
from tests.fakes import PROJECT, FakeStore, environment, made_up_entries, tracking, write_csv

NAME = "journal_sentiment_analyzer"
CODE = """
import json, os, time
from pathlib import Path
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Answers(PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        told = os.environ.get("ANSWERING")
        if told:
            Path(told, str(os.getpid())).touch()
            while Path(told, "wait").exists():
                time.sleep(0.05)
        return [self.answer(text) for text in model_input["text"]]

    def answer(self, text):
        sure = 0.5 + len(text) % 50 / 100
        scores = {"positive": sure, "negative": 1 - sure, "neutral": 0.0}
        level = "high" if sure >= 0.7 else "medium"
        return {"sentiment": "positive", "confidence": sure, "confidence_level": level,
                "all_scores": scores, "mixed": 0.0}

set_model(Answers())
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A logged model that answers by the length of a text."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "answers.py").write_text(CODE)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=str(folder / "answers.py"),
        metadata={"task": "sentiment"},
        pip_requirements=[],
    )
    return folder / "model"


def version(number: int, stage: str, digest: str = "") -> Version:
    return Version(NAME, number, stage, digest, "", "", "", {})


@pytest.fixture
def versions(
    store: FakeStore, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[Version]]:
    """The registry, which a test may change; the same model behind every version."""
    found = [version(3, "Staging"), version(2, "Production"), version(1, "Archived")]
    monkeypatch.setattr(registry, "versions", lambda name: found if name == NAME else [])
    monkeypatch.setattr(
        Context, "fetch", lambda context, uri, name: model if NAME in uri else Path("none")
    )
    monkeypatch.setattr(module, "project_reader", lambda: Code())

    def log_metrics(context: Context, metrics: dict[str, float]) -> None:
        context.metrics |= metrics

    monkeypatch.setattr(Context, "log_metrics", log_metrics)
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    # Whoever is to be forgotten is looked up in the caller's store: not in one that is gone.
    with tracking(f"sqlite:///{tmp_path / 'mlflow.db'}"):
        yield found


class Code:
    """Reads the same code whatever is in the files."""

    def reach(self, starts: list[str]) -> Reached:
        return Reached({"steps/score.py": "a"}, frozenset())


def go(store: FakeStore, source: Path, **typed: str) -> tuple[Any, bool]:
    words = {"source": str(source), "model": "sentiment", "workers": "1", **typed}
    return execute(ENTRY, words, all_steps(), store, lambda text: None)  # type: ignore[arg-type]


def rows_of(store: FakeStore, sealed: Any) -> list[dict[str, Any]]:
    folder = Path(store.download(sealed.outputs["scores"].uri))
    found: list[dict[str, Any]] = artifact("sentiment").read(folder).to_pylist()
    return found


def journal(n: int = 40) -> list[dict[str, str]]:
    return [row | {"id": f"e{i}"} for i, row in enumerate(made_up_entries(n))]


@pytest.mark.unit
def test_every_entry_has_a_row_without_its_text(
    store: FakeStore, versions: list[Version], tmp_path: Path
) -> None:
    given = journal()
    given[1] |= {"journal_text": ""}
    given[2] |= {"journal_text": given[3]["journal_text"]}
    given[5] |= {"id": "e4"}
    file = write_csv(tmp_path / "j.csv", given)
    sealed, _ = go(store, file)
    rows = rows_of(store, sealed)
    assert [row["id"] for row in rows] == [row["id"] for n, row in enumerate(given) if n != 5]
    assert rows[0]["author"] == pseudonym(given[0]["user_id"])
    assert {row["model_version"] for row in rows} == {f"models:/{NAME}/3"}
    assert [row["confidence"] for row in rows] == [
        0.5 + len(row["journal_text"]) % 50 / 100 for n, row in enumerate(given) if n != 5
    ]
    assert sealed.details["summary"] == (
        f"39 entries of 40 rows scored by {NAME} version 3; left out 1 of repeated id"
    )
    stored = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert b"Today was" not in stored
    counts = json.loads(Path(store.download(sealed.outputs["answers.json"].uri)).read_text())
    assert counts["answers"] == {"positive": 39}
    assert sum(counts["confidence"]) == 39
    assert not list((tmp_path / "cache" / "scoring").iterdir())


@pytest.mark.unit
def test_the_same_is_reused_whatever_the_workers_and_another_version_is_not(
    store: FakeStore, versions: list[Version], tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "j.csv", journal())
    first, reused = go(store, file)
    assert not reused
    again, reused = go(store, file, workers="3", incremental="true")
    assert reused
    assert again.run_id == first.run_id
    assert go(store, file, version="3")[1]
    assert go(store, file, version="Staging")[1]
    for other in ({"version": "Production"}, {"mend": "html"}):
        assert not go(store, file, **other)[1]
    versions.insert(0, version(4, "None"))
    assert not go(store, file)[1]
    assert go(store, file, version="3")[1]


@pytest.mark.unit
def test_incremental_takes_over_what_is_as_it_was_and_equals_a_full_scoring(
    store: FakeStore, versions: list[Version], tmp_path: Path
) -> None:
    given = journal()
    file = write_csv(tmp_path / "j.csv", given)
    go(store, file)
    given[3] |= {"journal_text": "Something else."}
    new = {"id": "new", "journal_text": "Something new."}
    write_csv(file, [*given[5:], given[3], given[0] | new])
    again, reused = go(store, file, incremental="true")
    assert not reused
    assert "; 35 carried over" in again.details["summary"]
    full, _ = go(store, file, force="true")
    assert "carried" not in full.details["summary"]
    assert rows_of(store, again) == rows_of(store, full)
    assert again.outputs["scores"].digest == full.outputs["scores"].digest


@pytest.mark.unit
def test_whoever_is_forgotten_is_not_scored(
    store: FakeStore,
    versions: list[Version],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from src.data.forgotten import AUTHOR, Forgotten
    from src.forgetting import forget

    people = Forgotten(frozenset({(AUTHOR, pseudonym("person-7"))}))
    monkeypatch.setattr(forget, "forget", lambda context, file: people)
    monkeypatch.setattr(known, "digest", lambda file: people.digest)
    given = journal()
    sealed, _ = go(store, write_csv(tmp_path / "j.csv", given))
    ids = {row["id"] for row in given if row["user_id"] != "person-7"}
    assert {row["id"] for row in rows_of(store, sealed)} == ids
    assert "1 of forgotten people" in sealed.details["summary"]


@pytest.mark.unit
@pytest.mark.parametrize(
    ("model", "name", "said", "hint"),
    [
        ("topics", "latest", "adaptive_journal_topics has no version yet", "main -P model=topics"),
        ("sentimental", "latest", "no registered model 'sentimental'", "Did you mean sentiment?"),
        ("sentiment", "9", "has no version 9", "3 (Staging), 2 (Production), 1 (Archived)"),
    ],
)
def test_an_unknown_version_is_told_with_what_there_is(
    versions: list[Version], model: str, name: str, said: str, hint: str
) -> None:
    with pytest.raises(UserError, match=said) as error:
        wanted(model, name)
    assert hint in f"{error.value.message} {error.value.hint}"


@pytest.mark.unit
def test_a_model_of_something_else_is_refused_before_anything_is_scored(
    store: FakeStore,
    versions: list[Version],
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions[0] = version(3, "Staging", digest="of another content")
    file = write_csv(tmp_path / "j.csv", journal())
    with pytest.raises(UserError, match="is not what was registered"):
        go(store, file)
    with pytest.raises(UserError, match="version=newest is no version"):
        ENTRY.check(ENTRY.params(version="newest"))


@pytest.mark.unit
@pytest.mark.parametrize(("workers", "begun"), [(1, 0), (3, 1)])
def test_processes_begin_ahead_where_several_are_to_answer(
    monkeypatch: pytest.MonkeyPatch, workers: int, begun: int
) -> None:
    found = list[int]()
    monkeypatch.setattr(processes, "begin", lambda: found.append(1))
    ENTRY.ahead(ENTRY.params(workers=workers))
    assert len(found) == begun


@pytest.mark.unit
def test_processes_are_started_anew_where_a_socket_has_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_room() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr("multiprocessing.forkserver.ensure_running", no_room)
    before = tempfile.gettempdir(), {name: os.environ.get(name) for name in processes.THREADS}
    assert processes.begin().get_start_method() == "spawn"
    after = tempfile.gettempdir(), {name: os.environ.get(name) for name in processes.THREADS}
    assert after == before


KILLED = """
import sys
from pathlib import Path
from src.scoring.answering import Answering
from src.scoring.parts import Work
from src.scoring.score import score
from tests.scoring.test_score_parts import ENTRIES, cut

if __name__ == "__main__":
    where, model = Path(sys.argv[1]), Path(sys.argv[2])
    with Work(where / "home", "digest", where / "private") as work:
        made = Answering(model, "sentiment", "models:/made/1", b"key", work.folder)
        records, found = score(cut(ENTRIES), made, work, 2)
        work.hand_over(records, where / "out")
        print(found)
"""


@pytest.mark.integration
@pytest.mark.slow
def test_processes_end_with_the_one_they_answer_for_and_the_next_goes_on(
    tmp_path: Path, model: Path
) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    told = tmp_path / "told"
    told.mkdir()
    (told / "wait").touch()
    words = [sys.executable, str(script), str(tmp_path), str(model)]
    env = environment(tmp_path, PYTHONPATH=str(PROJECT))
    started = subprocess.Popen(words, cwd=PROJECT, env={**env, "ANSWERING": str(told)})
    try:
        while len(pids := [int(p.name) for p in told.iterdir() if p.name.isdigit()]) < 2:
            assert started.poll() is None
            time.sleep(0.05)
    finally:
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
    answering = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert not psutil.wait_procs(answering, timeout=60)[1]
    assert not list((tmp_path / "home" / "digest").glob("*.parquet"))
    for found in ("0", "10"):
        done = subprocess.run(
            words, cwd=PROJECT, env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == found
        rows = artifact("sentiment").read(tmp_path / "out").to_pylist()
        assert [row["id"] for row in rows] == [f"e{n}" for n in range(10)]
        shutil.rmtree(tmp_path / "out")
