"""The card of a registered version: Markdown that the registry's page shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from src.evaluation.cards.journal_card import SELECTIVE, on_abstaining, on_journals, on_pairs
from src.evaluation.gates import GATES, JOURNAL_GATES, spelled
from src.evaluation.service import SERVICE_GATES
from src.pipeline.results import STEP, read_key, read_seal

if TYPE_CHECKING:
    from src.evaluation.evaluation import Evaluation
    from src.pipeline.runs import Store

USE = {
    "sentiment": (
        "Tells for each journal entry whether it sounds positive, negative or neutral, with a "
        "calibrated confidence. For trends over a person's own entries."
    ),
    "topics": (
        "Names what each journal entry is about, the most confident topic first, fewer for short "
        "entries. For finding and grouping a person's own entries."
    ),
}
LIMITS = {
    "sentiment": (
        "Not a diagnosis, and no ground for a decision about a person.",
        "Learnt from the words of its training entries: other languages, irony and mixed feelings "
        "are often missed. Answers with `confidence_level` low are not to be relied on.",
        "A text without a single known word is answered neutral with low confidence.",
    ),
    "topics": (
        "Topics are those of its training entries: what they do not speak of has no name here.",
        "A topic keeps its id from version to version while it is the same one, and its name while "
        "that fits; the ids of topics that left are never used again.",
        "An entry of unknown words gets no topic.",
    ),
}
CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
LEFT_OUT = (
    "precision",
    "log_loss",
    *SELECTIVE,
)  # in the evaluation, not on the card, which has its bounds
ORDER = ("ingest", "split", "train", "evaluate")


@dataclass(frozen=True)
class Made:
    """How a model was made, as its runs tell.

    Attributes
    ----------
    runs
        Run ids by step.
    params
        What was typed, or would have to be, without what is the default anyway.
    data
        Content digests by name.
    counts
        What the split counted.
    follows, story
        The version whose topics these carry on, and what became of them.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    follows: str = ""
    story: Sequence[str] = ()
    commit: str = "unknown"
    project: str = "."
    family: str = ""


def gather(store: Store, evaluation_run: str, task: str) -> Made:
    """Follow the runs from an evaluation back to the source."""
    from src.pipeline.runs import code_folder, code_version
    from src.pipeline.step import all_steps

    runs, tags, params = dict[str, str](), dict[str, Mapping[str, str]](), dict[str, str]()
    found: dict[str, Any] = {"counts": {}}
    waiting, steps = [evaluation_run], all_steps()
    while waiting:
        run = store.client.get_run(waiting.pop())
        name = run.data.tags.get(STEP, "")
        if name not in steps or name in runs:
            continue
        runs[name], tags[name] = run.info.run_id, run.data.tags
        # What `mlflow run` logs is quoted for the shell; the key has the values themselves.
        typed = {n: " ".join(shlex.split(v)) for n, v in run.data.params.items()}
        params |= changed(steps[name], typed | dict(read_key(run.data.tags).params))
        if name == "split":
            found["counts"] = {n: int(v) for n, v in run.data.metrics.items()}
        named = (typed.get(artifact) for artifact in steps[name].reads)
        waiting += [store.made_by(uri) for uri in named if uri]
    train = tags.get("train", {})
    if train:
        seal = read_seal(runs["train"], train, 0)
        details = seal.details if seal else {}
        found |= {"follows": details.get("follows", ""), "story": details.get("topics_changed", ())}
        key = read_key(train)
        found |= {"environment": key.environment, "family": str(key.params.get("family", ""))}
        commit, now = train.get("mlflow.source.git.commit", "unknown"), code_version()
        found["commit"] = now if now.startswith(commit) else commit
        if url := train.get("mlflow.source.git.repoURL", ""):
            folder = code_folder()
            found["project"] = CREDENTIALS.sub("", url) + (f"#{folder}" if folder else "")
    data = {n: d for name in tags for n, d in read_key(tags[name]).inputs.items()}
    return Made(runs=runs, params={"model": task} | params, data=data, **found)


def changed(step: Any, values: Mapping[str, Any]) -> dict[str, str]:
    """Keep the parameters of a step and its parts that are not at their defaults.

    Under a search a default that somebody typed says that it was not to be searched.
    """
    from src.pipeline.step import build, fields_of

    typed = {n: str(v) for n, v in values.items() if str(v)}
    params = build(step.params, typed)
    models = (type(params), *(part.params for part in step.parts(params)))
    fields = {n: f for model in models for n, f in fields_of(model).items() if n in typed}
    searched = int(typed.get("trials", 0))
    return {
        name: typed[name]
        for name, field in fields.items()
        if name != "against"
        and (typed[name] != str(field.default) or (searched and field.metadata["search"]))
    }


