"""What tests share: a made-up journal, a store in memory, and the project as a process."""

from __future__ import annotations

import csv
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from src.pipeline.execute import execute
from src.pipeline.results import Output, Sealed, key_tags, read_key, read_seal, seal_tags
from src.pipeline.seals import files_of
from src.pipeline.step import Step

PROJECT = Path(__file__).resolve().parents[1]
OURS = ("MLFLOW", "PIPELINE", "JOURNAL")
COPIED = ("MLproject", "python_env.yaml", "pyproject.toml", "requirements.txt", "src", "steps")

FEELINGS = {
    "positive": ["wonderful", "happy", "grateful", "lovely", "proud", "delighted"],
    "negative": ["awful", "sad", "angry", "lonely", "worried", "exhausted"],
    "neutral": ["usual", "ordinary", "plain", "regular", "normal", "routine"],
}
SUBJECTS = {
    "work": ["meeting", "office", "deadline", "boss", "report", "project"],
    "family": ["sister", "mother", "dinner", "cousin", "birthday", "children"],
    "sport": ["running", "football", "training", "swimming", "match", "gym"],
    "garden": ["tomatoes", "roses", "weeds", "soil", "watering", "seeds"],
}


def told_to_others(good: Path, bad: Path) -> str:
    """Check two sources as somebody who is not root, to whom no mode is closed; say what is wrong.

    The first, in which nothing is, loads all that is needed: others may not look at that either.
    """
    code = (
        "import os, sys; from src.data.sources import check, find; from src.errors import UserError"
        "\nfirst, second = (find(path).params(source=path) for path in sys.argv[1:])\n"
        "check(first)\n"
        "if not os.geteuid(): os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: check(second)\n"
        "except UserError as error: print(error.message)"
    )
    words = [sys.executable, "-c", code, str(good), str(bad)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make a folder that others may look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def tracking(uri: str) -> Iterator[None]:
    """Let MLflow in this process look at a store, and forget it afterwards."""
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        # Not to what `get_tracking_uri` said: a default, once set, hides the environment's word.
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before


def made_up_entries(n: int, seed: int = 0) -> list[dict[str, str]]:
    """Write n different entries, each about one subject with one feeling."""
    draw = random.Random(seed)
    rows = []
    for number, label, subject in zip(
        range(n), itertools.cycle(FEELINGS), itertools.cycle(SUBJECTS), strict=False
    ):
        words = draw.choices(FEELINGS[label], k=3) + draw.choices(SUBJECTS[subject], k=4)
        filler = [f"{draw.choice('bcdfglmnprst')}{draw.choice('aeiou')}{number % 97}" for _ in "ab"]
        draw.shuffle(words)
        rows.append(
            {
                "journal_text": f"Today was {' '.join(words)} and {' '.join(filler)} {number}.",
                "sentiment": label,
                "user_id": f"person-{number % 60}",
                "created_at": f"2024-{1 + number % 12:02}-{1 + number % 28:02}",
                "topics": subject,
            }
        )
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@dataclass
class FakeStore:
    """Stands in for the tracking store: the one seam through which the engine asks MLflow."""

    folder: Path
    runs: dict[str, dict[str, str]] = field(default_factory=dict)
    experiment_id: str = "0"
    started: list[str] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def client(self) -> FakeStore:
        return self

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        self.runs[run_id][name] = value

    def note_failure(self, run_id: str, reason: str, error: BaseException) -> None:
        self.runs[run_id]["pipeline.failure"] = reason

    def find(self, digest: str) -> Sealed | None:
        for run_id, tags in reversed(self.runs.items()):
            if f"pipeline.sealed.{digest}" in tags and tags["status"] == "FINISHED":
                found = read_seal(run_id, tags, 0)
                return None if found and found.purged else found
        return None

    def find_outputs(self, run_id: str) -> Any:
        found = read_seal(run_id, self.runs[run_id], 0)
        assert found
        return found.outputs

    def past(self, step: str) -> list[tuple[Sealed, Any]]:
        found = []
        for run_id, tags in reversed(self.runs.items()):
            sealed = read_seal(run_id, tags, 0)
            if tags.get("pipeline.step") == step and tags["status"] == "FINISHED" and sealed:
                found.append((sealed, read_key(tags)))
        return found

    def locate(self, made: Output) -> Output:
        path = self.folder / made.uri.removeprefix("runs:/")
        return replace(made, location=str(path), files=files_of(path))

    def sizes(self, location: str) -> dict[str, int]:
        raise AssertionError("everything is local")

    def accept(self, key: Any, old: Sealed, title: str, parent_id: str, over: str) -> Sealed:
        with self.run(title, {"pipeline.reason": f"accepted over: {over}"}, {}) as run:
            self.seal(run.info.run_id, key, old.outputs, old.details)
        return replace(old, run_id=run.info.run_id)

    def output(self, uri: str) -> Output:
        run_id, _, name = uri.removeprefix("runs:/").partition("/")
        made = read_seal(run_id, self.runs[run_id], 0)
        assert made
        return made.outputs[name]

    def download(self, uri: str, into: Path | None = None) -> str:
        return str(self.folder / uri.removeprefix("runs:/"))

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> Iterator[Any]:
        run_id = f"r{len(self.runs)}"
        self.runs[run_id] = {**tags, "status": "RUNNING"}
        self.started.append(name)
        try:
            yield type("Run", (), {"info": type("Info", (), {"run_id": run_id})})
        except BaseException:
            self.runs[run_id]["status"] = "FAILED"
            raise
        self.runs[run_id]["status"] = "FINISHED"

    def key_below(self, parent_id: str, step: str) -> Any:
        return None

    def start(
        self, step: str, title: str, parameters: Mapping[str, Any], backend: Any = None
    ) -> bool:
        """Run a step as its process would."""
        typed = {name: str(value) for name, value in parameters.items()}
        try:
            execute(self.steps[step], typed, self.steps, self, lambda text: None)  # type: ignore[arg-type]
        except Exception:
            return False
        return True

    @contextmanager
    def claim(
        self,
        digest: str,
        title: str,
        run_id: str,
        done: Callable[[], Any],
        say: Any,
        parent_id: str = "",
    ) -> Iterator[Any]:
        yield done()

    def close_stale(self) -> None:
        """Nobody else writes here."""

    def failure(self, parent_id: str, step: str) -> str:
        failed = [t for t in self.runs.values() if t.get("pipeline.step") == step]
        return failed[-1].get("pipeline.failure", "") if failed else ""

    def upload(self, run_id: str, path: Path) -> None:
        target = self.folder / run_id / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)

    def link_input(self, run_id: str, name: str, made: Output) -> None:
        self.runs[run_id][f"input.{name}"] = made.uri

    def seal(self, run_id: str, key: Any, outputs: Any, details: Any) -> None:
        self.runs[run_id] |= key_tags(key) | seal_tags(key, outputs, details)

    def describe(self, run_id: str, tags: Mapping[str, str], text: str) -> None:
        self.runs[run_id] |= {**tags, "mlflow.note.content": text}


def environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment for a child process: this Python first, nothing of MLflow's set."""
    kept = {
        n: v for n, v in os.environ.items() if not n.startswith(("MLFLOW", "PIPELINE", "JOURNAL"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return {**kept, "PATH": path, "JOURNAL_KEY_FILE": str(folder / "key"), **more}


def run_steps(
    project: Path, *words: str, folder: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m steps …` of a project."""
    return run_python(project, "-m", "steps", *words, folder=folder, **env)


def run_python(
    project: Path, *words: str, folder: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in a project."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env=environment(folder or project.parent, **env),
        capture_output=True,
        text=True,
        check=False,
    )


def copy_project(folder: Path) -> Path:
    """Copy what the project runs from, so that a test may edit it."""
    target = folder / "project"
    target.mkdir(parents=True)
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target
