"""What `--json` prints, by entry point; `--help` shows it.

Each answer also has `schema`, 1: it is counted up where a field is taken away or changes its
meaning. New fields may come at any time. What went wrong is said as an `ErrorAnswer`.
"""

from __future__ import annotations

from typing import Any, TypedDict, get_args, get_origin, get_type_hints, is_typeddict


class Mistake(TypedDict):
    """What went wrong, and the way out."""

    message: str
    hint: str


class ErrorAnswer(TypedDict):
    """What every entry point prints instead where it exits with 1 or 2."""

    error: Mistake


class StepDone(TypedDict):
    """A step, by itself or of the pipeline, what became of it, and what it made."""

    step: str
    group: str  # the model, where the step is of one
    outcome: str  # run, reuse or accept
    reason: str  # why it runs, or which run is reused
    seconds: float
    run_id: str | None
    summary: str
    refused: bool
    outputs: dict[str, str]  # artifact: URI


class MainAnswer(TypedDict):
    """The driver's run, None where nothing had to run, and its steps."""

    run_id: str | None
    steps: list[StepDone]
    halted: str  # why the rest was left out, where a step refused; else empty


class PlanAnswer(TypedDict):
    """What the steps would do."""

    steps: list[StepDone]
    halted: str


class PastPipeline(TypedDict):
    """A past run of the pipeline."""

    run_id: str
    title: str
    started: str  # ISO 8601, UTC
    seconds: float | None  # None while it runs
    outcome: str  # done, refused, failed, killed or running
    headline: str
    ran: list[str]
    reused: list[str]


class RunsAnswer(TypedDict):
    """Past runs of the pipeline, newest first."""

    runs: list[PastPipeline]


class ShowAnswer(TypedDict):
    """A card: where it was written to, and its words."""

    name: str
    run_id: str | None  # None for a version whose runs are gone
    path: str
    text: str


class Figure(TypedDict):
    """A metric on both sides, each with its interval where one was logged."""

    step: str
    metric: str
    a: float | None
    a_interval: list[float] | None
    b: float | None
    b_interval: list[float] | None
    difference: float | None
    apart: bool  # whether the intervals do not overlap


class Differing(TypedDict):
    """A setting, data, code file or package that differs, with both values."""

    step: str
    name: str
    a: str | None
    b: str | None


class Dataset(TypedDict):
    """What a step read, and whether it was the same."""

    step: str
    name: str
    same: bool
    a: str
    b: str


class CompareAnswer(TypedDict):
    """Two runs or versions side by side."""

    a: str
    b: str
    metrics: list[Figure]
    settings: list[Differing]
    data: list[Dataset]
    code: list[Differing]
    environment: list[Differing]


class Cleaned(TypedDict):
    """A run whose artifacts go, and why: failed, killed, superseded or cleaned before."""

    run_id: str
    title: str
    why: str
    bytes: int
    places: list[str]


class CleanAnswer(TypedDict):
    """What goes; `removed` says whether it has gone."""

    removed: bool
    bytes: int
    kept_runs: int
    runs: list[Cleaned]


def shape(kind: Any) -> str:
    """Write the shape of an answer in a line.

    Examples
    --------
    >>> shape(PlanAnswer)[:40]
    '{steps: [{step: str, group: str, outcome'
    """
    if is_typeddict(kind):
        fields = ", ".join(f"{name}: {shape(of)}" for name, of in get_type_hints(kind).items())
        return f"{{{fields}}}"
    if get_origin(kind) is list:
        return f"[{shape(get_args(kind)[0])}]"
    if get_origin(kind) is dict:
        return f"{{name: {shape(get_args(kind)[1])}}}"
    if kind is type(None):
        return "null"
    if args := get_args(kind):
        return " | ".join(shape(of) for of in args)
    return str(kind.__name__)


def fits(value: Any, kind: Any) -> bool:
    """Tell whether a value read from JSON has the shape of an answer."""
    if is_typeddict(kind):
        hints = get_type_hints(kind)
        return isinstance(value, dict) and all(
            name in value and fits(value[name], of) for name, of in hints.items()
        )
    if get_origin(kind) is list:
        return isinstance(value, list) and all(fits(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) is dict:
        return isinstance(value, dict) and all(
            fits(each, get_args(kind)[1]) for each in value.values()
        )
    if get_origin(kind) is not None or get_args(kind):
        return any(fits(value, of) for of in get_args(kind))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is kind
