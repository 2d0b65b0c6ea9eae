"""What can be cleaned away, and what never: artifacts that a version or the next `main` needs.

Cleaned are the artifacts of runs that failed or were killed, and of sealed results that a newer
one has superseded. A result is superseded when a newer one stands for the same step, parameters
and inputs, and the code and environment of now would not find it. Kept, whatever its age, is all
that a registered version in any stage rests on: the runs and models that it names, that judged
its model, and all that these read, back to the entries. Runs, their parameters, metrics and tags
stay, so that the history can still be read.

The seals go first, so that nothing half gone can be reused; a run whose seal was taken says so by
a tag, and a clean that was killed is ended by the next.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.history.past import every, get, is_ours, seal_of, title
from src.pipeline.results import FAILURE, KEY, PARENT, SEAL, STEP, read_key
from src.pipeline.seals import local_path
from src.pipeline.step import ROOT, all_steps

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.logged_model import LoggedModel

    from src.pipeline.keys import Key
    from src.pipeline.runs import Store

CLEANED = "pipeline.cleaned"  # on a run that was cleaned: the seal it had, or nothing
RUNS = re.compile(r"runs:/([0-9a-f]{32})|\b([0-9a-f]{32})\b")
MODELS = re.compile(r"\bm-[0-9a-f]{32}\b")
FAILED = {"FAILED": "failed", "KILLED": "killed"}
# Tags that name runs which this one does not rest on.
LOOSE = {PARENT, "mlflow.note.content", FAILURE, CLEANED, KEY + "code", KEY + "environment"}


@dataclass(frozen=True)
class Removal:
    """The artifacts of a run, to be removed.

    Attributes
    ----------
    why
        In a word: failed, killed or superseded.
    models
        Logged models that it made.
    places
        Where its artifacts lie, with their bytes.
    """

    run: Run
    why: str
    models: tuple[LoggedModel, ...]
    places: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes that are freed."""
        return sum(self.places.values())

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        return {
            "run_id": self.run.info.run_id,
            "title": title(self.run),
            "why": self.why,
            "bytes": self.size,
            "places": list(self.places),
        }


@dataclass(frozen=True)
class Plan:
    """What a clean would do: what is removed, and how many of our runs stay as they are."""

    removals: tuple[Removal, ...]
    kept: int


@dataclass
class Needs:
    """Runs and logged models that have to stay, gathered from where they are named."""

    store: Store
    runs: dict[str, Run] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def add(self, run_ids: Iterable[str], models: Iterable[str] = (), read: bool = True) -> None:
        """Take up runs and models with everything that they rest on.

        Parameters
        ----------
        read
            Whether what they have read counts, or only what their seals name: what they made,
            wherever that lies, and the model that they judged.
        """
        from mlflow.exceptions import MlflowException

        waiting, named = list(run_ids), list(models)
        while waiting or named:
            if named:
                model_id = named.pop()
                if model_id not in self.models:
                    self.models.add(model_id)
                    with suppress(MlflowException):  # deleted: nothing rests on it any more
                        made = self.store.client.get_logged_model(model_id)
                        waiting.append(made.source_run_id or "")
                continue
            run_id = waiting.pop()
            if run_id in self.seen:
                continue
            self.seen.add(run_id)
            if (run := get(self.store, run_id)) is None:  # a digest, or deleted for good
                continue
            self.runs[run_id] = run
            said = json.dumps(list(mentions(run, read)))
            waiting += [a or b for a, b in RUNS.findall(said)]
            named += MODELS.findall(said)


def mentions(run: Run, read: bool) -> Iterator[str]:
    """Give what a run says it rests on: its parameters, its inputs, and its tags with the seal."""
    tags = run.data.tags
    if not read:
        yield from (value for name, value in tags.items() if name.startswith(SEAL))
        return
    yield from run.data.params.values()
    yield from (value for name, value in tags.items() if name not in LOOSE)
    if run.inputs:
        yield from (each.dataset.source for each in run.inputs.dataset_inputs)
        yield from (each.model_id for each in run.inputs.model_inputs)


