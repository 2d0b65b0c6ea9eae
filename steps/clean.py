"""Removes artifacts of failed and superseded runs, never what a registered version needs."""

from __future__ import annotations

from dataclasses import dataclass

from src.pipeline.answers import CleanAnswer
from src.pipeline.jobs import refuse_unknown
from src.pipeline.step import Call, Command, build, fields_of, param


@dataclass(frozen=True)
class CleanParams:
    """Whether to do it."""

    yes: bool = param(False, "Remove it; without, only what would go is said")


def run(call: Call) -> int:
    """Say what can go and how much that is, and remove it if told so."""
    refuse_unknown("clean", call.typed, fields_of(CleanParams))
    params = build(CleanParams, call.typed)
    from src.history.cleaning import clean, plan
    from src.history.tables import amount, table
    from src.pipeline import console
    from src.pipeline.runs import Store
    from src.training.packaging import quiet_mlflow

    quiet_mlflow()
    store = Store()
    found = plan(store)
    total = sum(removal.size for removal in found.removals)
    if params.yes:
        clean(found, store)
    if call.as_json:
        runs = [removal.as_dict() for removal in found.removals]
        head = {"removed": params.yes, "bytes": total, "kept_runs": found.kept}
        console.say_json({**head, "runs": runs})
        return 0
    if found.removals:
        rows = [
            (removal.run.info.run_id[:8], removal.as_dict()["title"], removal.why,
             amount(removal.size))
            for removal in found.removals
        ]  # fmt: skip
        console.say(table(("run", "step", "why", "size"), rows, console.width()))
    many, kept = len(found.removals), found.kept
    said = f"{many} run{'s' * (many != 1)}, {amount(total)}"
    if not found.removals:
        console.say(f"Nothing to clean: all {kept} runs are needed or hold nothing.")
    elif params.yes:
        console.say(f"Removed: {said}. {kept} runs were left as they are.")
    else:
        console.say(f"Would remove: {said}. {kept} runs stay. To do it: -P yes=true")
    return 0


ENTRY = Command(
    "clean",
    "Remove artifacts of failed and superseded runs; versions keep all they need",
    CleanParams,
    run,
    answer=CleanAnswer,
)
