"""Reads a source and hands on checked, normalised, deduplicated entries."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from src.data import sources
from src.data.sources import IngestParams, Reading
from src.pipeline.caller import caller_folder
from src.pipeline.execute import Context
from src.pipeline.step import Part, Step


def located(params: IngestParams) -> IngestParams:
    """Make a relative path absolute: it means the folder that the command was typed in."""
    if not sources.is_path(params.source):
        return params
    return replace(params, source=str(caller_folder() / Path(params.source).expanduser()))


def run(context: Context) -> None:
    """Write the entries; count what came in and what was dropped."""
    from src.data.ingestion import ingest

    ((_, params),) = context.parts
    reading = Reading(partial(earlier, context), context.output("versions"))
    report = ingest(
        located(params),
        context.output("entries"),
        lambda rows: context.say(f"ingest: {rows:,}{of(reading.total)} rows read"),
        reading,
    )
    if reading.digest:
        context.read["source"] = reading.digest
        context.log_metrics({"texts_read": float(reading.texts)})
    if reading.versions.exists():
        context.keep("versions")
    context.log_metrics(report.metrics)
    context.details["summary"] = report.sentence


def of(total: int) -> str:
    """Say of how many rows, where that is known."""
    return f" of {total:,}" if total else ""


def earlier(context: Context) -> dict[str, Path]:
    """Bring what an ingest of the same source with the same settings has left."""
    for past in context.earlier("source"):
        if "versions" in past.outputs:
            names = ("entries", "versions")
            return {name: context.bring(past.outputs[name], f"earlier/{name}") for name in names}
    return {}


def parts(params: IngestParams) -> tuple[Part, ...]:
    """Pick the source."""
    source = sources.find(located(params).source)
    return (
        Part(
            source,
            (source.code,),
            source.params,
            check=lambda own: sources.check(located(own)),
            outside=lambda own: {"source": source.fingerprint(located(own))},
        ),
    )


ENTRY = Step(
    "ingest",
    "Read a source: checked, normalised, without duplicates",
    IngestParams,
    run,
    writes=("entries",),
    parts=parts,
)
