"""Answers every entry of a source with a registered version."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import engines
from src.data.forgotten import read_words
from src.data.sources import IngestParams, Reading
from src.errors import UserError
from src.forgetting import known
from src.pipeline.execute import Context
from src.pipeline.step import Step, nearest, param
from src.registry import LATEST, meant
from src.training.family import TASKS
from steps.ingest import located, nothing_left, parts, progress

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.forgotten import Forgotten
    from src.registry import Version
    from src.scoring.entries import Entries
    from src.scoring.parts import Record

ANSWERS = "answers.json"  # what they are like, in counts
MODEL, VERSION = "model", "model version"  # what the key has of the model: content and name


@dataclass(frozen=True)
class ScoreParams(IngestParams):
    """What to answer, by which version; of a source it counts where ids, authors, texts are."""

    model: str = param("topics", "Which model answers: topics, sentiment or a registered name")
    version: str = param(
        LATEST, "Its version: latest, Production, Staging or a number", content=False
    )
    workers: int = param(
        0, "Processes that answer; as many as there are processors if 0", low=0, content=False
    )
    incremental: bool = param(
        False,
        "Answer only what is new or changed since the newest scores of the same version",
        content=False,
    )


def run(context: Context) -> None:
    """Write one row per entry; go on from what a killed run has finished."""
    from src.data.privacy import key_check, key_for
    from src.data.raw import place_of
    from src.forgetting.forget import forget
    from src.pipeline.caller import cache_folder
    from src.scoring.answering import Answering
    from src.scoring.earlier import Earlier
    from src.scoring.entries import in_parts
    from src.scoring.parts import Work
    from src.scoring.processes import processors
    from src.scoring.score import score

    params, start = context.params, time.monotonic()
    ((source, own),) = context.parts
    own = located(own)
    version = wanted(params.model, params.version)
    context.read |= told(version)
    model, task = opened(context, version)
    forgotten = forget(context, own.forget)
    if forgotten:
        context.read[known.INPUT] = context.details[known.INPUT] = forgotten.digest
    entries = to_score(source, own, forgotten)
    reading = Reading(dict, context.folder / "versions")
    go_on = source.read_on
    tables = go_on(own, reading) if go_on else source.read(own)
    share: float | None = None

    def watched() -> Iterator[pa.Table]:
        nonlocal share
        for table in tables:
            share = place_of(table)
            yield table

    def say(rows: int) -> None:
        rate = rows / max(time.monotonic() - start, 1e-9)
        context.say(f"score: {progress(rows, reading.total, share)}, {rate:,.0f} rows/s")

    earlier, workers = None, params.workers or processors()
    if params.incremental and (folder := newest(context)):
        earlier = Earlier(folder, task)
    held = Work(
        cache_folder() / "scoring",
        digest(context, asdict(own) | {"key": key_check()}),
        context.folder / "parts",
    )
    with held as work, engines.opened(params, context.say) as engine:
        answering = Answering(model, task, version.uri, key_for("text"), work.folder, engine)
        stream = in_parts(entries.read(watched()))
        records, found = score(stream, answering, work, workers, earlier, say)
        if not records:
            raise UserError(
                f"nothing is to be scored: {entries.rows:,} rows read.",
                "Look at the column of texts: -P text_column=NAME",
            )
        work.hand_over(records, context.output("scores"))
        if reading.digest:
            context.read["source"] = reading.digest
        note(context, version, entries, records, found, time.monotonic() - start)
        context.keep("scores", work.content.hexdigest())
        work.remove()


def to_score(source: Any, params: IngestParams, forgotten: Forgotten | None) -> Entries:
    """Make what gives the rows of a source their ids, as ingest does."""
    from src.data.cleaning import Names, normalise
    from src.data.deidentify import Deidentifier
    from src.data.forgotten import stand_in
    from src.data.mending import menders
    from src.data.privacy import pseudonym
    from src.scoring.entries import Entries

    hide = Deidentifier(params.privacy or ("off" if source.public else "strict"))
    repairs = menders(params.mend).values()

    def clean(text: str) -> str:
        for mend in repairs:
            text = mend(text)
        text = normalise(text)
        return hide(text) if text else ""

    leave_out = forgotten.has if forgotten else None
    return Entries(Names(hide, stand_in), pseudonym, leave_out, clean)


def opened(context: Context, version: Version) -> tuple[Path, str]:
    """Bring a version here and verify it; give its folder and what it answers.

    Raises
    ------
    UserError
        It is not what was registered, or no model that answers as the contract has it.
    """
    from mlflow.models import Model

    from src.training.packaging import quiet_mlflow
    from src.versions import brought

    quiet_mlflow()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    folder = brought(context, version)
    task = str((Model.load(str(folder)).metadata or {}).get("task", ""))
    if task not in TASKS:
        raise UserError(
            f"{version.uri} is no model of this project: it answers {task or 'something else'}.",
            f"-P model={'|'.join(TASKS)}",
        )
    return folder, task


def wanted(model: str, version: str) -> Version:
    """Find the registered version that is meant.

    Raises
    ------
    UserError
        There is none; says what there is.
    """
    from src import registry

    name = TASKS[model].registered_name if model in TASKS else model
    if model not in TASKS and not registry.versions(name):
        others = [t.registered_name for t in TASKS.values() if registry.versions(t.registered_name)]
        raise UserError(
            f"there is no registered model {model!r}.", nearest(model, [*TASKS, *others])
        )
    return registry.resolved(name, version)


def told(version: Version) -> dict[str, str]:
    """Give what stands for a version in the key: what it is, and what rows call it."""
    return {MODEL: version.identity, VERSION: version.uri}


def digest(context: Context, source: Mapping[str, Any]) -> str:
    """Stand for all that the answers depend on besides the rows: these are known part by part."""
    key = context.key
    settings = [key.code, key.params, key.environment, context.read[MODEL], context.read[VERSION]]
    text = json.dumps([*settings, source], sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:32]


def newest(context: Context) -> Path | None:
    """Bring the newest scores of the same version with the same settings, whatever the source."""
    for past in context.earlier("source", known.INPUT):
        return context.bring(past.outputs["scores"], "earlier")
    return None


def note(
    context: Context,
    version: Version,
    entries: Entries,
    records: list[Record],
    found: int,
    seconds: float,
) -> None:
    """Log what came of it, in counts."""
    from src.scoring.scores import Counts

    counts = Counts.none()
    for record in records:
        counts.add(record.counts)
    carried = sum(record.carried for record in records)
    metrics = {
        "rows": entries.rows,
        "entries": entries.entries,
        "scored": entries.entries - carried,
        "carried_over": carried,
        "resumed": found,
        "rows_per_second": entries.rows / max(seconds, 1e-9),
    }
    metrics |= {f"dropped_{why.replace(' ', '_')}": n for why, n in entries.dropped.items()}
    context.log_metrics({name: float(value) for name, value in metrics.items()})
    reasons = ", ".join(f"{n:,} of {why}" for why, n in sorted(entries.dropped.items()))
    text = json.dumps(asdict(counts), sort_keys=True)
    context.output(ANSWERS).write_text(text, encoding="utf-8")
    context.keep(ANSWERS)
    context.details["version"] = version.uri
    context.details["summary"] = (
        f"{entries.entries:,} entries of {entries.rows:,} rows scored by {version.name} "
        f"version {version.number}"
        + (f"; {carried:,} carried over" if carried else "")
        + (f"; {found:,} were finished by an earlier run" if found else "")
        + (f"; left out {reasons}" if reasons else "")
    )


def outside(params: ScoreParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest the version that answers, and who is to be forgotten, where anybody is."""
    digests = told(wanted(params.model, params.version))
    people = known.digest(located(params).forget)
    return digests | ({known.INPUT: people} if people else {})


def check(params: ScoreParams) -> None:
    """Check the form of the version, the engine, and that who is to be forgotten is named."""
    engines.check(params)
    if not meant(params.version):
        raise UserError(
            f"version={params.version} is no version.", "latest, Production, Staging or a number"
        )
    if params.forget:
        read_words(Path(located(params).forget))


def ahead(params: ScoreParams) -> None:
    """Let what the processes that answer have to import be imported meanwhile."""
    from src.scoring.processes import begin, processors

    if params.engine == engines.LOCAL and (params.workers or processors()) > 1:
        begin()


ENTRY = Step(
    "score",
    "Answer every entry of a source with a registered version",
    ScoreParams,
    run,
    writes=("scores",),
    parts=parts,
    check=check,
    outside=outside,
    ahead=ahead,
    holds=nothing_left,
    chained=False,
    group="model",
    card="src.cards.score_card:score_card",
)
