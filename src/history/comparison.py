"""Two runs or versions side by side: figures, settings, data, code and environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from src.errors import UserError
from src.history.past import seal_of
from src.pipeline.answers import CompareAnswer, Dataset, Differing, Figure
from src.pipeline.execute import OWN
from src.pipeline.keys import differing
from src.pipeline.results import KEY, STEP, SUMMARY, read_key

if TYPE_CHECKING:
    from mlflow.entities import Run

    from src.history.past import Thing

LOW, HIGH = "_low", "_high"
COMMIT = "mlflow.source.git.commit"
MAKERS = {"ingest", "split"}  # what they make is data, and their summary counts it
Pair = tuple[str, "Run", "Run"]


def compare(a: Thing, b: Thing) -> CompareAnswer:
    """Put two things side by side, step by step.

    Raises
    ------
    UserError
        They have no step in common.
    """
    pairs = paired(a, b)
    return {
        "a": a.name,
        "b": b.name,
        "metrics": [figure for pair in pairs for figure in figures(*pair)],
        "settings": [found for pair in pairs for found in settings(*pair)],
        "data": [found for pair in pairs for found in datasets(*pair)],
        "code": [found for pair in pairs for found in of_key("code", *pair)] + commits(pairs),
        "environment": once(found for pair in pairs for found in of_key("environment", *pair)),
    }


def paired(a: Thing, b: Thing) -> list[Pair]:
    """Pair the runs of the same step; two single ones also if they are of different models."""
    pairs = [(title, a.runs[title], b.runs[title]) for title in a.runs if title in b.runs]
    if not pairs:
        by_step = {run.data.tags.get(STEP, ""): run for run in b.runs.values()}
        pairs = [
            (step, run, by_step[step])
            for run in a.runs.values()
            if (step := run.data.tags.get(STEP, "")) in by_step
        ]
    if not pairs:
        names = "; ".join(f"{x.name}: {', '.join(x.runs) or 'no steps'}" for x in (a, b))
        raise UserError(f"they have no step in common ({names}).", "Name two runs of one kind.")
    return pairs


def figures(title: str, a: Run, b: Run) -> Iterator[Figure]:
    """Compare the metrics of two runs; the ends of an interval stand with their metric."""
    here, there = a.data.metrics, b.data.metrics
    names = here.keys() | there.keys()
    for name in sorted(names):
        base = name.removesuffix(LOW).removesuffix(HIGH)
        if base != name and base in names:
            continue
        left, right = interval(here, name), interval(there, name)
        x, y = here.get(name), there.get(name)
        yield {
            "step": title,
            "metric": name,
            "a": x,
            "a_interval": left,
            "b": y,
            "b_interval": right,
            "difference": None if x is None or y is None else y - x,
            "apart": bool(left and right and (left[1] < right[0] or right[1] < left[0])),
        }


def interval(metrics: Mapping[str, float], name: str) -> list[float] | None:
    """Give a metric's interval, if one was logged."""
    ends = [metrics.get(name + LOW), metrics.get(name + HIGH)]
    return [end for end in ends if end is not None] if None not in ends else None


def settings(title: str, a: Run, b: Run) -> Iterator[Differing]:
    """Give the parameters that differ; where an input lay and who started a step are none."""
    here, there = (
        {
            name: value
            for name, value in run.data.params.items()
            if name not in OWN and ":/" not in value
        }
        for run in (a, b)
    )
    for name in differing(here, there):
        yield {"step": title, "name": name, "a": here.get(name), "b": there.get(name)}


def datasets(title: str, a: Run, b: Run) -> Iterator[Dataset]:
    """Say of what two runs read whether it was the same, and what came of it."""
    here, there = (parts_of("inputs", run) for run in (a, b))
    if not here and not there:
        return
    for name in sorted(here.keys() | there.keys()):
        same = here.get(name) == there.get(name)
        x, y = (str(of.get(name, "none"))[:12] for of in (here, there))
        yield {"step": title, "name": name, "same": same, "a": x, "b": y}
    if a.data.tags.get(STEP) in MAKERS:
        made = [seal.outputs if (seal := seal_of(run)) else {} for run in (a, b)]
        digests = [{name: output.digest for name, output in of.items()} for of in made]
        x, y = (run.data.tags.get(SUMMARY, "nothing") for run in (a, b))
        yield {"step": title, "name": "made", "same": digests[0] == digests[1], "a": x, "b": y}


def of_key(part: str, title: str, a: Run, b: Run) -> Iterator[Differing]:
    """Give the entries of a part of the steps' keys that differ."""
    here, there = parts_of(part, a), parts_of(part, b)
    for name in differing(here, there):
        x, y = (str(of[name])[:12] if name in of else None for of in (here, there))
        yield {"step": title, "name": name, "a": x, "b": y}


def parts_of(part: str, run: Run) -> Mapping[str, Any]:
    """Read a part of a run's key; empty where the run has none."""
    if KEY + part not in run.data.tags:
        return {}
    found: Mapping[str, Any] = getattr(read_key(run.data.tags), part)
    return found


def commits(pairs: Iterable[Pair]) -> list[Differing]:
    """Give the commits where both are known and differ; the same two are said once."""
    return once(
        {"step": title, "name": "git commit", "a": x, "b": y}
        for title, *runs in pairs
        for x, y in [[run.data.tags.get(COMMIT) for run in runs]]
        if x and y and x != y
    )


def seen(figure: Figure, side: Literal["a", "b"]) -> str:
    """Write a figure of one side with its interval, as far as it can be told apart."""
    value = figure["a"] if side == "a" else figure["b"]
    interval = figure["a_interval"] if side == "a" else figure["b_interval"]
    if value is None:
        return "–"
    ends = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    whole = value == int(value) if abs(value) < 1e15 else False
    return (f"{value:,.0f}" if whole and not interval else f"{value:.3f}") + ends


def telling(figures: Iterable[Figure]) -> list[Figure]:
    """Put first what does not overlap, then what has an interval, then the rest."""
    return sorted(figures, key=lambda f: (not f["apart"], not f["a_interval"]))


def both(figures: Iterable[Figure]) -> list[Figure]:
    """Keep what has an interval on both sides."""
    return [f for f in figures if f["a_interval"] and f["b_interval"]]


def once(found: Iterable[Differing]) -> list[Differing]:
    """Leave out what an earlier step has said."""
    seen, kept = set[tuple[Any, ...]](), list[Differing]()
    for each in found:
        same = (each["name"], each["a"], each["b"])
        if same not in seen:
            seen.add(same)
            kept.append(each)
    return kept
