"""The command line as functions, for notebooks and other programs.

Each function runs the command of its name in a process of its own and reads its `--json`: what is
planned, checked, reused and refused is the same, and nothing of it (signals, environment, an active
run, an event loop) touches the caller's process. What was made is then read in this one.
"""

from __future__ import annotations

import html
import json
import numbers
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from src.errors import UserError
from src.pipeline import console
from src.pipeline.answers import CompareAnswer, StepDone
from src.pipeline.caller import FOLDER, absolute_uri
from src.pipeline.passwords import refuse_passwords
from src.pipeline.step import ROOT, nearest
from src.pipeline.stopping import DRIVER, GRACE_SECONDS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds

START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from src.pipeline.cli import main; "
START += "sys.exit(main(sys.argv[1:]))"
# A run or a driver that this process stands below is not that of the command, and a notebook's way
# to draw is not there outside it.
NOT_HANDED_ON = {"MLFLOW_RUN_ID", "MPLBACKEND", FOLDER, DRIVER}
FLAGS = {0: ["--quiet"], 1: [], 2: ["--verbose"]}
DONE, MISTAKE, REFUSED = 0, 2, 3
MOST_ROWS = 1_000_000  # that become a DataFrame without being asked for
CARD_HEIGHT = 640


@dataclass(frozen=True, repr=False)
class Card:
    """A card: a page that stands alone, and its words.

    Attributes
    ----------
    path
        The page, in the user's cache folder.
    """

    name: str
    path: Path
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        page = self.path.read_text(encoding="utf-8")
        if not page.lstrip().startswith("<"):
            return f"<pre>{html.escape(page)}</pre>"
        frame = f'style="width:100%;height:{CARD_HEIGHT}px;border:0" sandbox="allow-popups"'
        return f'<iframe srcdoc="{html.escape(page)}" {frame}></iframe>'


@dataclass(frozen=True, repr=False)
class StepResult:
    """What became of a step, or would.

    Attributes
    ----------
    step, group
        Its name, and the model where it is of one.
    outcome
        "run", "reuse" or "accept".
    reason
        Why it runs; of a reused one which run it is and how old.
    run_id
        The run that made the result; None where it is yet to be made.
    refused
        Whether it finished with a verdict against.
    outputs
        Where its artifacts are, by name: what other steps take as their input.
    store
        The tracking store that knows it.
    """

    step: str
    group: str
    outcome: str
    reason: str
    seconds: float
    run_id: str | None
    summary: str
    refused: bool
    outputs: Mapping[str, str]
    store: str

    @property
    def title(self) -> str:
        """Its name as the commands show it."""
        return f"{self.step} {self.group}".strip()

    @property
    def said(self) -> str:
        """How it is called what became of it: "refused" where a verdict is against."""
        return "refused" if self.refused else self.outcome

    @cached_property
    def metrics(self) -> dict[str, float]:
        """What its run has logged."""
        run_id = self._made()
        import mlflow

        run = mlflow.MlflowClient(self.store).get_run(run_id)
        return dict(run.data.metrics)

    @property
    def card(self) -> Card:
        """The card of its run."""
        return show(self._made())

    def path(self, name: str) -> Path:
        """Bring an artifact here as files.

        One that a folder here holds is given as it lies: do not write to it. Others are copied
        to a temporary folder that goes with this object.

        Raises
        ------
        UserError
            The step makes no artifact of this name, or has not run.
        """
        self._made()
        if name not in self.outputs:
            raise UserError(f"{self.title} makes no {name!r}.", nearest(name, self.outputs))
        if name not in self._paths:
            self._paths[name] = fetched(self.outputs[name], self.store, Path(self._folder.name))
        return self._paths[name]

    def dataset(self, name: str) -> ds.Dataset:
        """Open an artifact's tables as an Arrow dataset, which reads no more than is asked for.

        Raises
        ------
        UserError
            It holds no table.
        """
        import pyarrow.dataset as ds

        path = self.path(name)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        tables = [str(file) for file in files if file.suffix == ".parquet"]
        if not tables:
            there = ", ".join(file.name for file in files if file.is_file())
            raise UserError(f"{name} holds no table, but {there}.", f"Read it: path({name!r})")
        return ds.dataset(tables, format="parquet")

    def artifact(
        self, name: str, columns: Sequence[str] | None = None, limit: int | None = None
    ) -> pd.DataFrame:
        """Read an artifact as a DataFrame.

        Parameters
        ----------
        columns
            Those to read; all if not given.
        limit
            The most rows, from the first on. Without it a table of over a million rows is refused.

        Raises
        ------
        UserError
            It holds no table, no such column, or too many rows.
        """
        found = self.dataset(name)
        wanted = found.schema.names if columns is None else list(columns)
        for column in wanted:
            if column not in found.schema.names:
                raise UserError(
                    f"{name} has no column {column!r}.", nearest(column, found.schema.names)
                )
        if limit is not None:
            return cast("pd.DataFrame", found.head(limit, columns=wanted).to_pandas())
        rows = found.count_rows()
        if rows > MOST_ROWS:
            raise UserError(
                f"{name} has {rows:,} rows, too many to read by mistake.",
                f"Give a limit=, or read what you need of dataset({name!r}).",
            )
        return cast("pd.DataFrame", found.to_table(columns=wanted).to_pandas())

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        from src.pipeline.temporary import kept_folder

        return kept_folder()

    @cached_property
    def _paths(self) -> dict[str, Path]:
        return {}

    def _made(self) -> str:
        if self.run_id is None:
            raise UserError(f"{self.title} has not run yet.", "It is only planned: use run().")
        return self.run_id

    def __repr__(self) -> str:
        return console.row(self.title, self.said, *told(self))

    def _repr_html_(self) -> str:
        return table_html([self], "")


