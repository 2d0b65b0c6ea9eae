"""A registered version: where it came from, how good it is, its card, its model brought here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src.errors import UserError
from src.evaluation.evaluation import Evaluation
from src.registry import DIGEST, JUDGED_AGAINST, NOBODY, Version

if TYPE_CHECKING:
    from src.pipeline.execute import Context
    from src.pipeline.runs import Store

PASSED, VERDICT = "pipeline.passed", "verdict"


def tags(
    store: Store, evaluation: Evaluation, candidate_uri: str, evaluation_uri: str
) -> dict[str, str]:
    """Say what a version is, how good, and which runs made it."""
    from src.forgetting.forget import proof
    from src.pipeline.runs import code_version

    found = {
        DIGEST: evaluation.candidate_digest,
        JUDGED_AGAINST: evaluation.champion_digest or NOBODY,
        PASSED: str(evaluation.passed).lower(),
        "git.commit": code_version(),
        VERDICT: evaluation.verdict[:5000],
    }
    for uri in (candidate_uri, evaluation_uri):
        found |= store.lineage(uri)
    found |= proof(store, candidate_uri)
    return found | {f"metric.{n}": str(estimate) for n, estimate in evaluation.metrics.items()}


def card(store: Store, evaluation: Evaluation, evaluation_uri: str) -> str:
    """Write a version's card."""
    from src.evaluation.cards.model_card import gather, render

    return render(evaluation, gather(store, store.made_by(evaluation_uri), evaluation.task))


def read_evaluation(store: Store, uri: str, folder: Path) -> Evaluation:
    """Read an evaluation artifact."""
    path = Path(store.download(uri, folder)) / "evaluation.json"
    return Evaluation.from_json(path.read_text(encoding="utf-8"))


def who(store: Store, run_id: str) -> str:
    """Name the user of a run."""
    return str(store.client.get_run(run_id).data.tags.get("mlflow.user", "unknown"))


def brought(context: Context, version: Version) -> Path:
    """Bring a version's model here; gives its folder.

    Raises
    ------
    UserError
        It is not what was registered.
    """
    from src.pipeline.content import content_digest

    folder = context.fetch(version.uri, "model")
    if version.digest and content_digest(folder) != version.digest:
        raise UserError(
            f"{version.uri} is not what was registered: altered or cut.",
            "Name another version: -P version=N — or roll back: "
            "python -m steps promote -P version=previous",
        )
    return folder
