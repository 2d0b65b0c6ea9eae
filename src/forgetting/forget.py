"""Forgets people: puts them on the list, and takes what is theirs out of what past runs left.

A list counts from the moment that its run has finished, before anything is removed. What a killed
process has left undone, the next reading of a source completes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.data.forgotten import AUTHOR, ENTRY, FOUND, Forgotten, Mark, digest_of
from src.data.privacy import key_check
from src.forgetting.known import (
    COMPLETE,
    EXPERIMENT,
    INPUT,
    LIST,
    MARKS,
    REPORT,
    Standing,
    asked,
    brought,
    newest,
    read_marks,
    read_report,
    standing,
)
from src.pipeline.caller import artifacts_destination, cache_folder, tracking_uri
from src.pipeline.owner import is_alive
from src.pipeline.results import KEY, STEP, read_key
from src.pipeline.temporary import temporary_folder

if TYPE_CHECKING:
    from mlflow.entities import Run

    from src.forgetting.kept import Look
    from src.pipeline.execute import Context
    from src.pipeline.runs import Store

NOTE, LONGEST = "mlflow.note.content", 5_000  # the tag that the tracking UI shows, and its room
READERS = ("ingest", "split", "train", "evaluate", "score")  # steps that may yet write rows down


def forget(context: Context, file: str) -> Forgotten | None:
    """Make sure that nothing is left of those on the list and those in a file; give them all.

    Returns
    -------
    forgotten
        Who stays out; None for nobody.

    Raises
    ------
    UserError
        As `digest`.
    """
    new, now = frozenset[Mark]().union(*asked(file)), standing()
    if now is None and not new:
        return None
    marks = read_marks(now)
    if now is None or not now.complete or not new <= marks:
        with alone(context) as place:
            now = newest(context.store.client, place)
            marks = read_marks(now)
            if now and not now.complete:
                context.say("ingest: completing what an earlier run has begun to forget")
                marks = complete(context, now, marks, place)
            if not new <= marks:
                now, look = note(context, place, now, marks, new)
                marks = complete(context, now, look.marks, place, look)
    if now and file:
        bring_report(context, now)
    return on_list(marks)


def on_list(marks: frozenset[Mark]) -> Forgotten:
    """Give whom a list names."""
    people = frozenset(one for one in marks if one[0] in (AUTHOR, ENTRY))
    return Forgotten(people, {one for one in people if (FOUND, one[1]) in marks})


def bring_report(context: Context, now: Standing) -> None:
    """Put the report of a list among what this step leaves."""
    folder = brought(now.run_id, REPORT, context.folder / "report")
    shutil.copytree(folder, context.output(REPORT))
    context.keep(REPORT)


@contextmanager
def alone(context: Context) -> Iterator[str]:
    """Let one process at a time forget; give the experiment of the list."""
    import mlflow
    from mlflow.exceptions import MlflowException

    from src.pipeline.claims import Claim, Claims, claimed

    client = mlflow.MlflowClient(tracking_uri(), tracking_uri())
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is None:
        at = "" if tracking_uri().startswith("http") else artifacts_destination()
        with suppress(MlflowException):  # made meanwhile by somebody else
            client.create_experiment(EXPERIMENT, f"{at}/{EXPERIMENT}" if at else None)
        known = client.get_experiment_by_name(EXPERIMENT)
    place = str(known.experiment_id) if known else ""

    def tell(claim: Claim) -> None:
        context.say(f"ingest: waiting for {claim}, which forgets people")

    with claimed(Claims(client, place), "list", context.run_id, "", lambda: None, tell):
        yield place


def note(
    context: Context,
    place: str,
    before: Standing | None,
    known: frozenset[Mark],
    new: frozenset[Mark],
) -> tuple[Standing, Look]:
    """Put people on the list, with what the store holds of them, and make it count."""
    from src.forgetting import kept as past

    client = context.store.client
    for left in client.search_runs([place], "attributes.status = 'RUNNING'"):
        client.delete_run(left.info.run_id)  # of a process that was killed
    context.say("ingest: looking for the forgotten in what past runs left")
    kept = [past.kept_by(run) for run in past.all_runs(client, place)]
    look = past.look(kept, Forgotten(new), known | new, context.folder / "looked")
    made = Standing("", digest_of(look.marks), key_check(), complete=False)
    start = int(time.time() * 1000)
    if before:  # a clock of another machine may be ahead
        start = max(start, client.get_run(before.run_id).info.start_time + 1)
    head = json.dumps({"digest": made.digest, "check": made.check})
    run_id = client.create_run(place, start, {LIST: head}, "forget").info.run_id
    keep_marks(context, run_id, look.marks)
    trained = Counter(read_report(before)["trained"] if before else {})
    trained.update(look.trained)  # what an earlier list took out is there no more to be counted
    keep_report(context, run_id, {"trained": dict(trained)})
    client.set_terminated(run_id, "FINISHED")
    return replace(made, run_id=run_id), look


def complete(
    context: Context,
    now: Standing,
    marks: frozenset[Mark],
    place: str,
    look: Look | None = None,
) -> frozenset[Mark]:
    """Take out what the store holds of those on the list, and say of each version what is so.

    Parameters
    ----------
    look
        What was found when the list was made; where that was earlier, a new look finds what runs
        that went on then have left since.
    """
    from src.forgetting import kept as past
    from src.forgetting import purging, trained_with
    from src.scoring.parts import clear

    client, folder = context.store.client, context.folder / "looked"
    runs = list(past.all_runs(client, place))
    kept = [past.kept_by(run) for run in runs]
    report = read_report(now)
    if look is None:
        look = past.look(kept, on_list(marks), marks, folder)
        marks = look.marks
        keep_marks(context, now.run_id, marks)
    # What an earlier look counted stands: rows may have left since.
    report["trained"] = {**look.trained, **report["trained"]}
    report["entries"] = sum(kind == past.TEXT for kind, _ in marks)
    report["versions"] = trained_with.versions(context.store, runs, report["trained"])
    keep_report(context, now.run_id, report)
    active = {run.info.run_id for run in runs if run.info.lifecycle_stage == "active"}
    for run_id in active & report["trained"].keys():
        client.set_tag(run_id, trained_with.TRAINED_WITH, str(report["trained"][run_id]))
    trained_with.tag(client, report["versions"])
    context.say("ingest: taking the forgotten out of what past runs left")
    purge = purging.purge(client, kept, on_list(marks), marks, folder)
    clear(cache_folder() / "scoring", 0.0)  # what killed scorings have left here
    report["rows"] = {**purge.rows, **report.get("rows", {})}
    report |= {"unreadable": list(purge.unreadable), "elsewhere": list(purge.elsewhere)}
    report["going_on"] = going_on(runs, context.run_id, now.digest)
    keep_report(context, now.run_id, report)
    if not report["going_on"]:
        client.set_tag(now.run_id, COMPLETE, "true")
    return marks


def going_on(runs: Iterable[Run], own: str, digest: str) -> list[str]:
    """Name runs that may yet write rows down: alive, and begun without knowing of the list."""
    return [
        run.info.run_id
        for run in runs
        if run.info.status == "RUNNING"
        and run.info.run_id != own
        and run.data.tags.get(STEP) in READERS
        and is_alive(run.data.tags)
        and not knows(run.data.tags, digest)
    ]


def knows(tags: Mapping[str, str], digest: str) -> bool:
    """Tell whether a run has begun with this list in its key."""
    return KEY + "inputs" in tags and read_key(tags).inputs.get(INPUT) == digest


def keep_marks(context: Context, run_id: str, marks: frozenset[Mark]) -> None:
    """Put a list among its run's artifacts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = context.folder / "list" / MARKS
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(marks)
    columns = {"kind": [kind for kind, _ in rows], "mark": [word for _, word in rows]}
    schema = pa.schema([(name, pa.string()) for name in columns])
    pq.write_table(pa.table(columns, schema), folder / "part.parquet", compression="zstd")
    context.store.upload(run_id, folder)


def keep_report(context: Context, run_id: str, report: Mapping[str, Any]) -> None:
    """Put a list's report among its run's artifacts, for machines and for people."""
    from src.evaluation.cards.forget_card import render

    folder = context.folder / "list" / REPORT
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, sort_keys=True) + "\n"
    (folder / "forget_report.json").write_text(text, encoding="utf-8")
    (folder / "forget_report.md").write_text(render(report), encoding="utf-8")
    context.store.upload(run_id, folder)
    context.store.client.set_tag(run_id, NOTE, render(report)[:LONGEST])


def proof(store: Store, model: str) -> dict[str, str]:
    """Give the tags that prove of a model whether it has read anything of those on the list."""
    from src.forgetting import trained_with

    now = standing()
    if now is None or now.check != key_check():
        return {}
    with temporary_folder() as folder:
        return trained_with.proof(store, model, read_marks(now), folder)
