"""Turns a good verdict into a registered version in Production; else leaves the registry alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.execute import Context
from src.pipeline.step import Step
from src.training.family import model_param, task_of

if TYPE_CHECKING:
    from src.evaluation.evaluation import Evaluation


@dataclass(frozen=True)
class RegisterParams:
    """Which model's registry entry this is about."""

    model: str = model_param()


def run(context: Context) -> None:
    """Register the candidate if its evaluation says so and nothing has changed since."""
    import json

    from src.evaluation.evaluation import Evaluation

    name = task_of(context.params.model).registered_name
    text = (context.input("evaluation") / "evaluation.json").read_text(encoding="utf-8")
    evaluation = Evaluation.from_json(text)
    candidate = context.inputs["candidate"].digest
    if (evaluation.candidate_digest, evaluation.task) != (candidate, context.params.model):
        raise UserError(
            "the evaluation is of another model than the candidate.",
            "Name the evaluation of this candidate: -P evaluation=runs:/<id>/evaluation",
        )
    number, sentence = decide(context, name, evaluation)
    folder = context.output("registration")
    folder.mkdir()
    content = {"name": name, "version": number, "verdict": sentence}
    (folder / "registration.json").write_text(json.dumps(content, indent=1) + "\n")
    context.log_metrics({"registered": float(number > 0)})
    context.details |= {
        "summary": sentence,
        "refused": not number,
        "name": name,
        "version": number,
        "candidate": candidate,
    }


def decide(context: Context, name: str, evaluation: Evaluation) -> tuple[int, str]:
    """Look at the registry once more and act on the verdict.

    Returns
    -------
    version, sentence
        Version 0 stands for a refusal.
    """
    from src import promotion, registry
    from src.versions import card, tags, who

    promotion.settle(name)
    candidate = context.inputs["candidate"]
    champion, known = registry.champion(name), registry.same_model(name, candidate.digest)
    judged = context.inputs["evaluation"].uri
    if champion and champion.identity == candidate.digest:
        if not champion.description:
            registry.write_card(champion, card(context.store, evaluation, judged))
        # An earlier try may have come this far and been killed: its result is the same.
        said = f"is in Production. {evaluation.verdict}"
        if not evaluation.promote:
            said = "is this model already"
        return champion.number, f"{name} version {champion.number} {said}"
    if not evaluation.promote:
        return 0, f"Not registered. {evaluation.verdict}"
    judged_against = evaluation.champion_digest or registry.NOBODY
    if judged_against != (champion.identity if champion else registry.NOBODY):
        raise UserError(
            f"another version of {name} became the champion since the evaluation.",
            "Run main again: it evaluates against the new champion.",
        )
    by_hand = known and not registry.left_behind(known)
    if known and by_hand and registry.SUPERSEDED_BY not in known.tags:
        return 0, (
            f"Not registered. {name} version {known.number} is this model, and a person moved it "
            f"to {known.stage}"
        )
    version = registry.register(
        name,
        candidate.uri,
        tags(context.store, evaluation, candidate.uri, judged) | {"run.register": context.run_id},
        card(context.store, evaluation, judged),
    )
    reason = promotion.Reason(
        who(context.store, context.run_id), evaluation.verdict, context.run_id, by_evidence=True
    )
    done = promotion.move(version, registry.PRODUCTION, reason)
    for tag, value in done.tags(reason).items():
        context.store.client.set_tag(context.run_id, tag, value)
    number = done.version.number
    return number, f"{name} version {number} is in Production. {evaluation.verdict}"


def rivals(params: RegisterParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest the champion that the registry holds."""
    from src import registry

    name = task_of(params.model).registered_name
    return {"champion": registry.rival_digest(name, inputs["candidate"])}


def still_registered(details: Mapping[str, Any]) -> bool:
    """Tell whether what a past run left in the registry is still so, and nothing is to settle."""
    from src import registry

    if not registry.settled(details["name"]):
        return False
    champion = registry.champion(details["name"])
    if not details["version"]:  # a person may have promoted what was refused
        return champion is None or champion.identity != details["candidate"]
    return registry.exists(details["name"], details["version"])


ENTRY = Step(
    "register",
    "Register a model whose verdict is good and that beats the champion",
    RegisterParams,
    run,
    reads=("candidate", "evaluation"),
    writes=("registration",),
    outside=rivals,
    holds=still_registered,
    group="model",
    card="src.cards.register_card:register_card",
)
