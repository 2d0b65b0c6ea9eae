"""The pipeline from Python: light, typed, and without a trace in the process that calls it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from src import pipeline
from src.errors import UserError
from src.pipeline import python as module
from src.pipeline.python import Card, Pipeline, StepResult, ask, plan, run, run_step
from tests.fakes import PROJECT, made_up_entries, tracking, write_csv
from tests.test_docs import blocks

HEAVY = ("mlflow", "pandas", "pyarrow", "numpy", "sqlalchemy", "src.pipeline.python")


def step(name: str, run_id: str | None = "a" * 32, **more: Any) -> StepResult:
    known = {"group": "", "outcome": "run", "reason": "first run", "seconds": 1.0}
    known |= {"summary": f"{name} is <done>", "refused": False, "outputs": {name: "runs:/a/b"}}
    return StepResult(step=name, run_id=run_id, store="", **(known | more))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let another program stand for the command: its first argument is the project's folder."""

    def stand_in(code: str) -> None:
        monkeypatch.setattr(module, "START", code)

    return stand_in


@pytest.mark.unit
def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, src.pipeline; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.unit
def test_every_function_is_there_and_nothing_else() -> None:
    assert set(pipeline.__all__) <= set(dir(pipeline))
    for name in pipeline.__all__:
        assert callable(getattr(pipeline, name))
    with pytest.raises(AttributeError, match="no attribute 'plam'"):
        _ = pipeline.plam  # type: ignore[attr-defined]


@pytest.mark.unit
def test_steps_are_found_by_name_and_by_title() -> None:
    done = Pipeline([step("ingest"), step("train", group="x"), step("train", group="y")], "", None)
    assert done["ingest"].step == "ingest"
    assert done["train y"].group == "y"
    assert len(done) == len(list(done)) == 3
    with pytest.raises(UserError, match="2 steps are called 'train'"):
        _ = done["train"]
    with pytest.raises(UserError, match="no step is called 'ingst'") as wrong:
        _ = done["ingst"]
    assert wrong.value.hint == "Did you mean ingest?"


@pytest.mark.unit
def test_a_pipeline_shows_itself_as_the_commands_do() -> None:
    planned = Pipeline([step("ingest", None), step("split", outcome="reuse")], "Stopped <here>.")
    assert repr(planned).splitlines() == [
        "ingest              run     first run",
        "split               reuse   first run  split is <done>",
        "Stopped <here>.",
    ]
    shown = planned._repr_html_()
    assert shown.count("<tr>") == 2
    assert "split is &lt;done&gt;" in shown
    assert "Stopped &lt;here&gt;." in shown
    refused = Pipeline([step("evaluate", refused=True)])
    assert "evaluate            refused" in repr(refused)
    assert refused.refused
    assert not planned.nothing_to_do


@pytest.mark.unit
def test_what_has_not_run_says_so() -> None:
    planned = step("train", None)
    for ask_for in (lambda: planned.metrics, lambda: planned.card, lambda: planned.path("train")):
        with pytest.raises(UserError, match="train has not run yet"):
            ask_for()


@pytest.mark.unit
def test_artifacts_are_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "entries"
    folder.mkdir()
    for part in range(3):
        table = pa.table({"id": [f"{part}{row}" for row in range(4)], "label": ["x"] * 4})
        pq.write_table(table, folder / f"part-{part}.parquet")
    monkeypatch.setattr(module, "fetched", lambda uri, store, into: folder)
    done = Pipeline([step("ingest", outputs={"entries": "runs:/a/entries"})])
    assert done.artifact("entries")["id"].tolist() == [
        f"{p}{r}" for p in range(3) for r in range(4)
    ]
    few = done.artifact("entries", columns=["id"], limit=5)
    assert few["id"].tolist() == ["00", "01", "02", "03", "10"]
    assert list(few) == ["id"]
    with pytest.raises(UserError, match="no column 'lable'") as wrong:
        done.artifact("entries", columns=["lable"])
    assert wrong.value.hint == "Did you mean label?"
    monkeypatch.setattr(module, "MOST_ROWS", 11)
    with pytest.raises(UserError, match="entries has 12 rows"):
        done.artifact("entries")
    assert len(done.artifact("entries", limit=12)) == 12
    with pytest.raises(UserError, match="no step here has made 'entrys'"):
        done.artifact("entrys")
    with pytest.raises(UserError, match="ingest makes no 'splits'"):
        done["ingest"].path("splits")


@pytest.mark.unit
def test_a_card_is_shown_apart_from_the_notebook(tmp_path: Path) -> None:
    page = tmp_path / "card.html"
    page.write_text('<!doctype html><p class="x">Good & "enough"</p>')
    shown = Card("a", page, "Good enough")._repr_html_()
    assert 'srcdoc="&lt;!doctype html&gt;&lt;p class=&quot;x&quot;&gt;Good &amp; &quot;' in shown
    assert "sandbox" in shown
    assert repr(Card("a", page, "Good enough")) == "Good enough"


@pytest.mark.unit
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: run_step("splt"), "unknown step 'splt'"),
        (lambda: run(source=["a.csv"]), "source is of type list"),
        (lambda: run(verbosity=3), "verbosity=3 is none of 0, 1, 2"),
        (lambda: plan(source="postgresql://anna:hunter2@host/db"), "a password or a token"),
        (lambda: plan(password="hunter2"), "a password or a token"),
    ],
)
def test_a_mistake_is_raised_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], Any], said: str
) -> None:
    monkeypatch.setattr(module.subprocess, "Popen", None)
    with pytest.raises(UserError, match=said) as wrong:
        call()
    assert "hunter2" not in wrong.value.message + wrong.value.hint


