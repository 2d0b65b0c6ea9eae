"""Moves a registered version or a candidate to a stage by hand; rolls back in one command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.jobs import refuse_unknown
from src.pipeline.step import Call, Command, build, fields_of, param
from src.training.family import model_param, task_of

if TYPE_CHECKING:
    from src.pipeline.runs import Store
    from src.registry import Version

LIST, PREVIOUS = "candidates", "previous"
KINDS = re.compile(r"|\d{1,9}|previous|candidates|[0-9a-f]{32}|(runs:/[0-9a-f]{32}|models:/).*")
LISTED = 50


@dataclass(frozen=True)
class PromoteParams:
    """What to move, and where."""

    model: str = model_param()
    version: str = param(
        "",
        "A number, previous, candidates (lists those that passed their gates), or a candidate's "
        "run id or models:/m-… URI; lists versions if empty",
    )
    stage: str = param(
        "Production", "Where to", choices=("None", "Staging", "Production", "Archived")
    )
    force_reason: str = param("", "Why it moves although its verdict is against it; recorded")


@dataclass(frozen=True)
class Evidence:
    """What is known of a model's worth: whether it passed its gates, in a sentence."""

    passed: bool
    sentence: str


def run(call: Call) -> int:
    """Check what was typed, then list or move."""
    refuse_unknown("promote", call.typed, fields_of(PromoteParams))
    params = build(PromoteParams, call.typed)
    if not KINDS.fullmatch(params.version):
        raise UserError(
            f"version={params.version} is no version.",
            "Give a number, previous, candidates, a run id or a models:/… URI.",
        )
    if params.version == PREVIOUS and params.stage != "Production":
        raise UserError(
            "previous rolls Production back; it goes to no other stage.",
            "Leave stage out, or name the version by its number.",
        )
    from src.pipeline.runs import Store
    from src.pipeline.temporary import clear_left_folders
    from src.training.packaging import quiet_mlflow

    clear_left_folders()
    quiet_mlflow()
    store = Store()
    if params.version in ("", LIST):
        return show(params, store, call.as_json)
    return promote(params, store, call.as_json)


def promote(params: Any, store: Store, as_json: bool) -> int:
    """Move a version, in a run that says who, when, why, from and to."""
    from src import promotion, registry
    from src.pipeline import console
    from src.versions import who

    name = task_of(params.model).registered_name
    promotion.settle(name)
    found, register = wanted(params, name, store)
    evidence = evidence_of(params, found, store)
    forced = promotion.FORCED in found.tags if found and params.version == PREVIOUS else False
    rises = params.stage in registry.ALIASES
    if rises and not evidence.passed and not params.force_reason and not forced:
        raise UserError(
            f"not moved to {params.stage}: {evidence.sentence}",
            'To move it all the same, say why: -P force_reason="…" (it is recorded).',
        )
    tags = {"pipeline.step": "promote"}
    logged = {n: getattr(params, n) for n in fields_of(PromoteParams)}
    with store.run(f"promote {params.model}", tags, logged) as recorded:
        run_id = recorded.info.run_id
        version = found or register(run_id)
        against = rises and not evidence.passed
        rolled_back = "Rolled back. " if params.version == PREVIOUS else ""
        reason = promotion.Reason(
            by=who(store, run_id),
            why=rolled_back + (params.force_reason or evidence.sentence),
            run_id=run_id,
            forced=params.force_reason if against else "",
        )
        done = promotion.move(version, params.stage, reason)
        said = [done.sentence + ".", *warnings(done.version, params.stage)]
        summary = " ".join(said)
        more = {"pipeline.summary": summary, "pipeline.forced": str(bool(reason.forced)).lower()}
        store.describe(run_id, done.tags(reason) | more, f"{summary}\n\nWhy: {reason.why}")
    if as_json:
        console.say_json({"run_id": run_id, "summary": summary, **done.tags(reason)})
    else:
        for line in said:
            console.say(line)
    return 0


def wanted(params: Any, name: str, store: Store) -> tuple[Version | None, Any]:
    """Find the version that is meant; for a candidate without one, what registers it.

    Raises
    ------
    UserError
        There is no such version or candidate.
    """
    from src import promotion, registry

    known = registry.versions(name)
    if params.version == PREVIOUS:
        return promotion.previous(name), None
    number = params.version.removeprefix(f"models:/{name}/")
    if number.isdigit() and len(number) < 10:
        found = next((v for v in known if v.number == int(number)), None)
        if found is None:
            there = ", ".join(str(v.number) for v in reversed(known)) or "none"
            raise UserError(f"{name} has no version {number}; there is: {there}.", "")
        return found, None
    uri = candidate_uri(params, store)
    made = store.output(uri)
    found = registry.same_model(name, made.digest)
    if found is not None:
        return found, None
    if params.stage not in registry.ALIASES:
        raise UserError(
            f"a candidate is in no stage; it cannot be moved to {params.stage}.",
            "-P stage=Production or -P stage=Staging",
        )
    return None, lambda run_id: new_version(params, name, made.digest, uri, run_id, store)


