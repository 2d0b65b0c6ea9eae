"""The driver: from a source of entries to registered models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from src.errors import UserError
from src.pipeline.backends import read_backends
from src.pipeline.jobs import Job, make_jobs
from src.pipeline.step import Call, Command, build, fields_of, nearest, param
from src.training.family import TASKS

ALL = "all"


@dataclass(frozen=True)
class MainParams:
    """What the driver itself takes."""

    model: str = param("topics", "Which model to make", choices=(*TASKS, ALL))
    until: str = param("", "The last step to run; all if empty")
    force: str = param("", "A step to run even where a result can be reused")
    backend: str = param("", "Where steps run: a backend of mlflow run, or <step>:<backend>,…")
    backend_config: str = param("", "Settings of backends: a JSON file or a folder of <step>.json")


def jobs(call: Call) -> tuple[list[Job], str]:
    """Check all that was typed and share it out among the steps; also give the forced step."""
    params = build(MainParams, call.typed)
    for named in (params.until, params.force):
        if named and named not in call.steps:
            raise UserError(f"unknown step {named!r}.", nearest(named, call.steps))
    own = set(fields_of(MainParams))
    models = tuple(TASKS) if params.model == ALL else (params.model,)
    typed = {name: value for name, value in call.typed.items() if name not in own}
    backends = read_backends(params.backend, params.backend_config, call.steps)
    todo = make_jobs(typed, own, models, params.until)
    return [replace(job, backend=backends[job.step.name]) for job in todo], params.force


def run(call: Call) -> int:
    """Reuse or run every step, each as a run of its own below this one."""
    todo, force = jobs(call)
    from src.pipeline.driver import drive
    from src.pipeline.runs import Store

    title = f"main {build(MainParams, call.typed).model}"
    return drive(todo, force, title, Store(), call.as_json)


ENTRY = Command(
    "main",
    "Make a model: reuse or run every step up to the registry",
    MainParams,
    run,
    over_steps=True,
)
