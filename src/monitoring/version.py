"""A registered version by what people call it, its reference, and its model."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from src import registry
from src.errors import UserError
from src.monitoring.reference import NAME
from src.registry import PRODUCTION, STAGING, Version

if TYPE_CHECKING:
    from src.pipeline.execute import Context
    from src.pipeline.results import Output
    from src.pipeline.runs import Store

LATEST = "latest"
LOOKED_AT = 20  # evaluations of one model


def resolved(name: str, wanted: str) -> Version:
    """Find a version by its number, its stage or `latest`.

    Raises
    ------
    UserError
        There is no such version; says which there are.
    """
    known = registry.versions(name)
    number = wanted.removeprefix(f"models:/{name}/")
    stage = number.capitalize()
    if number == LATEST:
        fits = known
    elif stage in (PRODUCTION, STAGING):
        fits = [version for version in known if version.stage == stage]
    else:
        fits = [version for version in known if str(version.number) == number]
    if fits:
        return fits[0]
    there = ", ".join(f"{v.number} ({v.stage})" for v in reversed(known)) or "none"
    raise UserError(
        f"{name} has no version {number}; there is: {there}.",
        f"Give a number, {LATEST}, {PRODUCTION} or {STAGING}."
        if known
        else "Make one: python -m steps main -P model=…",
    )


def reference_of(version: Version, task: str, store: Store) -> Output:
    """Find what a version's training entries looked like, which its newest evaluation holds.

    Raises
    ------
    UserError
        No evaluation of it left any: it was made before versions had one.
    """
    run_id = version.tags.get("run.evaluate", "")
    if run_id:
        with suppress(UserError):
            return store.output(f"runs:/{run_id}/{NAME}")
    tag = f"pipeline.judged.{version.digest[:32]}"
    for _, made in store.tagged(tag, LOOKED_AT) if version.digest else []:
        if NAME in made.outputs:
            return made.outputs[NAME]
    splits = ""
    if run_id:
        with suppress(Exception):  # the run may be gone; the way out is then less exact
            splits = store.client.get_run(run_id).data.params.get("splits", "")
    raise UserError(
        f"{version.name} version {version.number} has no reference of its training entries to "
        "compare with: it was registered before versions had one.",
        f"Evaluate it again: python -m steps evaluate -P model={task} "
        f"-P candidate={version.source} -P splits={splits or 'runs:/<id>/splits'}",
    )


def loaded(context: Context, version: Version) -> Any:
    """Load a version's model as a service would, once its content is proven.

    Raises
    ------
    UserError
        It is not what was registered.
    """
    import mlflow.pyfunc

    from src.pipeline.content import content_digest

    path = context.fetch(version.source or version.uri, "model")
    if version.digest and content_digest(path) != version.digest:
        raise UserError(
            f"the model of {version.name} version {version.number} is not what was registered.",
            "Its files were altered. Roll back: python -m steps promote -P version=previous",
        )
    return mlflow.pyfunc.load_model(str(path))