class Pipeline:
    """The steps of a pipeline in their order: planned, or done.

    Attributes
    ----------
    steps
        What became of each, or would.
    halted
        Why the rest was left out, where a step refused; else empty.
    run_id
        The run that the steps' runs are below; None where nothing ran.
    """

    def __init__(
        self, steps: Iterable[StepResult], halted: str = "", run_id: str | None = None
    ) -> None:
        self.steps = tuple(steps)
        self.halted = halted
        self.run_id = run_id

    def __iter__(self) -> Iterator[StepResult]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, name: str) -> StepResult:
        """Give a step by its name, `train`; of several models by its title, `train topics`."""
        found = [each for each in self.steps if name in (each.step, each.title)]
        if len(found) != 1:
            titles = [each.title for each in self.steps]
            wrong = f"{len(found)} steps are" if found else "no step is"
            raise UserError(f"{wrong} called {name!r} here.", nearest(name, titles))
        return found[0]

    @property
    def nothing_to_do(self) -> bool:
        """Whether every step is reused."""
        return all(each.outcome == "reuse" for each in self.steps)

    @property
    def refused(self) -> bool:
        """Whether a step finished with a verdict against."""
        return any(each.refused for each in self.steps)

    def __repr__(self) -> str:
        lines = [console.row(each.title, each.said, *told(each)) for each in self.steps]
        return "\n".join([*lines, *([self.halted] if self.halted else [])])

    def _repr_html_(self) -> str:
        return table_html(self.steps, self.halted)

    def artifact(
        self, name: str, columns: Sequence[str] | None = None, limit: int | None = None
    ) -> pd.DataFrame:
        """Read an artifact of the step that makes it, as `StepResult.artifact` does."""
        return self._maker(name).artifact(name, columns, limit)

    @property
    def card(self) -> Card:
        """The card of the pipeline's run; where every step was reused, that of the last step."""
        return show(self.run_id) if self.run_id else self.steps[-1].card

    @property
    def version(self) -> int | None:
        """The number of the version that stands for this model; None if it was not registered."""
        path = self._maker("registration").path("registration") / "registration.json"
        return json.loads(path.read_text(encoding="utf-8"))["version"] or None

    def model(self) -> Any:
        """Load the model that was trained, registered or not: `predict` takes a DataFrame."""
        import mlflow

        return mlflow.pyfunc.load_model(str(self._maker("candidate").path("candidate")))

    def _maker(self, name: str) -> StepResult:
        found = [each for each in self.steps if name in each.outputs]
        if len(found) == 1:
            return found[0]
        if found:
            titles = ", ".join(f"[{each.title!r}]" for each in found)
            raise UserError(f"{len(found)} steps have made {name!r}.", f"Name one: {titles}")
        made = [made for each in self.steps for made in each.outputs]
        raise UserError(f"no step here has made {name!r}.", nearest(name, made))


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two runs or versions side by side.

    Attributes
    ----------
    answer
        What `python -m steps compare A B --json` prints.
    """

    answer: CompareAnswer

    @property
    def metrics(self) -> pd.DataFrame:
        """Each metric on both sides with its interval, and whether these are apart."""
        return frame(self.answer["metrics"])

    @property
    def settings(self) -> pd.DataFrame:
        """Parameters that differ."""
        return frame(self.answer["settings"])

    @property
    def data(self) -> pd.DataFrame:
        """What was read and made, and whether it was the same."""
        return frame(self.answer["data"])

    @property
    def code(self) -> pd.DataFrame:
        """Code that differs."""
        return frame(self.answer["code"])

    @property
    def environment(self) -> pd.DataFrame:
        """Packages that differ."""
        return frame(self.answer["environment"])

    def __repr__(self) -> str:
        from steps.compare import told as written

        return "\n\n".join(written(self.answer, equal=False, width=console.width()))


def plan(model: str = "topics", **params: Any) -> Pipeline:
    """Say what `run` would do and why; nothing runs.

    Parameters
    ----------
    model, params
        Those of the command `main`, by the same names.

    Raises
    ------
    UserError
        A parameter that no step takes, or a value that its step refuses.
    """
    store = store_uri()
    found = ask("plan", {"model": model, **params}, store)
    return Pipeline((step_result(each, store) for each in found["steps"]), found["halted"])


def run(model: str = "topics", *, verbosity: int = 1, **params: Any) -> Pipeline:
    """Make a model: reuse or run every step up to the registry, as `python -m steps main` does.

    Parameters
    ----------
    model, params
        Those of the command, by the same names: `seed=8`, `until="train"`, `source="…"`.
    verbosity
        0 says nothing meanwhile, 1 a line for each step, 2 all that steps say.

    Returns
    -------
    result
        A refusal (a gate not passed, unsound data) is a result like any other: see `refused`.

    Raises
    ------
    UserError
        A mistake, or a step that failed; says which and why.
    KeyboardInterrupt
        It was interrupted, and has stopped its steps; what was finished is reused next time.
    """
    store = store_uri()
    found = ask("main", {"model": model, **params}, store, verbosity)
    steps = (step_result(each, store) for each in found["steps"])
    return Pipeline(steps, found["halted"], found["run_id"])


def run_step(step: str, *, verbosity: int = 1, **params: Any) -> StepResult:
    """Run a single step on the inputs that are named, or on the newest that fit.

    Parameters
    ----------
    step
        Its name: `ingest`, `split`, `train` …
    verbosity, params
        As for `run`; an input is what another step's `outputs` name.

    Raises
    ------
    UserError
        As for `run`; also where an input has not been made yet.
    """
    from src.pipeline.step import all_steps

    if step not in all_steps():
        raise UserError(f"unknown step {step!r}.", nearest(step, all_steps()))
    store = store_uri()
    found = ask(step, params, store, verbosity)
    return step_result(found, store)


def past_runs(n: int = 20) -> pd.DataFrame:
    """List past runs of the pipeline, newest first: a row for each."""
    import pandas as pd

    found = frame(ask("runs", {"n": n}, store_uri())["runs"])
    return found.assign(started=pd.to_datetime(found["started"])) if len(found) else found


def compare(a: str | StepResult, b: str | StepResult) -> Comparison:
    """Put two results side by side.

    Parameters
    ----------
    a, b
        What `run` gave, a run's id or the beginning of it, or a version as `topics/3`.

    Raises
    ------
    UserError
        Nothing is called so, or they have no step in common.
    """
    found = ask("compare", {"a": word_for(a), "b": word_for(b)}, store_uri())
    found.pop("schema")
    return Comparison(cast("CompareAnswer", found))


def show(what: str = "") -> Card:
    """Give the card of a run or version; that of the newest pipeline run if not named."""
    found = ask("show", {"what": what}, store_uri())
    return Card(found["name"], Path(found["path"]), found["text"])


def load_model(name: str, version: str | int = "latest") -> Any:
    """Load a registered model.

    Parameters
    ----------
    name
        "topics", "sentiment", or a name in the registry.
    version
        A number, "latest", a stage ("Production") or an alias ("@champion").

    Returns
    -------
    model
        MLflow's pyfunc model: `predict` takes a DataFrame with a column `text`.

    Raises
    ------
    UserError
        The registry has none.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    from src.pipeline.temporary import owned_folder
    from src.training.family import TASKS

    store = store_uri()
    name = TASKS[name].registered_name if name in TASKS else name
    which = str(version) if str(version).startswith("@") else f"/{version}"
    with owned_folder() as folder:
        try:
            path = fetched(f"models:/{name}{which}", store, folder)
        except MlflowException as error:
            client = mlflow.MlflowClient(store, registry_uri(store))
            there = [f"{v.version} ({v.current_stage})" for v in versions_of(client, name)]
            known = ", ".join(there) or "none"
            raise UserError(
                f"{name} has no version {which.strip('/')}.", f"There is: {known}."
            ) from error
        return mlflow.pyfunc.load_model(str(path))


