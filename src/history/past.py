"""Past runs and registered versions, found by what people call them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.results import ENTRY_POINT, FAILURE, PARENT, REUSED, STEP, SUMMARY
from src.pipeline.step import all_steps, entry_points, nearest

if TYPE_CHECKING:
    from mlflow.entities import Run

    from src.pipeline.runs import Store
    from src.registry import Version

MAIN = "main"
RUN_ID, PREFIX = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{4,31}")
MENTIONED = re.compile(r"runs:/([0-9a-f]{32})")
DID = re.compile(r"pipeline\.(run|reuse|accept)\.(.+)")
PAGE = 1000  # runs that a store gives at once
SHOWN = 5


@dataclass(frozen=True)
class Thing:
    """What a word stands for: a run, or a registered version.

    Attributes
    ----------
    name
        How it is called in what is shown.
    runs
        The steps' runs behind it by title: itself, those of a pipeline run, those of a version.
    run
        The run itself; for a version the one that registered it, if that is there.
    """

    name: str
    runs: Mapping[str, Run]
    run: Run | None
    version: Version | None = None


def every(store: Store, query: str = "", most: int = 0) -> Iterator[Run]:
    """List the runs of the experiment that match, newest first; all of them unless `most`."""
    token, found = None, 0
    while True:
        page = store.client.search_runs(
            [store.experiment_id],
            query,
            max_results=min(PAGE, most or PAGE),
            order_by=["attributes.start_time DESC"],
            page_token=token,
        )
        for run in page:
            yield run
            found += 1
            if most and found >= most:
                return
        token = page.token
        if not token:
            return


def pipelines(store: Store, most: int) -> list[Run]:
    """List the newest runs of the driver, those that reused everything below `mlflow run` too."""
    ours = {run.info.run_id: run for run in every(store, f"tags.`{STEP}` = '{MAIN}'", most)}
    launched = f"tags.`{ENTRY_POINT}` = '{MAIN}' AND tags.`pipeline.owner` LIKE '%'"
    ours |= {run.info.run_id: run for run in every(store, launched, most)}
    return sorted(ours.values(), key=lambda run: -run.info.start_time)[:most]


def find(word: str, store: Store) -> Thing:
    """Find what a word stands for; without one the newest pipeline run.

    Raises
    ------
    UserError
        Nothing is called so, or several runs are.
    """
    if not word:
        ran = (r for r in every(store, f"tags.`{STEP}` = '{MAIN}'") if REUSED not in r.data.tags)
        newest = next(ran, None)
        if newest is None:
            raise UserError("no pipeline has run in this store yet.", "Run one: make main")
        return thing(newest, store)
    given = word.removeprefix("runs:/").strip("/") if word.startswith("runs:/") else word
    if RUN_ID.fullmatch(given) or PREFIX.fullmatch(given):
        return thing(find_run(given, store), store)
    if found := find_version(word, store):
        return found
    raise UserError(f"nothing is called {word!r}.", newest_names(store))


def find_run(prefix: str, store: Store) -> Run:
    """Find the one run whose id begins so."""
    from mlflow.exceptions import MlflowException

    if RUN_ID.fullmatch(prefix):
        try:
            return store.client.get_run(prefix)
        except MlflowException as error:
            raise UserError(f"there is no run {prefix}.", newest_names(store)) from error
    found = list(every(store, f"attributes.run_id LIKE '{prefix}%'"))
    if not found:
        raise UserError(f"no run begins with {prefix}.", newest_names(store))
    if len(found) > 1:
        ids = ", ".join(f"{run.info.run_id[:12]} ({title(run)})" for run in found[:SHOWN])
        raise UserError(f"{len(found)} runs begin with {prefix}.", f"Type more of it: {ids}")
    return found[0]


def newest_names(store: Store) -> str:
    """Say what could have been meant."""
    near = ", ".join(f"{run.info.run_id[:8]} ({title(run)})" for run in pipelines(store, SHOWN))
    return f"The newest: {near}. List more: python -m steps runs" if near else "Run: make main"


def find_version(word: str, store: Store) -> Thing | None:
    """Find a registered version: `[models:/]name/3`, `name/Production`, `sentiment/3`, `name`."""
    from src import registry
    from src.training.family import TASKS

    name, _, which = word.removeprefix("models:/").partition("/")
    if not which:
        name, _, which = name.partition("@")
    models = {task: of.registered_name for task, of in TASKS.items()}
    name = models.get(name, name)
    if name not in models.values():
        if "/" not in word:
            return None
        raise UserError(f"there is no model {name!r}.", nearest(name, [*models, *models.values()]))
    return version_thing(registry.resolved(name, which or registry.PRODUCTION), store)


def version_thing(version: Version, store: Store) -> Thing:
    """Gather the runs behind a version: those that its tags name, and what these read."""
    found: dict[str, Run] = {}
    waiting, seen = [v for n, v in version.tags.items() if n.startswith("run.")], set[str]()
    while waiting:
        run_id = waiting.pop()
        run = None if run_id in seen else get(store, run_id)
        seen.add(run_id)
        if run is None:
            continue
        found.setdefault(title(run), run)
        step = all_steps().get(run.data.tags.get(STEP, ""))
        reads = step.reads if step else ()
        for name in reads:
            waiting += MENTIONED.findall(run.data.params.get(name, ""))
    last = get(store, version.tags.get("run.register") or version.tags.get("run.promote", ""))
    runs = {title(run): run for run in ordered(found.values())}
    return Thing(f"{version.name}/{version.number}", runs, last, version)


def thing(run: Run, store: Store) -> Thing:
    """Gather the runs behind a run."""
    short = f"{run.info.run_id[:8]} ({title(run)})"
    if run.data.tags.get(STEP) in all_steps():
        return Thing(short, {title(run): run}, run)
    return Thing(short, {title(of): of for of in stages(run, store)}, run)


def stages(run: Run, store: Store) -> list[Run]:
    """List the steps' runs that a pipeline run made or reused, in their order."""
    ids = [value for name, value in run.data.tags.items() if DID.fullmatch(name)]
    found = [of for run_id in ids if run_id and (of := get(store, run_id))]
    known = {of.info.run_id for of in found}
    below = every(store, f"tags.`{PARENT}` = '{run.info.run_id}'")
    found += [of for of in below if of.info.run_id not in known and STEP in of.data.tags]
    return ordered(found)