def plan(store: Store) -> Plan:
    """Find out what can go.

    Raises
    ------
    UserError
        A pipeline is running: what it needs is not known yet.
    """
    ours = [run for run in every(store) if is_ours(run)]
    refuse_running(ours, store)
    needs = needed(store, ours)
    removals, kept = list[Removal](), 0
    models = models_by_run(store)
    for run in ours:
        why = reason(run, needs)
        mine = tuple(m for m in models.get(run.info.run_id, ()) if m.model_id not in needs.models)
        found = Removal(run, why, mine, places(run, mine, store)) if why else None
        if found and (found.places or seal_of(run)):
            removals.append(found)
        else:
            kept += 1
    return Plan(tuple(removals), kept)


def refuse_running(ours: Iterable[Run], store: Store) -> None:
    """Refuse where a pipeline is at work."""
    from src.pipeline.stale import is_stale

    for run in ours:
        if run.info.status == "RUNNING" and not is_stale(store.client, run):
            raise UserError(
                f"{title(run)} is running (run {run.info.run_id[:8]}), and may need what would go.",
                "Clean when it has ended.",
            )


def reason(run: Run, needs: Needs) -> str:
    """Say why a run's artifacts can go; empty where they stay."""
    if run.info.run_id in needs.runs:
        return ""
    if run.info.status in FAILED:
        return FAILED[run.info.status]
    if CLEANED in run.data.tags:
        return "cleaned before"
    return "superseded" if run.info.status == "FINISHED" and seal_of(run) else ""


def needed(store: Store, ours: Iterable[Run]) -> Needs:
    """Gather what has to stay: all that versions rest on, and all that `main` could reuse."""
    import mlflow

    needs, judged = Needs(store), set[str]()
    registry = mlflow.MlflowClient(store.client.tracking_uri)
    token = None
    while True:
        page = registry.search_model_versions(page_token=token)
        for version in page:
            said = json.dumps([version.source or "", version.run_id or "", version.tags])
            needs.add((a or b for a, b in RUNS.findall(said)), MODELS.findall(said))
            judged.add(version.tags.get("pipeline.digest", ""))
        token = page.token
        if not token:
            break
    results = [run for run in ours if seal_of(run) and STEP in run.data.tags]
    needs.add(
        run.info.run_id
        for run in results
        if read_key(run.data.tags).inputs.get("candidate", "none") in judged
    )
    # What such a result has read is made by another that stays: its own copy may go.
    found = list(reusable(results, needs.runs.values()))
    needs.add((run.info.run_id for run in found), read=False)
    return needs


def reusable(results: list[Run], kept: Iterable[Run]) -> Iterator[Run]:
    """Give the sealed results that `main` could reuse, of `results` that are newest first.

    These are the newest of each key that code and environment of now would make, and the newest
    of the same step, parameters and inputs whoever made it, so that a change can be accepted;
    but not those whose own inputs nothing makes any more, unless what made them is `kept` anyway.
    """
    groups, digests = set[str](), set[str]()
    there, gone = {digest for run in kept for digest in made_by(run)}, set[str]()
    by_step: dict[str, list[tuple[Run, Key]]] = {name: [] for name in all_steps()}
    for run in results:
        key = read_key(run.data.tags)
        by_step.setdefault(key.step, []).append((run, key))
    for name, made in by_step.items():
        step = all_steps().get(name)
        for run, key in made:
            read = {key.inputs.get(n, "") for n in (step.reads if step else ())}
            seals = {tag for tag in run.data.tags if tag.startswith(SEAL)}
            group = json.dumps([key.step, dict(key.params), dict(key.inputs)], sort_keys=True)
            newest = group not in groups or (not seals <= digests and of_now(key))
            keep = newest and not (read & gone) - there
            (there if keep else gone).update(made_by(run))
            if keep:
                yield run
            # What was refused takes no accepted result's place: the next is judged beside that one.
            if not (made := seal_of(run)) or not made.details.get("refused"):
                groups.add(group)
            digests |= seals


def made_by(run: Run) -> list[str]:
    """Give the digests of what a run made; none where it was not sealed."""
    seal = seal_of(run)
    return [output.digest for output in seal.outputs.values()] if seal else []