def render(evaluation: Evaluation, made: Made) -> str:
    """Write the card: use, data, figures, gates, limits, and how to make the model again."""
    parts = (
        f"{USE[evaluation.task]}\n\n**{evaluation.verdict}**",
        "## Trained on\n\n" + trained_on(made),
        *([f"## Topics since {made.follows}\n\n" + bullets(made.story)] if made.story else []),
        f"## Figures\n\nOn {evaluation.n_entries:,} held-out entries, with 95 % intervals from "
        f"{evaluation.n_resamples:,} resamples:\n\n"
        + figures(evaluation)
        + on_abstaining(evaluation.metrics),
        *([on_journals(evaluation.journal)] if evaluation.journal else []),
        *([on_pairs(evaluation.behaviour)] if evaluation.behaviour else []),
        "## Gates\n\n" + gates(evaluation),
        "## Limits\n\n" + bullets(LIMITS[evaluation.task]),
        "## How to make it again\n\n" + reproduce(made),
    )
    return "\n\n".join(parts)


def bullets(lines: Sequence[str]) -> str:
    """Write a list."""
    return "\n".join(f"- {line}" for line in lines)


def trained_on(made: Made) -> str:
    """Say what data, by counts and digests."""
    counts = made.counts
    rows = ["| side | entries | negative | neutral | positive |", "|---|---|---|---|---|"]
    for side in ("train", "valid", "test"):
        names = (f"{side}_{n}" for n in ("entries", "negative", "neutral", "positive"))
        cells = " | ".join(f"{counts.get(name, 0):,}" for name in names)
        rows.append(f"| {side} | {cells} |")
    digests = "\n".join(
        f"- {name}: `{made.data[name]}`"
        for name in ("source", "entries", "splits", "candidate")
        if name in made.data
    )
    source = made.params.get("source", "the built-in corpus")
    table = "\n".join(rows) if counts else "The run that split the data is gone."
    return f"Source: `{source}`.\n\n{table}\n\nDigests of content:\n\n{digests}"


def figures(evaluation: Evaluation) -> str:
    """Write the metrics beside the trivial baseline's, and the champion's where there was one."""
    champion = evaluation.champion.metrics if evaluation.champion else {}
    head = "| metric | this model | trivial baseline |"
    rows = [
        head + " champion then |" if champion else head,
        "|---|---|---|" + "---|" * bool(champion),
    ]
    for name, own in evaluation.metrics.items():
        if name.startswith(LEFT_OUT):
            continue
        row = f"| {spelled(name)} | {own} | {evaluation.baseline.get(name, '')} |"
        rows.append(row + (f" {champion.get(name, '')} |" if champion else ""))
    return "\n".join(rows)


def gates(evaluation: Evaluation) -> str:
    """Write each gate with its verdict and why it is there."""
    known = (*GATES[evaluation.task], *JOURNAL_GATES, *SERVICE_GATES)
    why = {gate.code: gate.why for gate in known}
    lines = [
        f"- {'passed' if verdict.passed else '**failed**'} · {code}: {verdict.sentence}"
        + (f" ({why[code]})" if code in why else "")
        for code, verdict in evaluation.gates.items()
    ]
    if evaluation.champion:
        verdict = evaluation.champion.verdict
        word = "won" if verdict.passed else "**did not win**"
        lines.append(f"- {word} · champion: {verdict.sentence}")
    return "\n".join(lines)


def reproduce(made: Made) -> str:
    """Write one command, and the surroundings it ran in."""
    commit, _, dirty = made.commit.partition(" ")
    given = " ".join(f"-P {name}={shlex.quote(value)}" for name, value in made.params.items())
    project = shlex.quote(made.project)
    text = f"```\nmlflow run {project} -v {commit} -e main --env-manager uv {given}\n```\n\n"
    if dirty:
        text += "Files differed from that commit when it was registered.\n\n"
    packages = ", ".join(f"{name} {version}" for name, version in made.environment.items())
    runs = ", ".join(f"{name} `{made.runs[name]}`" for name in ORDER if name in made.runs)
    return text + f"Made with {packages or 'an unknown environment'}.\n\nRuns: {runs}."