def candidate_uri(params: Any, store: Store) -> str:
    """Find the logged model that a run made or judged."""
    from src.pipeline.results import STEP, read_key
    from src.pipeline.runs import sealed

    given = str(params.version)
    if not given.startswith("models:/"):
        run_id = given.removeprefix("runs:/").partition("/")[0]
        try:
            run = store.client.get_run(run_id)
        except Exception as error:
            raise UserError(f"there is no run {run_id}.", "List: -P version=candidates") from error
        made = sealed(run)
        if made and "candidate" in made.outputs:
            given = made.outputs["candidate"].uri
        elif made and "candidate" in made.details:
            given = str(made.details["candidate"])
        else:
            raise UserError(
                f"run {run_id} neither trained nor judged a model.", "List: -P version=candidates"
            )
    maker = store.made_by(given)
    tags = store.client.get_run(maker).data.tags if maker else {}
    task = read_key(tags).params.get("model") if STEP in tags else None
    if task != params.model:
        raise UserError(f"{given} is no model for {params.model}.", f"-P model={task or '…'}")
    return given


def evaluation_of(digest: str, store: Store) -> Any:
    """Find the newest evaluation of a model's content: its run's seal, or None."""
    from steps.evaluate import JUDGED

    found = store.tagged(f"{JUDGED}.{digest[:32]}") if digest else []
    return found[0][1] if found else None


def evidence_of(params: Any, version: Version | None, store: Store) -> Evidence:
    """Give the newest verdict there is, without the contest with a champion of then."""
    from src.versions import PASSED, VERDICT

    digest = version.digest if version else store.output(candidate_uri(params, store)).digest
    made = evaluation_of(digest, store)
    if made is not None:
        return Evidence(bool(made.details["passed"]), str(made.details["summary"]))
    tags = version.tags if version else {}
    if VERDICT in tags:
        return Evidence(tags.get(PASSED, "true") == "true", tags[VERDICT])
    return Evidence(False, "nobody has judged this model.")


def new_version(
    params: Any, name: str, digest: str, uri: str, run_id: str, store: Store
) -> Version:
    """Register a candidate with what its evaluation says."""
    from src import registry
    from src.pipeline.temporary import temporary_folder
    from src.versions import card, read_evaluation, tags

    made = evaluation_of(digest, store)
    if made is None:
        said, text = {registry.DIGEST: digest, **store.lineage(uri)}, "Nobody has judged it."
    else:
        judged = made.outputs["evaluation"].uri
        with temporary_folder() as folder:
            evaluation = read_evaluation(store, judged, folder)
        said = tags(store, evaluation, uri, judged)
        text = card(store, evaluation, judged)
    return registry.register(name, uri, said | {"run.promote": run_id}, text)


def warnings(version: Version, stage: str) -> list[str]:
    """Say what a person may not have meant."""
    from src import registry
    from src.forgetting.trained_with import TRAINED_WITH

    found = []
    n = version.tags.get(TRAINED_WITH, "0")
    if stage in registry.ALIASES and n != "0":
        found.append(f"Warning: it was trained with {n} entries of people who are forgotten since.")
    if stage == registry.STAGING and registry.versions(version.name)[0].number == version.number:
        found.append(
            f"Warning: version {version.number} is the newest, so services that load `latest` "
            "will load it from now on."
        )
    if registry.champion(version.name) is None:
        found.append(
            "Warning: nothing is in Production, so services that load it from there cannot start."
        )
    return found


def show(params: Any, store: Store, as_json: bool) -> int:
    """List the versions, or the candidates that passed their gates and are no version yet."""
    from src import registry
    from src.pipeline import console
    from steps.evaluate import JUDGED

    name = task_of(params.model).registered_name
    known = registry.versions(name)
    rows = list[dict[str, Any]]()
    if params.version == LIST:
        versions = {v.digest for v in known}
        for run, made in store.tagged(JUDGED, LISTED * 4):
            digest = next(
                (t.rpartition(".")[2] for t in run.data.tags if t.startswith(f"{JUDGED}.")), ""
            )
            new = not any(d.startswith(digest) for d in versions if d)
            details = made.details
            if new and details.get("model") == params.model and details.get("passed"):
                versions.add(digest)
                head = {"run_id": made.run_id, "candidate": details["candidate"]}
                rows.append({**head, "verdict": details["summary"]})
        lines = [f"{row['run_id']}  {row['candidate']}  {row['verdict']}" for row in rows]
        lines = lines[:LISTED] or [f"No candidate for {params.model} passed and waits."]
    else:
        for v in known:
            verdict = v.tags.get("verdict", "")
            rows.append({"version": v.number, "stage": v.stage, "verdict": verdict})
        lines = [
            console.row(f"version {r['version']}", r["stage"], r["verdict"], widths=(12, 12))
            for r in rows
        ] or [f"{name} has no version."]
    if as_json:
        console.say_json({"model": name, params.version or "versions": rows})
    else:
        for line in lines:
            console.say(line)
    return 0


ENTRY = Command(
    "promote",
    "Move a version or a candidate to a stage, or roll Production back",
    PromoteParams,
    run,
)
