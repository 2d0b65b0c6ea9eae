"""What a family of models is, and where the families are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.step import Nothing, nearest, param

if TYPE_CHECKING:
    import pyarrow as pa

    # train, valid, parameters, folder to write to, seed, what to call with news of progress;
    # gives what to log: numbers and short words, never the text of an entry.
    from src.training.topic_identity import Start

    Fit = Callable[
        [pa.Table, pa.Table, Any, Path, int, Callable[[str], None]], Mapping[str, str | int | float]
    ]
    FitFrom = Callable[
        [pa.Table, pa.Table, Any, Path, int, Callable[[str], None], Start],
        Mapping[str, str | int | float],
    ]


@dataclass(frozen=True)
class Task:
    """A kind of model that the service loads.

    Attributes
    ----------
    name
        The word people type.
    registered_name
        The model's name in the registry.
    module
        The module that ships: it reads what the task's families write. Named by its dots and not
        as a file, which would count as code of every step that looks a task up.
    default_family
        The family trained when none is named.
    """

    name: str
    registered_name: str
    module: str
    default_family: str

    @property
    def model_file(self) -> str:
        """The file that ships, from the project's root."""
        return self.module.replace(".", "/") + ".py"

    @property
    def code(self) -> str:
        """Where the code that ships starts."""
        return f"{self.module}:MODEL"


TASKS = {
    "sentiment": Task(
        "sentiment", "journal_sentiment_analyzer", "src.models.sentiment_analyzer", "lexicon"
    ),
    "topics": Task("topics", "adaptive_journal_topics", "src.models.topic_extractor", "semantic"),
}


@dataclass(frozen=True)
class Family:
    """One way to make the model of a task: what a file `train_*.py` declares as `FAMILY`.

    Attributes
    ----------
    name
        The word people type; unique within its task.
    task
        What the model is for.
    fit
        Called with the training and the validation entries (Arrow tables, columns as in the
        splits), the parameters, an empty folder, the seed and a function that takes a line of
        progress. Writes plain files, which the task's model file loads, into the folder, and
        gives the fitted settings worth logging. Knows nothing of MLflow; the same entries, in
        whatever order, parameters and seed give the same bytes.
    params
        A frozen dataclass of `param` fields, `min_authors` among them.
    requires
        Distributions that must be installed.
    extra
        The project's extra that installs them, where they are not always there.
    fit_from
        Called like `fit`, with an earlier model to go on from; None where a family cannot.
    check
        Called with the parameters before anything heavy is imported; raises `UserError` where
        what they name (a folder, a model) is not there.
    outside
        Digests of content that the parameters name and that is no entry, by name.
    """

    name: str
    task: Task
    fit: Fit
    params: type = Nothing
    requires: tuple[str, ...] = ()
    extra: str = ""
    fit_from: FitFrom | None = None
    check: Callable[[Any], None] = lambda params: None
    outside: Callable[[Any], dict[str, str]] = lambda params: {}

    @property
    def code(self) -> str:
        """Where its code starts."""
        return f"{self.fit.__module__}:{self.fit.__name__}"


@cache
def families(task: str = "") -> dict[str, Family]:
    """Find the families of a task by name, or of all tasks, in the files `train_*.py`.

    Over all tasks two families may share a name; the keys are then "task/name".
    """
    package = importlib.import_module("src.training")
    names = (found.name for found in pkgutil.iter_modules(package.__path__))
    modules = [
        importlib.import_module(f"src.training.{name}")
        for name in sorted(names)
        if name.startswith("train_")
    ]
    found = [f for module in modules for f in getattr(module, "FAMILIES", ()) or (module.FAMILY,)]
    if task:
        return {f.name: f for f in found if f.task.name == task}
    return {f"{f.task.name}/{f.name}": f for f in found}


def family(task: str, name: str = "") -> Family:
    """Find one family of a task; its usual one if no name is given.

    Raises
    ------
    UserError
        There is no such task or family.
    """
    name, known = name or task_of(task).default_family, families(task)
    if name not in known:
        raise UserError(f"there is no family {name!r} for {task}.", nearest(name, known))
    return known[name]


def task_of(name: str) -> Task:
    """Find a task by name.

    Raises
    ------
    UserError
        There is no such task.
    """
    if name not in TASKS:
        raise UserError(f"there is no model {name!r}.", nearest(name, TASKS))
    return TASKS[name]


def model_param() -> Any:
    """Declare the parameter that names the task."""
    return param("topics", "What the model answers", choices=tuple(TASKS))


def seed_param() -> Any:
    """Declare the parameter that fixes all chance."""
    return param(7, "Seed of everything random", low=0, high=2**32 - 1)


def check_installed(family: Family) -> None:
    """Make sure that what a family needs is installed, without importing it.

    Raises
    ------
    UserError
        Distributions are missing.
    """
    check_distributions(f"the family {family.name}", family.requires, family.extra)


def check_distributions(who: str, names: Iterable[str], extra: str) -> None:
    """Make sure that distributions are installed, without importing them.

    Raises
    ------
    UserError
        Some are missing; says who needs them, and which extra of the project installs them.
    """
    missing = [name for name in names if not _installed(name)]
    if missing:
        option = f" --extra {extra}" if extra else ""
        raise UserError(
            f"{who} needs {', '.join(missing)}, which this Python lacks.",
            f"Install it: uv pip install -r pyproject.toml{option} -c requirements.txt",
        )


def _installed(distribution: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
