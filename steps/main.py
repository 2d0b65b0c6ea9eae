"""The driver: from a source of entries to registered models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from src.errors import UserError
from src.pipeline.answers import MainAnswer
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
    accept: str = param("", "A step whose last result you vouch for, whatever has changed")
    backend: str = param("", "Where steps run: a backend of mlflow run, or <step>:<backend>,…")
    backend_config: str = param("", "Settings of backends: a JSON file or a folder of <step>.json")


def checked(call: Call) -> tuple[MainParams, list[Job]]:
    """Check all that was typed and share it out among the steps."""
    params = build(MainParams, call.typed)
    for named in (params.until, params.force, params.accept):
        if named and named not in call.steps:
            raise UserError(f"unknown step {named!r}.", nearest(named, call.steps))
    own = set(fields_of(MainParams))
    models = tuple(TASKS) if params.model == ALL else (params.model,)
    typed = {name: value for name, value in call.typed.items() if name not in own}
    backends = read_backends(params.backend, params.backend_config, call.steps)
    jobs = make_jobs(typed, own, models, params.until)
    return params, [replace(job, backend=backends[job.step.name]) for job in jobs]


def run(call: Call) -> int:
    """Reuse or run every step, each as a run of its own below this one."""
    params, jobs = checked(call)
    from src.pipeline.driver import Chain, drive
    from src.pipeline.opening import open_store

    chain = Chain(jobs, open_store(), params.force, params.accept, params.until)
    return drive(chain, f"main {params.model}", call.as_json)


ENTRY = Command(
    "main",
    "Make a model: reuse or run every step up to the registry",
    MainParams,
    run,
    over_steps=True,
    answer=MainAnswer,
)