def versions_of(client: Any, name: str) -> list[Any]:
    """List what a registry holds of a model."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        return list(client.search_model_versions(f"name = '{name}'"))
    return []


def ask(entry: str, params: Mapping[str, Any], store: str, verbosity: int = 0) -> dict[str, Any]:
    """Run a command in a process of its own and give its answer.

    Raises
    ------
    UserError
        It answered with one.
    RuntimeError
        It failed in a way that nobody foresaw; notes hold the end of what it said.
    """
    if verbosity not in FLAGS:
        raise UserError(f"verbosity={verbosity} is none of 0, 1, 2.")
    typed = {name: as_typed(name, v) for name, v in params.items() if v is not None}
    words = [entry, "--json", *FLAGS[verbosity]]
    words += [word for name, value in typed.items() for word in ("-P", f"{name}={value}")]
    refuse_passwords(words)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as answer:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(ROOT), *words],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.PIPE,
            env=environment(store),
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            said = listen(process, verbosity)
            code = process.wait()
        except BaseException:
            stop(process)
            raise
        answer.seek(0)
        text = answer.read()
    found: dict[str, Any] = json.loads(text) if text.strip() else {}
    if code in (DONE, REFUSED) and found:
        return found
    wrong = found.get("error", {"message": f"it ended with {code}.", "hint": ""})
    if code == MISTAKE:
        raise UserError(wrong["message"], wrong["hint"])
    failure = RuntimeError(f"{entry}: {wrong['message']}")
    failure.add_note("\n".join(said))
    raise failure


def listen(process: subprocess.Popen[str], verbosity: int, keep: int = 60) -> list[str]:
    """Show what a command says of its progress, but not its error, which is raised instead."""
    said, wrong = deque[str](maxlen=keep), False
    assert process.stderr is not None  # noqa: S101 - for the type checker
    for line in process.stderr:
        said.append(line.rstrip("\n"))
        wrong = wrong or line.startswith(("error: ", "Traceback "))
        if verbosity and not wrong:
            console.alarm(said[-1])
    return list(said)


def stop(process: subprocess.Popen[str]) -> None:
    """Let a command stop what it started, then itself."""
    process.terminate()
    try:
        process.communicate(timeout=3 * GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def as_typed(name: str, value: Any) -> str:
    """Write a value as it would be typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | os.PathLike | numbers.Number):
        return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    raise UserError(
        f"{name} is of type {type(value).__name__}, which no parameter takes.",
        "Give text, a number, a truth or a path, as it would be typed.",
    )


