"""Reads a source and hands on checked, normalised, deduplicated entries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import engines
from src.data import expectations, sources
from src.data.forgotten import Forgotten, read_words
from src.data.labels import MOOD_CUTS
from src.data.privacy import key_check
from src.data.sources import IngestParams, Reading
from src.forgetting import known
from src.pipeline.caller import caller_folder
from src.pipeline.execute import Context
from src.pipeline.step import Part, Step

if TYPE_CHECKING:
    from src.data.ingestion import IngestReport
    from src.data.profile import Profile

PROFILE = "profile.json"


def located(params: IngestParams) -> IngestParams:
    """Make relative paths absolute: they mean the folder that the command was typed in."""
    if params.forget:
        params = replace(params, forget=str(caller_folder() / Path(params.forget).expanduser()))
    if not sources.is_path(params.source):
        return params
    return replace(params, source=str(caller_folder() / Path(params.source).expanduser()))


def run(context: Context) -> None:
    """Write the entries of all but the forgotten; count what was dropped; judge what is left."""
    from src.data.ingestion import ingest
    from src.forgetting.forget import forget

    ((_, params),) = context.parts
    file = located(params).forget
    forgotten = forget(context, file)
    if forgotten:
        context.read[known.INPUT] = context.details[known.INPUT] = forgotten.digest
    reading = Reading(partial(earlier, context), context.output("versions"))
    with engines.opened(params, context.say) as engine:
        report = ingest(
            located(params),
            context.output("entries"),
            lambda rows, share: context.say(f"ingest: {progress(rows, reading.total, share)}"),
            reading,
            forgotten,
            engine,
        )
    if reading.digest:
        context.read["source"] = reading.digest
        context.log_metrics({"texts_read": float(reading.texts)})
    if reading.versions.exists():
        context.keep("versions")
    report.profile.write(context.output(PROFILE))
    context.keep(PROFILE)
    context.log_metrics(report.metrics)
    said = report.sentence + found(file, forgotten)
    if report.authors:
        said += other_key(context)
    context.details["summary"] = said
    judge(context, located(params), report)


def judge(context: Context, params: IngestParams, report: IngestReport) -> None:
    """Refuse data that break expectations, or warn of them."""
    from datetime import UTC, datetime

    from src.data.rules import Look

    expected = expectations.read_expectations(params.expectations)
    which = f"{params.source}\0{getattr(params, 'query', '')}"
    name = context.details["source"] = hashlib.sha256(which.encode()).hexdigest()[:16]
    if expected.action == expectations.OFF:
        return
    run_id, last = last_accepted(context, name)
    cuts = params.cuts or sources.find(params.source).cut_points
    today = datetime.now(UTC).date()
    look = Look(report.profile, last, today, cuts == MOOD_CUTS)
    findings = expectations.judge(look, expected.rules)
    context.log_table("expectations.json", expectations.table(findings))
    said = expectations.verdict(findings, f"run {run_id[:8]}…")
    if not said:
        return
    context.details["broken"] = [found.rule.name for found in findings if found.broken]
    if expected.action == expectations.WARN:
        context.details["summary"] += f"; warning: {said}"
        return
    context.details["refused"] = True
    context.details["summary"] += (
        f"; stopped: {said} Put the source right, or go on all the same: -P expectations=warn"
    )


def last_accepted(context: Context, name: str) -> tuple[str, Profile | None]:
    """Find the newest accepted reading of the same source, and the run that it is of.

    It is no part of the key: a content is judged once, by what was accepted before it, and reused
    as it was judged. Else each reading would be new to the next one.
    """
    from src.data.profile import Profile

    for past in context.past():
        made = past.outputs.get(PROFILE)
        # Where others are left out, the data changed because somebody asked for it.
        same_people = past.details.get(known.INPUT) == context.details.get(known.INPUT)
        if made and same_people and past.details.get("source") == name:
            found = Profile.read(context.bring(made, f"last/{past.run_id}"))
            if found:
                return past.run_id, found
    return "", None


def other_key(context: Context) -> str:
    """Note the key of the pseudonyms; warn where authors had others in what was read before."""
    mine = context.details["pseudonyms"] = key_check()
    noted = (
        past for past, _ in context.store.past(context.step.name) if "pseudonyms" in past.details
    )
    before = next(noted, None)
    if before is None or before.details["pseudonyms"] == mine:
        return ""
    return (
        f"; warning: authors have other pseudonyms than in run {before.run_id[:8]}…, which was "
        "read with another key"
    )


def found(file: str, forgotten: Forgotten | None) -> str:
    """Say how many of those whom a file names were met in the source or in what past runs left."""
    if not file or forgotten is None:
        return ""
    people = known.asked(file)
    met = sum(not forgotten.met.isdisjoint(marks) for marks in people)
    return f"; of {len(people):,} to forget {met:,} were found"


def progress(rows: int, total: int, share: float | None) -> str:
    """Say how many rows are read, and how far that is, where the source knows.

    Examples
    --------
    >>> progress(1200, 5000, None), progress(1200, 0, 0.243), progress(1200, 0, None)
    ('1,200 of 5,000 rows read', '1,200 rows read, 24 of 100 %', '1,200 rows read')
    """
    if total:
        return f"{rows:,} of {total:,} rows read"
    return f"{rows:,} rows read" + ("" if share is None else f", {int(100 * share)} of 100 %")


def earlier(context: Context) -> dict[str, Path]:
    """Bring what an ingest of the same source with the same settings has left."""
    for past in context.earlier("source", "expectations"):
        if "versions" in past.outputs:
            names = ("entries", "versions")
            return {name: context.bring(past.outputs[name], f"earlier/{name}") for name in names}
    return {}


def parts(params: IngestParams) -> tuple[Part, ...]:
    """Pick the source."""
    source = sources.find(located(params).source)
    # What tells of a path whose it is decides as well.
    telling = (other.recognises for other in sources.discover().values() if other.recognises)
    return (
        Part(
            source,
            (source.code, *(f"{tell.__module__}:{tell.__name__}" for tell in telling)),
            source.params,
            check=lambda own: sources.check(located(own)),
            outside=lambda own: {"source": source.fingerprint(located(own))},
        ),
    )


def outside(params: IngestParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest the limits of the data, and who is to be forgotten, where anybody is."""
    digests = {"expectations": expectations.fingerprint(params.expectations)}
    digest = known.digest(located(params).forget)
    return digests | ({known.INPUT: digest} if digest else {})


def check(params: IngestParams) -> None:
    """Check the limits of the data, the engine, and that who is to be forgotten is named."""
    engines.check(params)
    expectations.check(params.expectations)
    if params.forget:
        read_words(Path(located(params).forget))


def nothing_left(details: Mapping[str, Any]) -> bool:
    """Tell whether those whom a past run left out have left all else that is in the store."""
    return known.INPUT not in details or known.settled()


ENTRY = Step(
    "ingest",
    "Read a source: checked, normalised, without duplicates",
    IngestParams,
    run,
    writes=("entries",),
    parts=parts,
    check=check,
    outside=outside,
    holds=nothing_left,
    halts=True,
    card="src.cards.ingest_card:ingest_card",
)
