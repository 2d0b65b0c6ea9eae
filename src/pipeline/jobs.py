"""What was typed, shared out among the steps that take it, and checked before work begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from src.errors import UserError
from src.pipeline.backends import HERE, Backend
from src.pipeline.space import free_spaces, spaces_of
from src.pipeline.step import (
    Step,
    all_steps,
    build,
    chain_steps,
    convert,
    fields_of,
    nearest,
    param,
    upstream,
)


@dataclass(frozen=True)
class Options:
    """What every step takes besides its own parameters."""

    force: bool = param(False, "Run even where a result can be reused", content=False)
    parent: str = param("", "A run to stand below, for a step on another machine", content=False)


@dataclass(frozen=True)
class Job:
    """A step with what was typed for it; `group` tells the jobs of one model from another's."""

    step: Step
    typed: Mapping[str, str]
    group: str = ""
    backend: Backend = HERE

    @property
    def title(self) -> str:
        """Name it as its run is named."""
        return self.step.title(build(self.step.params, self.typed))


def names_of(step: Step, params: Any) -> set[str]:
    """Name the parameters of a step and of the parts it picks."""
    models = (type(params), *(part.params for part in step.parts(params)))
    return {name for model in models for name in fields_of(model)}


def check_step(step: Step, typed: Mapping[str, str]) -> None:
    """Check everything typed for one step, before anything heavy is imported.

    Names of the steps it rests on are welcome: they choose the input where none is named.

    Raises
    ------
    UserError
        An unknown name, a value out of its range, a path that is not there.
    """
    params = build(step.params, typed)
    known = {*fields_of(Options), *step.reads, *names_of(step, params)}
    for other in upstream(step, all_steps()):
        known |= {*other.reads, *names_of(other, build(other.params, typed))}
    refuse_unknown(step.name, typed, known)
    if "force" in typed:
        convert(fields_of(Options)["force"], typed["force"])
    check_values(step, typed)


def check_values(step: Step, typed: Mapping[str, str]) -> None:
    """Check the values that a step and its parts take, and what they name."""
    params = build(step.params, typed)
    parts = [(part, build(part.params, typed)) for part in step.parts(params)]
    step.check(params)
    for part, own in parts:
        part.check(own)
        if part.searched and not free_spaces(part, typed):
            names = ", ".join(spaces_of(part.params))
            raise UserError(
                f"nothing is left to search: {names} are all given.", "Leave one of them out."
            )


def refuse_unknown(entry: str, typed: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first name that nothing takes."""
    for name in typed:
        if name not in set(known):
            raise UserError(f"{entry} has no parameter {name!r}.", nearest(name, known))


def make_jobs(
    typed: Mapping[str, str], own: Iterable[str], groups: Iterable[str], until: str
) -> list[Job]:
    """Share out what was typed for a whole chain among its steps.

    Parameters
    ----------
    typed
        Values by name.
    own
        Names that the driver itself takes.
    groups
        Values of the steps' group parameter; a step without one runs once for all of them.
    until
        The last step to run; all if empty.

    Raises
    ------
    UserError
        A name that no step takes, or a value that the step refuses.
    """
    steps = chain_steps()
    wanted = [*upstream(steps[until], steps), steps[until]] if until else list(steps.values())
    jobs, known = list[Job](), set(own)
    for group in groups:
        for step in steps.values():
            mine = {**typed, step.group: group} if step.group else dict(typed)
            names = names_of(step, build(step.params, mine))
            known |= names
            taken = {name: value for name, value in mine.items() if name in names}
            job = Job(step, taken, group if step.group else "")
            if step in wanted and job not in jobs:
                jobs.append(job)
    refuse_unknown("the pipeline", typed, known)
    for job in jobs:
        check_values(job.step, job.typed)
    return jobs