def environment(store: str) -> dict[str, str]:
    """Give a command the caller's environment, and the store that MLflow here looks at."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_HANDED_ON}
    kept.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return {**kept, "MLFLOW_TRACKING_URI": store, "PYTHONIOENCODING": "utf-8"}


def store_uri() -> str:
    """Find the caller's store: as MLflow was told, else as a command typed here would."""
    typed = os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    if "mlflow" in sys.modules:
        import mlflow

        if mlflow.is_tracking_uri_set():  # type: ignore[no-untyped-call]
            typed = mlflow.get_tracking_uri()
    return absolute_uri(typed, Path.cwd())


def registry_uri(store: str) -> str:
    """Find the registry: the store, unless another was named."""
    return os.environ.get("MLFLOW_REGISTRY_URI") or store


def fetched(uri: str, store: str, folder: Path) -> Path:
    """Bring an artifact here; one that lies in a folder here is not copied."""
    import mlflow
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    from src.pipeline.seals import local_path

    client = mlflow.MlflowClient(store, registry_uri(store))
    scheme, _, rest = uri.partition(":/")
    if scheme == "runs":
        run_id, _, name = rest.partition("/")
        location = f"{client.get_run(run_id).info.artifact_uri}/{name}"
    elif rest.startswith("m-"):
        location = str(client.get_logged_model(rest).artifact_location)
    else:
        from mlflow.store.artifact.utils.models import get_model_name_and_version

        named = get_model_name_and_version(client, uri)  # type: ignore[no-untyped-call]
        location = client.get_model_version_download_uri(*named)
        if location.startswith("models:/"):
            return fetched(location, store, folder)
    path = local_path(location)
    if path and path.exists():
        return path
    into = folder / uri.replace(":", "").replace("/", "-")
    into.mkdir(parents=True, exist_ok=True)
    repository = get_artifact_repository(
        location, tracking_uri=store, registry_uri=registry_uri(store)
    )
    return Path(repository.download_artifacts("", str(into)))  # type: ignore[no-untyped-call]


