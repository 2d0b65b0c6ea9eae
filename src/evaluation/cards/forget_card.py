"""What became of people who asked to be forgotten: the report as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DELETE = (
    'python -c "import mlflow; c = mlflow.MlflowClient(); '
    "c.delete_model_version('{name}', '{version}'); c.delete_logged_model('{logged}')\""
)
GONE_FOR_GOOD = (
    "What is deleted stays on disk until `mlflow gc --backend-store-uri <store>` removes it. "
    "A model that was trained anew and is not registered, because it does not beat the one in "
    "Production, is found by `python -m steps promote -P model=<model> -P version=candidates`."
)


def render(report: Mapping[str, Any]) -> str:
    """Write what left which artifacts, and which versions are free of them."""
    rows: Mapping[str, int] = report.get("rows", {})
    parts = ["# Forgotten", counts(report, rows), "## Versions", versions(report)]
    others = {
        run_id: n
        for run_id, n in report.get("trained", {}).items()
        if n and run_id not in {v["run_id"] for v in report.get("versions", [])}
    }
    if others:
        parts += ["## Trainings that are not registered", trainings(others)]
    if rows:
        lines = [f"| `{name}` | {n:,} |" for name, n in sorted(rows.items())]
        parts += ["## Artifacts", "\n".join(["| artifact | rows that left |", "|---|---|", *lines])]
    if report.get("unreadable"):
        lines = [f"- `{name}`" for name in report["unreadable"]]
        parts += ["## Cut, so that nobody can say what they hold", "\n".join(lines)]
    if report.get("elsewhere"):
        lines = [f"- `{run_id}`" for run_id in report["elsewhere"]]
        said = "Either they were removed, or they lie on another machine: remove them there."
        parts += ["## Runs whose artifacts are not on this machine", said, "\n".join(lines)]
    if report.get("going_on"):
        lines = [f"- `{run_id}`" for run_id in report["going_on"]]
        said = "What they leave is looked at by the next run of `ingest` or `main`."
        parts += ["## Runs that went on meanwhile", said, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def counts(report: Mapping[str, Any], rows: Mapping[str, int]) -> str:
    """Say how much there was of them."""
    return (
        f"{report.get('entries', 0):,} entries of theirs were found in what past runs left; "
        f"{sum(rows.values()):,} rows left {len(rows):,} artifacts."
    )


def versions(report: Mapping[str, Any]) -> str:
    """Write a line for each registered version, and what to do about it."""
    found = report.get("versions", [])
    if not found:
        return "There is none."
    lines = ["| version | stage | trained with | what to do |", "|---|---|---|---|"]
    for v in found:
        title = f"{v['name']} version {v['version']}"
        lines.append(f"| {title} | {v['stage']} | {trained(v)} | {advice(v, found)} |")
    if not all(v["free"] for v in found):
        lines += ["", GONE_FOR_GOOD]
    return "\n".join(lines)


def trained(v: Mapping[str, Any]) -> str:
    """Say what a version was trained with."""
    if v["trained_with"] is None:
        return "its training is gone: nobody knows"
    if v["trained_with"]:
        return f"**{v['trained_with']:,} of their entries**"
    if v["rests_on"]:
        return f"none itself, but it goes on from `{v['rests_on']}`, which was"
    named = f"; topics may keep names of `{v['follows']}`" if v["follows"] else ""
    return f"none of their entries: free of them{named}"


def advice(v: Mapping[str, Any], found: list[Mapping[str, Any]]) -> str:
    """Say what to type about a version."""
    if v["free"]:
        return ""
    free = next((o for o in found if o["free"] and o["name"] == v["name"]), None)
    delete = f"`{DELETE.format(**v, logged=v['model'].removeprefix('models:/'))}`"
    if v["stage"] != "Production":
        return f"delete it: {delete}"
    if free is None:
        how = "`main -P follow=none`" if v["task"] == "topics" else "`main`"
        return f"put one that {how} trains anew in its place, then delete this: {delete}"
    there = f"`python -m steps promote -P model={v['task']} -P version={free['version']}`"
    return f"{there}, then {delete}"


def trainings(others: Mapping[str, int]) -> str:
    """List runs whose models were never registered."""
    lines = [f"| `{run_id}` | {n:,} |" for run_id, n in sorted(others.items())]
    return "\n".join(["| run | of their entries |", "|---|---|", *lines])