def ordered(runs: Iterable[Run]) -> list[Run]:
    """Put the runs of steps in the order in which these run; other runs are left out."""
    order = list(all_steps())
    return sorted(
        (run for run in runs if run.data.tags.get(STEP) in order),
        key=lambda run: (order.index(run.data.tags[STEP]), title(run)),
    )


def get(store: Store, run_id: str) -> Run | None:
    """Read a run; None if there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_run(run_id) if run_id else None
    except MlflowException:
        return None


def title(run: Run) -> str:
    """Name a run as the pipeline does."""
    return str(run.data.tags.get("mlflow.runName") or run.info.run_name or "run")


def outcome(run: Run, store: Store, refused: bool) -> str:
    """Say how a run has ended: done, refused, failed, killed, or running."""
    status = str(run.info.status)
    if status == "RUNNING":
        from src.pipeline.stale import is_stale

        return "killed" if is_stale(store.client, run) else "running"
    said = {"FINISHED": "refused" if refused else "done", "FAILED": "failed", "KILLED": "killed"}
    return said.get(status, status.lower())


def seal_of(run: Run) -> Any:
    """Read a run's seal, or None."""
    from src.pipeline.runs import sealed

    return sealed(run)


def is_ours(run: Run) -> bool:
    """Tell whether this project made a run: others share the store and its experiments."""
    tags = run.data.tags
    entry = tags.get(STEP) or tags.get(ENTRY_POINT, "")
    return any(name.startswith("pipeline.") for name in tags) and (
        entry in entry_points() or "pipeline.trial" in tags
    )


def headline(run: Run, last: Run | None) -> str:
    """Say in a line what a run has come to."""
    tags = run.data.tags
    said = tags.get(FAILURE) or tags.get(SUMMARY) or (last.data.tags.get(SUMMARY) if last else "")
    return said or ("every step was reused" if tags.get(REUSED) else "")