def step_result(found: StepDone | Mapping[str, Any], store: str) -> StepResult:
    """Read what became of a step."""
    names = StepDone.__annotations__
    return StepResult(**{name: found[name] for name in names}, store=store)  # type: ignore[literal-required]


def word_for(thing: str | StepResult) -> str:
    """Name a result as the commands do."""
    if isinstance(thing, str):
        return thing
    if thing.run_id:
        return thing.run_id
    if isinstance(thing, Pipeline):
        raise UserError(
            "every step of this result was reused: it has no run of its own.",
            "Compare the steps: result['evaluate'].",
        )
    raise UserError(f"{thing.title} has not run yet.", "It is only planned: use run().")


def told(step: StepResult) -> tuple[str, ...]:
    """Say of a step what the commands say: of a planned one why, of another what it came to."""
    if step.run_id is None:
        return (step.reason,)
    return (step.reason, step.summary) if step.outcome == "reuse" else (step.summary,)


def frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Make a DataFrame of rows that are dictionaries."""
    import pandas as pd

    return pd.DataFrame(list(rows))


def table_html(steps: Iterable[StepResult], below: str) -> str:
    """Write steps as a table of a notebook."""
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="text-align:left">{html.escape(cell)}</td>'
            for cell in (each.title, each.said, "  ".join(told(each)))
        )
        + "</tr>"
        for each in steps
    )
    return f"<table>{rows}</table>" + (f"<p>{html.escape(below)}</p>" if below else "")
