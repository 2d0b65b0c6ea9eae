"""Reads a source and hands on checked, normalised, deduplicated entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from src.data import sources
from src.data.sources import IngestParams, Source
from src.pipeline.caller import caller_folder
from src.pipeline.execute import Context
from src.pipeline.step import Part, Step


def located(params: IngestParams) -> IngestParams:
    """Make a relative path absolute: it means the folder that the command was typed in."""
    if params.source in sources.discover():
        return params
    return replace(params, source=str(caller_folder() / Path(params.source).expanduser()))


def source_of(params: IngestParams) -> Source:
    """Find the source that the parameters name."""
    return sources.find(located(params).source)


def run(context: Context) -> None:
    """Write the entries; count what came in and what was dropped."""
    from src.data.ingestion import ingest

    report = ingest(
        located(context.params),
        context.output("entries"),
        lambda rows: context.say(f"ingest: {rows:,} rows read"),
    )
    context.log_metrics(report.metrics)
    context.details["summary"] = report.sentence


def fingerprint(params: IngestParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest the source's content, before anything is read from it."""
    return {"source": source_of(params).fingerprint(located(params))}


def parts(params: IngestParams) -> tuple[Part, ...]:
    """Pick the source."""
    source = source_of(params)
    return (Part(source, (source.code,)),)


ENTRY = Step(
    "ingest",
    "Read a source: checked, normalised, without duplicates",
    IngestParams,
    run,
    writes=("entries",),
    parts=parts,
    check=lambda params: sources.check(located(params)),
    outside=fingerprint,
)
