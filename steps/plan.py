"""The plan: which steps would run, which are reused, and why."""

from __future__ import annotations

from src.pipeline.answers import PlanAnswer
from src.pipeline.step import Call, Command
from steps.main import MainParams, checked


def run(call: Call) -> int:
    """Print what `main` would do; nothing runs and nothing is recorded."""
    params, jobs = checked(call)
    from src.pipeline import console
    from src.pipeline.driver import Chain
    from src.pipeline.opening import open_store

    chain = Chain(jobs, open_store(), params.force, params.accept)
    rows = list(chain.plan())
    if call.as_json:
        steps = [done.as_dict() for done in rows]
        console.say_json({"steps": steps, "halted": chain.halted})
    else:
        for done in rows:
            console.say_row(done.job.title, done.outcome, done.reason)
        if chain.halted:
            console.say(chain.halted)
    return 0


ENTRY = Command(
    "plan",
    "Show what main would run and why; nothing runs",
    MainParams,
    run,
    over_steps=True,
    answer=PlanAnswer,
)
