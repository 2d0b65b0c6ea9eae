"""Puts two runs or versions side by side: what differs in figures, settings, data and code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UserError
from src.pipeline.answers import CompareAnswer
from src.pipeline.jobs import refuse_unknown
from src.pipeline.step import Call, Command, build, fields_of, param

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.pipeline.answers import Figure

APART = "*"


@dataclass(frozen=True)
class CompareParams:
    """What to compare."""

    a: str = param("", "A run's id or the beginning of it, or a version as sentiment/3")
    b: str = param("", "The same of what to compare it with")
    equal: bool = param(False, "Show metrics that are equal as well")
    html: str = param("", "A file to write it to, as one page that opens anywhere")


def run(call: Call) -> int:
    """Print both sides and where they differ, or write them as a page."""
    refuse_unknown("compare", call.typed, fields_of(CompareParams))
    params = build(CompareParams, call.typed)
    if not params.a or not params.b:
        raise UserError(
            "compare needs two runs or versions.", "python -m steps compare A B; list: steps runs"
        )
    from src.history.comparison import compare
    from src.history.past import find
    from src.pipeline import console
    from src.pipeline.runs import Store
    from src.training.packaging import quiet_mlflow

    quiet_mlflow()
    store = Store()
    found = compare(find(params.a, store), find(params.b, store))
    if params.html:
        from src.cards.compare_card import compare_page

        path = written(params.html, compare_page(found, params.equal, (params.a, params.b)))
    if call.as_json:
        console.say_json(found)
    elif params.html:
        console.say(f"Written: {console.linked(str(path), path.as_uri())}")
    else:
        console.say("\n\n".join(told(found, params.equal, console.width())))
    return 0


def written(given: str, page: str) -> Path:
    """Write a page where the caller wants it.

    Raises
    ------
    UserError
        Nothing can be written there.
    """
    from src.pipeline.caller import caller_folder

    path = caller_folder() / Path(given).expanduser()
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the page cannot be written to {path} ({error.strerror}).",
            "Name a file in a folder that is there and that you may write to: --html out.html",
        ) from None
    return path


def told(found: CompareAnswer, equal: bool, width: int) -> Iterator[str]:
    """Write a comparison as text, a block for each thing that was compared."""
    from src.history.comparison import seen, telling
    from src.history.tables import table

    yield f"A  {found['a']}\nB  {found['b']}"
    figures = [f for f in found["metrics"] if equal or seen(f, "a") != seen(f, "b")]
    steps = list(dict.fromkeys(f["step"] for f in figures))
    for step in steps:
        rows = [
            (
                f["metric"].replace("_", " "),
                seen(f, "a"),
                seen(f, "b"),
                "" if f["difference"] is None else f"{f['difference']:+.3g}",
                APART if f["apart"] else "",
            )
            for f in telling(figures)
            if f["step"] == step
        ]
        names = ("metric", "A", "B", "B − A", "")
        yield f"{step}:\n" + table(names, rows, width, [False, True, True, True, False])
    alike = len(found["metrics"]) - len(figures)
    yield f"Metrics: {len(figures)} shown, {alike} equal; {summed(found['metrics'])}."
    for what, part in (
        ("Settings", found["settings"]),
        ("Code", found["code"]),
        ("Environment", found["environment"]),
    ):
        if not part:
            yield f"{what}: the same."
            continue
        cells = [(d["step"], d["name"], d["a"] or "–", d["b"] or "–") for d in part]
        yield f"{what} that differ:\n" + table(("step", "name", "A", "B"), cells, width)
    data = [(d["step"], d["name"], "same" if d["same"] else "differs", d["a"], d["b"])
            for d in found["data"]]  # fmt: skip
    if data:
        yield "Data:\n" + table(("step", "data", "", "A", "B"), data, width)


def summed(figures: list[Figure]) -> str:
    """Say of how many metrics the intervals do not overlap."""
    from src.history.comparison import both

    with_both = both(figures)
    apart = sum(f["apart"] for f in with_both)
    return f"of {len(with_both)} with intervals {apart} do not overlap ({APART})"


ENTRY = Command(
    "compare",
    "Put two runs or versions side by side: metrics, settings, data, code",
    CompareParams,
    run,
    words=("a", "b"),
    answer=CompareAnswer,
)
