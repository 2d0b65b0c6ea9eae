"""What a registered version's training entries looked like, as its evaluation holds it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from src.errors import UserError
from src.monitoring.reference import NAME
from src.registry import Version

if TYPE_CHECKING:
    from src.pipeline.results import Output
    from src.pipeline.runs import Store

LOOKED_AT = 20  # evaluations of one model


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
