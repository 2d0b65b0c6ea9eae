"""Lists past runs of the pipeline, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.pipeline.answers import PastPipeline, RunsAnswer
from src.pipeline.jobs import refuse_unknown
from src.pipeline.step import Call, Command, build, fields_of, param

if TYPE_CHECKING:
    from mlflow.entities import Run

    from src.pipeline.runs import Store


@dataclass(frozen=True)
class RunsParams:
    """How many."""

    n: int = param(20, "How many to list", low=1, high=10_000)


def run(call: Call) -> int:
    """Print a row for each."""
    refuse_unknown("runs", call.typed, fields_of(RunsParams))
    params = build(RunsParams, call.typed)
    from src.history.past import pipelines
    from src.history.tables import table
    from src.pipeline import console
    from src.pipeline.runs import Store
    from src.training.packaging import quiet_mlflow

    quiet_mlflow()
    store = Store()
    found = [past(each, store) for each in pipelines(store, params.n)]
    if call.as_json:
        console.say_json({"runs": found})
    elif not found:
        console.say("No pipeline has run in this store yet. Run one: make main")
    else:
        width = console.width()
        rows = [cells(each) for each in found]
        if width >= WIDE:
            console.say(table(COLUMNS, rows, width))
        else:  # what a run came to stands below it
            head, rule, *lines = table(COLUMNS[:-1], [row[:-1] for row in rows], WIDE).splitlines()
            said = [f"{line}\n{' ' * 10}{row[-1]}" for line, row in zip(lines, rows, strict=True)]
            console.say("\n".join([head, rule, *said]))
    return 0


def past(run: Run, store: Store) -> PastPipeline:
    """Read what became of a pipeline run."""
    from datetime import UTC, datetime

    from src.history.past import DID, headline, outcome, seal_of, stages, title

    steps = stages(run, store)
    last = steps[-1] if steps else None
    seals = [seal for each in steps if (seal := seal_of(each))]
    refused = any(seal.details.get("refused") for seal in seals)
    did = [(m[1], m[2].replace(".", " ")) for n in run.data.tags if (m := DID.fullmatch(n))]
    ended = run.info.end_time
    return {
        "run_id": run.info.run_id,
        "title": title(run),
        "started": datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(
            "T", "seconds"
        ),
        "seconds": (ended - run.info.start_time) / 1000 if ended else None,
        "outcome": outcome(run, store, refused),
        "headline": headline(run, last),
        "ran": [name for how, name in did if how != "reuse"],
        "reused": [name for how, name in did if how == "reuse"],
    }


WIDE = 110  # columns from which on all stands in one line
COLUMNS = ("run", "when", "what", "outcome", "time", "ran", "headline")


def cells(found: PastPipeline) -> tuple[str, ...]:
    """Write a row for people."""
    from datetime import datetime

    from src.training.pace import lasting

    when = datetime.fromisoformat(found["started"]).astimezone()
    seconds = found["seconds"]
    ran, reused = len(found["ran"]), len(found["reused"])
    return (
        found["run_id"][:8],
        f"{when:%Y-%m-%d %H:%M}",
        found["title"],
        found["outcome"],
        "" if seconds is None else lasting(seconds),
        f"{ran} of {ran + reused}" if ran + reused else "",
        found["headline"].partition(". ")[0],
    )


ENTRY = Command(
    "runs", "List past runs of the pipeline", RunsParams, run, words=("n",), answer=RunsAnswer
)
