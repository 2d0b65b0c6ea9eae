"""Judges a model on held-out entries: by itself, and against the champion on the same entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.execute import Context
from src.pipeline.step import Step, param
from src.training.family import model_param, seed_param, task_of

if TYPE_CHECKING:
    import pyarrow as pa

    from src.evaluation.evaluation import Evaluation
    from src.evaluation.journal import Answered
    from src.evaluation.tasks import Predictions


Predict = Callable[[Sequence[Any]], Any]

# Tags of a finished evaluation; with the digest of the model, it finds what was said of it.
JUDGED = "pipeline.judged"


@dataclass(frozen=True)
class EvaluateParams:
    """What to judge, and against whom."""

    model: str = model_param()
    against: str = param("", "A model to beat, as models:/…; the champion if empty", content=False)
    n_resamples: int = param(1000, "Bootstrap resamples behind each interval", low=100, high=10000)
    seed: int = seed_param()


def run(context: Context) -> None:
    """Write the predictions, every metric with its interval, and the verdict."""
    import numpy as np

    from src.data.journal import held_out
    from src.data.schema import SPLITS
    from src.data.seen import entry_digests
    from src.evaluation.cards.calibration import picture
    from src.evaluation.evaluate import evaluate
    from src.evaluation.journal import ask_journal
    from src.evaluation.predictions import write_predictions
    from src.evaluation.service import check_service
    from src.evaluation.tasks import judged
    from src.monitoring.reference import NAME, make_reference

    params, splits = context.params, context.input("splits")
    test, train = SPLITS.read(splits, "test"), SPLITS.read(splits, "train")
    given = context.inputs["candidate"]
    seen = trained_on(context, given.uri, "candidate")
    test, left_out = unseen(test, seen)
    context.say(f"evaluate: the candidate answers {test.num_rows:,} held-out entries")
    model = opened(context, given.uri)
    candidate = answers(model, given.digest, test)
    rival, uri = rival_of(params, given.digest), ""
    champion, known = None, seen
    if rival is not None:
        uri, digest = rival
        context.say(f"evaluate: {uri} answers the same entries")
        champion = answers(opened(context, uri), digest, test)
        known = seen | trained_on(context, uri, "champion")
    shared = np.array([known.isdisjoint(digests) for digests in entry_digests(test)])
    context.say("evaluate: measuring")
    predict = asked(model)
    checks = check_service(params.model, predict, test["text"].to_pylist())
    evaluation = evaluate(
        *(params.model, test, train, candidate, champion, shared),
        *(params.seed, params.n_resamples, checks),
    )
    folder = context.output("evaluation")
    folder.mkdir()
    if params.model == "sentiment":
        journal = ask_journal(held_out(), predict, given.digest, seen)
        evaluation = with_journals(evaluation, journal, predict, params)
        sets = {"Test split": judged(test["label"].to_pylist(), candidate)}
        sets |= {"Held-out journal": journal.judged} if journal else {}
        (folder / "calibration.png").write_bytes(picture(sets))
    write_predictions(context.output("predictions"), params.model, test, candidate.rows)
    (folder / "evaluation.json").write_text(evaluation.to_json(), encoding="utf-8")
    context.say("evaluate: noting what it was trained on, to notice drift by")
    reference = make_reference(params.model, train, test, candidate.rows, candidate.topics)
    reference.write(context.output(NAME))
    context.keep(NAME)
    context.log_metrics(evaluation.logged | {"entries_left_out": float(left_out)})
    context.details |= {
        "summary": evaluation.verdict,
        "against": uri,
        "model": params.model,
        "candidate": given.uri,
        "passed": evaluation.passed,
        "promote": evaluation.promote,
    }
    for tag in (JUDGED, f"{JUDGED}.{given.digest[:32]}"):
        context.store.client.set_tag(context.run_id, tag, str(evaluation.passed).lower())


def unseen(entries: pa.Table, seen: set[str]) -> tuple[pa.Table, int]:
    """Leave out the entries that a model was trained on; also give their number.

    A split has none of them, but a registered version may be judged on another one.
    """
    import pyarrow as pa

    from src.data.seen import text_digest

    new = [text_digest(text) not in seen for text in entries["text"].to_pylist()]
    return entries.filter(pa.array(new, pa.bool_())), len(new) - sum(new)


def opened(context: Context, uri: str) -> Any:
    """Load a logged model as a service would."""
    import mlflow.pyfunc

    name = "candidate" if uri == context.inputs["candidate"].uri else "champion"
    path = context.input("candidate") if name == "candidate" else context.fetch(uri, name)
    model = mlflow.pyfunc.load_model(str(path))
    task = (model.metadata.metadata or {}).get("task")
    if task != context.params.model:
        raise UserError(
            f"{uri} is a model for {task or 'something else'}, not for {context.params.model}.",
            f"-P model={task}" if task else "Name a model that this project trained.",
        )
    return model


def answers(model: Any, digest: str, entries: pa.Table) -> Predictions:
    """Let a loaded model answer entries, the way a service would ask it."""
    from src.evaluation.tasks import Predictions

    rows = model.predict(entries.select(["text"]).to_pandas())
    topics = getattr(model.unwrap_python_model(), "topics", None)
    return Predictions(rows, topics, digest)


def asked(model: Any) -> Predict:
    """Ask a loaded model about any values in place of texts, the way a service would."""
    import pandas as pd

    return lambda texts: model.predict(pd.DataFrame({"text": pd.Series(texts, dtype=object)}))


def with_journals(
    evaluation: Evaluation, answered: Answered | None, predict: Predict, params: EvaluateParams
) -> Evaluation:
    """Add what the candidate makes of the held-out journal, judged, and of minimal pairs."""
    from src.evaluation.behaviour import judge_pairs, read_pairs, texts_of
    from src.evaluation.gates import JOURNAL_GATES, judge
    from src.evaluation.journal import measure_journal
    from src.evaluation.tasks import Predictions, sentiment_answers

    digest, pairs = evaluation.candidate_digest, read_pairs()
    journal = measure_journal(answered, params.seed, params.n_resamples) if answered else None
    labels, scores = sentiment_answers(Predictions(predict(texts_of(pairs)), None, digest))
    behaviour = judge_pairs(pairs, labels, (scores[:, 2] - scores[:, 0]).tolist())
    figures = journal.metrics if journal else {}
    gates = dict(evaluation.gates)
    for gate in JOURNAL_GATES:
        if gate.metric in figures:
            verdict = judge(gate, figures, {})
            hint = "" if verdict.passed else ": are labels swapped?"
            gates[gate.code] = replace(verdict, sentence=verdict.sentence + hint)
    return replace(evaluation, gates=gates, journal=journal, behaviour=behaviour)


def rival_of(params: EvaluateParams, candidate: str) -> tuple[str, str] | None:
    """Give the URI and digest of the model that a candidate has to beat, if there is one."""
    from src import registry

    if params.against:
        return params.against, registry.identity_of(params.against)
    rival = registry.rival(task_of(params.model).registered_name, candidate)
    return (rival.uri, rival.identity) if rival else None


def outside(params: EvaluateParams, inputs: Mapping[str, str]) -> dict[str, str]:
    """Digest whom the candidate has to beat and, for sentiment, what else it is measured on."""
    from src import registry
    from src.data import journal
    from src.evaluation import behaviour

    name = task_of(params.model).registered_name
    if params.against:
        found = {"champion": registry.identity_of(params.against)}
    else:
        found = {"champion": registry.rival_digest(name, inputs["candidate"])}
    if params.model == "sentiment":
        found["journal"] = journal.fingerprint(journal.HELD_OUT)
        found["behaviour"] = behaviour.fingerprint()
    return found


def trained_on(context: Context, uri: str, name: str) -> set[str]:
    """Read which texts a model has seen; nothing where the run that trained it is gone."""
    from src.data.seen import read_trained_on

    made = context.store.sibling(uri, "trained_on")
    if made is None:
        context.say(f"evaluate: nobody knows what {uri} was trained on; all entries count")
        return set()
    return set(read_trained_on(context.fetch(made.uri, f"trained_on_{name}")))


ENTRY = Step(
    "evaluate",
    "Judge a model on held-out entries, by itself and against the champion",
    EvaluateParams,
    run,
    reads=("splits", "candidate"),
    writes=("predictions", "evaluation"),
    outside=outside,
    group="model",
    card="src.cards.evaluate_card:evaluate_card",
)