@pytest.mark.unit
def test_a_mistake_of_the_command_is_raised_with_its_way_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as wrong:
        ask("plan", {"sede": 8}, f"sqlite:///{tmp_path}/mlflow.db")
    assert wrong.value.message == "the pipeline has no parameter 'sede'."
    assert wrong.value.hint == "Did you mean seed?"
    assert wrong.value.__notes__ == [wrong.value.hint]
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.unit
def test_values_are_written_as_they_would_be_typed(answering: Callable[[str], None]) -> None:
    answering("import json, sys; print(json.dumps({'words': sys.argv[2:]}))")
    typed = {"update": True, "valid": 0.2, "source": Path("a b.csv"), "family": None, "seeds": ""}
    found = ask("main", typed, "", 2)["words"]
    pairs = ["-P", "update=true", "-P", "valid=0.2", "-P", "source=a b.csv", "-P", "seeds="]
    assert found == ["main", "--json", "--verbose", *pairs]


@pytest.mark.unit
def test_progress_is_shown_and_an_error_is_raised_instead(
    answering: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    said = {"error": {"message": "KeyError at src/x.py:3", "hint": ""}}
    lines = "train  run\\nTraceback (most recent call last):\\nerror: KeyError\\n"
    answering(f"import sys; sys.stderr.write('{lines}'); print('{json.dumps(said)}'); sys.exit(1)")
    with pytest.raises(RuntimeError, match=r"main: KeyError at src/x\.py:3") as wrong:
        ask("main", {}, "", 1)
    assert "Traceback" in wrong.value.__notes__[0]
    assert capfd.readouterr() == ("", "train  run\n")


@pytest.mark.unit
def test_a_command_that_was_killed_is_no_result(answering: Callable[[str], None]) -> None:
    answering("import os; os._exit(9)")
    with pytest.raises(RuntimeError, match="main: it ended with 9"):
        ask("main", {}, "")


@pytest.mark.unit
def test_an_interrupt_stops_the_command(
    answering: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = "import pathlib, signal, sys, time\n"
    code += f"told = pathlib.Path({str(tmp_path / 'told')!r})\n"
    code += (
        "signal.signal(signal.SIGTERM, lambda *_: (told.write_text('stopped'), sys.exit(143)))\n"
    )
    code += "print('ready', file=sys.stderr, flush=True)\ntime.sleep(600)"
    answering(code)

    def interrupted(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.console, "alarm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask("main", {}, "", 1)
    assert (tmp_path / "told").read_text() == "stopped"


@pytest.mark.unit
def test_the_store_is_the_one_that_mlflow_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_RUN_ID", "a" * 32)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type] # whatever other tests told it
    assert module.store_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "sqlite:///here.db")
    assert module.store_uri() == f"sqlite:///{tmp_path}/here.db"
    with tracking("http://127.0.0.1:9"):
        assert module.store_uri() == "http://127.0.0.1:9"
        handed_on = module.environment(module.store_uri())
    assert handed_on["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"
    assert "MLFLOW_RUN_ID" not in handed_on


@pytest.mark.integration
@pytest.mark.slow
def test_the_page_works_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a thread, in an event loop, within an active run of the caller's own."""
    import mlflow

    write_csv(tmp_path / "journal.csv", made_up_entries(300))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNAL_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("JOURNAL_CACHE", str(tmp_path / "cache"))
    store, names, before = f"sqlite:///{tmp_path}/mlflow.db", dict[str, Any](), dict[str, Any]()
    wrong = list[BaseException]()

    def kept() -> dict[str, str]:
        # MLflow's own thread takes its mark away again when nobody out there answers it.
        return {n: v for n, v in os.environ.items() if not n.startswith("_MLFLOW_TELEMETRY")}

    async def notebook() -> None:
        for language, _, content in blocks(PROJECT / "docs" / "python.md"):
            if language == "python":
                exec(compile(content, "python.md", "exec"), names)  # noqa: S102 - our own page

    def work() -> None:
        try:
            with mlflow.start_run(run_name="mine") as mine:
                before.update(kept())
                asyncio.run(notebook())
                active = mlflow.active_run()
                assert active
                assert active.info.run_id == mine.info.run_id
            names["mine"] = mlflow.MlflowClient().get_run(mine.info.run_id)
        except BaseException as error:
            wrong.append(error)

    with tracking(store):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if wrong:
            raise wrong[0]
        assert mlflow.get_tracking_uri() == store
        assert kept() == before
        assert Path.cwd() == tmp_path
    assert not [tag for tag in names["mine"].data.tags if tag.startswith("pipeline.")]
    done = names["result"]
    assert done.version == 1
    assert not done.refused
    assert done["split"].reason == "first run"
    assert len(names["entries"]) == 100
    assert len(names["predictions"]) == 60
    assert names["train"].metrics["valid_f1_macro"] > 0.9
    assert names["texts"].num_rows == 300
    assert names["split"].reason == "param seed: 7 → 8"
    assert "split               done" in capfd.readouterr().err
