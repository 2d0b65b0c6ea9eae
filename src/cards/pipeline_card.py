"""The card of a whole pipeline run: its steps, what became of each, and its headline figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Figure, Link, Section, Table, Tone, render
from src.cards.figures import ACCENT, BAD, GOOD, INK, LINE, MUTED, draw
from src.evaluation.gates import spelled
from src.pipeline.opening import on_server

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from src.pipeline.driver import Done
    from src.pipeline.jobs import Job
    from src.pipeline.runs import Store

COLOURS = {"run": GOOD, "accept": GOOD, "reuse": ACCENT, "refused": BAD, "failed": BAD}
WIDE, HIGH = 1.0, 0.62


@dataclass(frozen=True)
class Stage:
    """What became of one step.

    Attributes
    ----------
    title
        The step, and the model where it is one of several.
    outcome
        "run", "reuse", "accept", "refused", "failed", or "not reached".
    reason
        Why it ran, or failed.
    summary
        Its result in a sentence.
    run_id, address
        Its run, and where the tracking server shows it; empty where there is no server.
    reads, writes
        Artifacts by name.
    group
        Of which model; empty where all share it.
    figures
        Its headline figures.
    """

    title: str
    outcome: str
    reason: str = ""
    seconds: float = 0.0
    summary: str = ""
    run_id: str = ""
    address: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    group: str = ""
    figures: Mapping[str, float] | None = None


def pipeline_card(
    title: str, stages: Sequence[Stage], before: Mapping[str, Mapping[str, float]], command: str
) -> str:
    """Write the card that ties the runs of a pipeline.

    Parameters
    ----------
    before
        The figures of each stage in the last pipeline run, by its title.
    """
    failed = [stage for stage in stages if stage.outcome == "failed"]
    refused = [stage for stage in stages if stage.outcome == "refused"]
    tone: Tone = "bad" if failed or refused else "good"
    last = (failed or [s for s in stages if s.outcome != "not reached"] or list(stages))[-1]
    ends = {stage.group: stage for stage in stages if stage.summary}  # the last of each model
    ends = {group: stage for group, stage in ends.items() if group} or ends
    said = " ".join(stage.summary for stage in ends.values()) or f"{title} is done"
    if failed:
        said = f"{last.title} failed: {last.reason}"
    rows = [
        (
            stage.title,
            stage.outcome,
            f"{stage.seconds:.1f}\u00a0s" if stage.seconds else "",
            stage.reason,
            _run(stage),
            stage.summary,
        )
        for stage in stages
    ]
    columns = ("step", "outcome", "time", "why", "run", "result")
    sections = [
        Section("Steps", figures=[chain(stages)]),
        Section("What became of each", table=Table(columns, rows)),
    ]
    changed = [
        (stage.title, spelled(name), value, was, None if was is None else value - was)
        for stage in stages
        for name, value in (stage.figures or {}).items()
        for was in [before.get(stage.title, {}).get(name)]
    ]
    if changed:
        names = ("step", "figure", "now", "last run", "change")
        sections.append(Section("Headline figures", table=Table(names, changed)))
    ran = sum(stage.outcome in {"run", "refused"} for stage in stages)
    reused = sum(stage.outcome == "reuse" for stage in stages)
    facts = [
        ("ran", str(ran)),
        ("reused", str(reused)),
        ("time", f"{sum(stage.seconds for stage in stages):.0f} s"),
    ]
    return render(Card(title, said, tone, sections, command, facts))


def stages_of(
    jobs: Iterable[Job], finished: Iterable[Done], failed: str, store: Store
) -> list[Stage]:
    """Say what became of each job, in order; the first that did not finish is the failed one.

    Parameters
    ----------
    failed
        Why a job failed, in a line; empty where none did.
    """
    done = {each.job.title: each for each in finished}
    stages = list[Stage]()
    for job in jobs:
        step, each = job.step, done.get(job.title)
        stage = Stage(job.title, "", reads=step.reads, writes=step.writes, group=job.group)
        if each is not None and each.result is not None:
            run_id = each.result.run_id
            stage = replace(
                stage,
                outcome="refused" if each.refused else each.outcome,
                reason=each.reason,
                seconds=each.seconds,
                summary=str(each.result.details.get("summary", "")),
                run_id=run_id,
                address=on_server(store.experiment_id, run_id),
                figures=figures_of(store, run_id, job),
            )
        else:
            stage = replace(stage, outcome="failed" if failed else "not reached", reason=failed)
            failed = ""
        stages.append(stage)
    return stages


def figures_of(store: Store, run_id: str, job: Job) -> dict[str, float]:
    """Read the headline figures of the run that judged a model."""
    from src.cards.evaluate_card import HEADLINES

    if job.step.name != "evaluate":
        return {}
    metrics = store.client.get_run(run_id).data.metrics
    return {name: metrics[name] for name in HEADLINES.get(job.group, ()) if name in metrics}


def last_figures(store: Store, parent_id: str, jobs: Iterable[Job]) -> dict[str, dict[str, float]]:
    """Read the headline figures of the last pipeline run that came as far, by stage."""
    found = dict[str, dict[str, float]]()
    for job in jobs:
        if job.step.name == "evaluate":
            tag = job.title.replace(" ", ".")
            run_id = store.last_under(parent_id, tag)
            found[job.title] = figures_of(store, run_id, job) if run_id else {}
    return found


def _run(stage: Stage) -> str | Link:
    short = stage.run_id[:8]
    return Link(short, stage.address) if stage.address else short


def chain(stages: Sequence[Stage]) -> Figure:
    """Draw which step hands what to which, from top to bottom, a column for each model."""
    groups = sorted({stage.group for stage in stages} - {""}) or [""]
    makers: dict[tuple[str, str], int] = {}
    for place, stage in enumerate(stages):
        makers |= {(name, stage.group): place for name in stage.writes}
    edges = [
        (makers.get((name, stage.group), makers.get((name, ""))), place, name)
        for place, stage in enumerate(stages)
        for name in stage.reads
    ]
    level = [0] * len(stages)
    for start, end, _ in edges:
        if start is not None:
            level[end] = max(level[end], level[start] + 1)
    middle = (len(groups) - 1) / 2
    across = [groups.index(s.group) if s.group else middle for s in stages]

    def paint(axes: Axes) -> None:
        from matplotlib.patches import FancyBboxPatch

        for start, end, _ in edges:
            if start is None or level[end] - level[start] > 1:  # drawn, it would cross a box
                continue
            axes.annotate(
                "",
                (across[end], level[end] - HIGH / 2),
                (across[start], level[start] + HIGH / 2),
                arrowprops={"arrowstyle": "-|>", "color": MUTED, "linewidth": 1},
            )
        for stage, x, y in zip(stages, across, level, strict=True):
            colour = COLOURS.get(stage.outcome, LINE)
            corner = (x - WIDE * 0.42, y - HIGH / 2)
            box = FancyBboxPatch(
                corner,
                WIDE * 0.84,
                HIGH,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor="none",
                edgecolor=colour,
                linewidth=1.6,
            )
            axes.add_patch(box)
            axes.text(x, y - 0.1, stage.title, ha="center", va="center", color=INK, fontsize=9)
            words = stage.outcome + (f" · {stage.seconds:.1f} s" if stage.seconds else "")
            axes.text(x, y + 0.14, words, ha="center", va="center", color=colour, fontsize=8)
        axes.set_xlim(-0.5 - 0.3, max(across) + 0.5 + 0.3)
        axes.set_ylim(max(level, default=0) + 0.45, -0.45)
        axes.set_axis_off()

    caption = (
        "Each step with its outcome and time. Arrows are artifacts handed to the next; the table "
        "has those of later steps too."
    )
    rows: list[list[Any]] = [
        [stages[start].title if start is not None else "given", stages[end].title, name]
        for start, end, name in edges
    ]
    height = 0.75 * (max(level, default=0) + 1)
    return Figure(draw(height, caption, paint), caption, Table(("from", "to", "artifact"), rows))