def of_now(key: Key) -> bool:
    """Tell whether the code and environment of now would make this key; yes where in doubt."""
    from src.pipeline.keys import project_reader, versions
    from src.pipeline.step import build

    step = all_steps().get(key.step)
    if step is None:
        return False
    typed = {name: said(value) for name, value in key.params.items()}
    try:
        parts = step.parts(build(step.params, typed))
        reached = project_reader().reach([step.code, *(c for part in parts for c in part.code)])
        now = versions(reached.foreign)
    except Exception:
        return True
    return dict(reached.files) == dict(key.code) and now == dict(key.environment)


def said(value: Any) -> str:
    """Write a parameter's value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def models_by_run(store: Store) -> dict[str, list[LoggedModel]]:
    """List the experiment's logged models by the run that made them."""
    found: dict[str, list[LoggedModel]] = {}
    token = None
    while True:
        page = store.client.search_logged_models([store.experiment_id], page_token=token)
        for model in page:
            found.setdefault(model.source_run_id or "", []).append(model)
        token = page.token
        if not token:
            return found


def places(run: Run, models: Iterable[LoggedModel], store: Store) -> dict[str, int]:
    """Find where a run's artifacts lie, with their bytes; a place that is not its alone is left."""
    found = dict[str, int]()
    candidates = [(str(run.info.artifact_uri or ""), run.info.run_id)]
    candidates += [(str(model.artifact_location or ""), model.model_id) for model in models]
    for location, own in candidates:
        if own not in re.split(r"[/\\]", location):
            continue
        folder = local_path(location)
        if folder is not None:
            if folder.exists():
                found[location] = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        elif sizes := store.sizes(location):
            found[location] = sum(sizes.values())
    return found


def clean(found: Plan, store: Store) -> None:
    """Do it: first take all seals, then look again whether anybody has begun to work, then remove.

    Raises
    ------
    UserError
        A pipeline has started meanwhile; the seals are put back.
    """
    taken = list[tuple[str, str, str]]()
    for removal in found.removals:
        taken += take_seal(removal.run, store)
    try:
        refuse_running((run for run in every(store) if is_ours(run)), store)
        still_unneeded(found, store)
    except BaseException:
        for run_id, name, value in taken:
            store.client.set_tag(run_id, name, value)
            store.client.delete_tag(run_id, CLEANED)
        raise
    for removal in found.removals:
        for location in removal.places:
            remove(location)
        for model in removal.models:
            store.client.delete_logged_model(model.model_id)


def still_unneeded(found: Plan, store: Store) -> None:
    """Make sure that no version was registered meanwhile that rests on what is to go."""
    import mlflow

    needs = Needs(store)
    for version in mlflow.MlflowClient(store.client.tracking_uri).search_model_versions(
        order_by=["creation_timestamp DESC"], max_results=100
    ):
        said = json.dumps([version.source or "", version.run_id or "", version.tags])
        needs.add((a or b for a, b in RUNS.findall(said)), MODELS.findall(said))
    if any(removal.run.info.run_id in needs.runs for removal in found.removals):
        raise UserError("a version was registered meanwhile.", "Look again: python -m steps clean")


def take_seal(run: Run, store: Store) -> list[tuple[str, str, str]]:
    """Mark a run as cleaned and take its seal, if it has one; give what was taken."""
    seals = {n: v for n, v in run.data.tags.items() if n.startswith(SEAL)}
    if CLEANED not in run.data.tags:
        store.client.set_tag(run.info.run_id, CLEANED, ", ".join(seals) or "no seal")
    for name in seals:
        store.client.delete_tag(run.info.run_id, name)
    return [(run.info.run_id, name, value) for name, value in seals.items()]


def remove(location: str) -> None:
    """Remove all that lies at a place."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    folder = local_path(location)
    if folder is not None:
        if folder.is_absolute() and folder.resolve() not in (ROOT, *ROOT.parents):
            shutil.rmtree(folder, ignore_errors=True)
        return
    repository = get_artifact_repository(location)
    for item in repository.list_artifacts():
        repository.delete_artifacts(item.path)  # type: ignore[no-untyped-call]
