"""Says whether what arrives still looks like what a version was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from src.pipeline.execute import Context
from src.pipeline.step import Step, param
from src.training.family import model_param, seed_param, task_of


@dataclass(frozen=True)
class MonitorParams:
    """Which version, and from when on a difference is drift."""

    model: str = model_param()
    version: str = param("Production", "A version's number, its stage or latest", content=False)
    alpha: float = param(
        0.01, "Chance of a false alarm, over all aspects together", low=0.002, high=0.5
    )
    least: float = param(
        0.1, "Least effect that counts: a share of entries, or standard deviations", low=0, high=1
    )
    seed: int = seed_param()


def run(context: Context) -> None:
    """Compare what arrived with the version's reference; drift is a verdict against."""
    import json

    import mlflow.pyfunc

    from src.data.schema import ENTRIES
    from src.monitoring.compare import compare, enough
    from src.monitoring.live import live_figures
    from src.monitoring.reference import MOST_ENTRIES, Reference, some_authors
    from src.monitoring.version import reference_of
    from src.versions import brought

    params = context.params
    version = version_of(params)
    entries = some_authors(ENTRIES.read(context.input("entries")), MOST_ENTRIES, params.seed)
    made = reference_of(version, params.model, context.store)
    reference = Reference.read(context.bring(made, "reference"))
    enough(entries, reference)
    context.say(f"monitor: {version.uri} answers {entries.num_rows:,} entries")
    model = mlflow.pyfunc.load_model(str(brought(context, version)))
    answers = model.predict(entries.select(["text"]).to_pandas())
    topics = getattr(model.unwrap_python_model(), "topics", None)
    context.say("monitor: comparing")
    left = left_for_language(context)
    found = compare(params, reference, entries, answers, topics, left)
    found.live = live_figures(params.model, entries, answers, topics, version.tags, params.seed)
    folder = context.output("drift")
    folder.mkdir()
    text = json.dumps(found.as_dict(version.number), ensure_ascii=False, indent=1) + "\n"
    (folder / "drift.json").write_text(text, encoding="utf-8")
    context.log_metrics(found.metrics)
    context.details |= {
        "summary": found.sentence(version.number),
        "refused": found.drifted,
        "model": params.model,
        "version": version.number,
        "effects": {name: own.effect for name, own in found.shifts.items()},
    }
    for tag in ("model", "version"):
        context.store.client.set_tag(context.run_id, f"monitor.{tag}", str(context.details[tag]))


def left_for_language(context: Context) -> int:
    """Count the rows that never became entries, because no model can read their language."""
    from src.data.profile import Profile

    made = context.store.sibling(context.inputs["entries"].uri, "profile.json")
    profile = Profile.read(context.bring(made, "profile")) if made else None
    return sum(profile.languages.values()) if profile else 0


def version_of(params: MonitorParams) -> Any:
    """Find the version that is meant."""
    from src.registry import resolved

    return resolved(task_of(params.model).registered_name, params.version)


def check(params: MonitorParams) -> None:
    """Make sure that there is such a version, and a reference to compare with."""
    outside(params, {})


def outside(params: MonitorParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest the version and what its training entries looked like."""
    from src.monitoring.version import reference_of
    from src.pipeline.opening import open_store

    store = open_store()
    version = version_of(params)
    reference = reference_of(version, params.model, store)
    return {"version": f"{version.number} {version.identity}", "reference": reference.digest}


ENTRY = Step(
    "monitor",
    "Compare what arrives with what a version was trained on; drift exits 3",
    MonitorParams,
    run,
    reads=("entries",),
    writes=("drift",),
    check=check,
    outside=outside,
    chained=False,
    group="model",
    card="src.cards.monitor_card:monitor_card",
)
