"""The command line: finds the entry point, checks what was typed, runs it, picks the exit code."""

from __future__ import annotations

import os
import shlex
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress

from src.errors import UserError
from src.pipeline import console
from src.pipeline.built import check_environment
from src.pipeline.caller import launched, launcher_run
from src.pipeline.execute import execute, one_line
from src.pipeline.faults import explain, is_away
from src.pipeline.jobs import Job, Options, check_step
from src.pipeline.passwords import refuse_passwords
from src.pipeline.patience import regain_patience
from src.pipeline.project import overview, usage
from src.pipeline.results import ENTRY_POINT, FAILURE, REASON
from src.pipeline.step import (
    Call,
    Command,
    Step,
    all_steps,
    build,
    chain_steps,
    entry_points,
    fields_of,
    nearest,
    read_arguments,
)
from src.pipeline.stopping import DRIVER, Stopped, stoppable

DONE, FAILED, MISTAKE, REFUSED, INTERRUPTED = 0, 1, 2, 3, 130
HELP = {"--help", "-h"}
QUIET, VERBOSE = {"--quiet", "-q"}, {"--verbose", "-v"}
SHARED = "PIPELINE_OUTPUT_IS_SHARED"  # a cluster keeps what jobs print, and shows it
FLAGS = HELP | QUIET | VERBOSE | {"--json"}


def main(arguments: Sequence[str]) -> int:
    """Run an entry point; give the exit code.

    0 done · 1 failed · 2 a mistake to put right · 3 finished with a verdict against. `mlflow run`
    knows only 0 and 1, and a verdict is a result, so below it 3 becomes 0.
    """
    under_launcher = launched()
    regain_patience()
    try:
        with stoppable(note_stop):
            code = dispatch(arguments)
    except KeyboardInterrupt as error:
        why = str(error) or "interrupted"
        console.alarm(f"{why}: what was sealed is kept, the rest runs again next time.")
        with suppress(Exception):
            note_stop(why)
        return error.code if isinstance(error, Stopped) else INTERRUPTED
    finally:
        console.say_last()
    return DONE if code == REFUSED and under_launcher else code


def dispatch(arguments: Sequence[str]) -> int:
    """Find the entry point, run it, and say what went wrong."""
    flags = {word for word in arguments if word in FLAGS}
    as_json = "--json" in flags
    words = [word for word in arguments if word not in FLAGS]
    console.choose(quiet=bool(flags & QUIET), verbose=bool(flags & VERBOSE))
    try:
        refuse_passwords(arguments)
    except UserError as error:
        complain(error, as_json)
        if launched():
            from src.pipeline.deletion import delete_for_good

            console.progress(f"       {delete_for_good(launcher_run())}")
        return MISTAKE
    try:
        check_environment()
        known = entry_points()
        if not words or words[0].startswith("-"):
            console.say(overview(known))
            return DONE if flags & HELP else MISTAKE
        if words[0] not in known:
            raise UserError(f"unknown step {words[0]!r}.", nearest(words[0], known))
        entry = known[words[0]]
        # MLflow hands on an optional value that was not given as an empty one.
        bare = entry.words if isinstance(entry, Command) else ()
        typed = {name: value for name, value in read_arguments(words[1:], bare).items() if value}
        if flags & HELP:
            console.say(usage(entry, typed))
            return DONE
        if isinstance(entry, Step):
            return run_step(entry, typed, as_json)
        return entry.run(Call(typed, chain_steps(), as_json))
    except UserError as error:
        complain(error, as_json)
        note_failure(error, ["steps", *arguments])
        return MISTAKE
    except Exception as error:
        if known_fault := explain(error):
            complain(known_fault, as_json)
            note_failure(error, ["steps", *arguments])
            return MISTAKE
        console.alarm(trace_of(error))
        complain(UserError(one_line(error)), as_json)
        note_failure(error, ["steps", *arguments])
        return FAILED


def trace_of(error: Exception) -> str:
    """Show where an error comes from; not what it quotes where others may read what is printed."""
    if os.environ.get(SHARED):
        return "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return "".join(traceback.format_exception(error)).rstrip()


def complain(error: UserError, as_json: bool) -> None:
    """Show what went wrong to people, and to a program that waits for an answer."""
    console.complain(error)
    if as_json:
        console.say_json({"error": {"message": error.message, "hint": error.hint}})


def note_failure(error: BaseException, words: Sequence[str]) -> None:
    """Say on the launcher's run why it failed: it may have failed before it was taken up."""
    if not launched() or is_away(error):
        return
    with suppress(Exception):  # the store itself may be what failed
        from src.pipeline.patience import written
        from src.pipeline.runs import Store

        client, run_id = Store().client, launcher_run()
        tags = client.get_run(run_id).data.tags
        written(client.set_tag, run_id, FAILURE, one_line(error))
        if FAILURE not in tags:  # else the step has said more in a card of its own
            from src.cards.run_card import FILE, failure_card

            known = error if isinstance(error, UserError) else UserError(one_line(error), "")
            title, command = tags.get(ENTRY_POINT, "a step"), shlex.join(["python", "-m", *words])
            client.log_text(run_id, failure_card(title, known, {}, command), FILE)


def note_stop(why: str) -> None:
    """Close the runs that this process leaves behind when it is told to stop."""
    if launched() or "src.pipeline.runs" in sys.modules:
        from src.pipeline.runs import close_open

        close_open(why)


def run_step(step: Step, typed: Mapping[str, str], as_json: bool) -> int:
    """Run one step on the inputs that were named, or on the newest that fit."""
    check_step(step, typed)
    alone = DRIVER not in os.environ and not step.chained
    if alone and not all(map(typed.get, step.reads)):
        own = {name: value for name, value in typed.items() if name not in fields_of(Options)}
        more = {"until": step.name, "force": step.name if build(Options, typed).force else ""}
        main = entry_points()["main"]
        assert isinstance(main, Command)  # noqa: S101 - for the type checker
        return main.run(Call(own | more, all_steps(), as_json))
    from src.pipeline.opening import open_store

    store = open_store()
    if DRIVER not in os.environ:
        store.close_stale()
    start = time.monotonic()
    # Below a driver it is the driver's table that shows how this goes.
    watched = console.watched() and DRIVER not in os.environ
    with console.captured(title=step.name) if watched else nullcontext():
        result, reused = execute(step, typed, all_steps(), store, console.progress)
    summary = str(result.details.get("summary", ""))
    outcome = "reuse" if reused else "run"
    if as_json:
        from src.pipeline.driver import Done, reused_from

        reason = (
            reused_from(result) if reused else store.client.get_run(result.run_id).data.tags[REASON]
        )
        group = getattr(build(step.params, typed), step.group) if step.group else ""
        job = Job(step, typed, group)
        seconds = time.monotonic() - start
        console.say_json(Done(job, outcome, reason, result, seconds).as_dict())
    else:
        console.say_row(step.name, outcome, f"run {result.run_id}", summary)
    return REFUSED if result.details.get("refused") else DONE
