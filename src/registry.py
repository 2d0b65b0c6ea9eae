"""What the model registry holds: versions, the champion, and who has to be beaten.

The stage is the truth: the champion is the version in Production, and `@champion` follows it. A
registry without stages is read by its aliases alone. A version carries the digest of its model's
content and of the champion it was judged against, so that a pipeline whose own result became the
champion is still compared with its predecessor. How versions move is in `src/promotion.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from src.errors import UserError
from src.pipeline.caller import tracking_uri
from src.pipeline.lookup import UnreadableError, reader

CHAMPION, CHALLENGER = "champion", "challenger"
MOVES = "\n\n## Moves\n"  # what parts a version's card from its moves
LONGEST = 5_000  # characters of a description that MLflow's tables hold
LONGEST_MOVE, LEAST_MOVES = 600, 3
PRODUCTION, STAGING, ARCHIVED, NONE = "Production", "Staging", "Archived", "None"
STAGES, LATEST = (PRODUCTION, STAGING, ARCHIVED), "latest"
ALIASES = {PRODUCTION: CHAMPION, STAGING: CHALLENGER}
STAGE = "pipeline.stage"  # where the registry itself keeps none
MOVED = "pipeline.moved"  # the stage that a command of ours moved it to last
DIGEST, JUDGED_AGAINST, SUPERSEDED_BY = (
    "pipeline.digest",
    "pipeline.judged_against",
    "pipeline.superseded_by",
)
NOBODY = "none"  # the digest that stands for "no champion"


@dataclass(frozen=True)
class Version:
    """A registered version.

    Attributes
    ----------
    digest
        Content digest of its model; empty for a version that this project did not register.
    source
        The logged model that it is a version of.
    """

    name: str
    number: int
    stage: str
    digest: str
    run_id: str
    source: str
    description: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """Where MLflow loads it from."""
        return f"models:/{self.name}/{self.number}"

    @property
    def identity(self) -> str:
        """What stands for its content in keys."""
        return self.digest or self.uri


def versions(name: str) -> list[Version]:
    """List all versions of a registered model, newest first; none if there is no such model."""
    found = list[Version]()
    light = reader(os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri())
    if light is not None:
        with suppress(UnreadableError):
            read = [
                Version(
                    name,
                    v.number,
                    v.stage or NONE,
                    v.tags.get(DIGEST, ""),
                    v.run_id,
                    v.source,
                    v.description,
                    v.tags,
                )
                for v in light.versions(name)
            ]
            if not any(STAGE in v.tags for v in read):
                return sorted(read, key=lambda version: -version.number)
    import mlflow

    client = mlflow.MlflowClient()
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += [
            Version(
                name,
                int(v.version),
                v.current_stage or NONE,
                v.tags.get(DIGEST, ""),
                v.run_id or "",
                v.source or "",
                v.description or "",
                v.tags,
            )
            for v in page
        ]
        token = page.token
        if not token:
            break
    if any(STAGE in v.tags for v in found) and all(v.stage == NONE for v in found):
        found = staged_by_alias(name, found)
    return sorted(found, key=lambda version: -version.number)


def staged_by_alias(name: str, found: list[Version]) -> list[Version]:
    """Give versions the stage that their alias stands for; one that lost it is archived."""
    import mlflow

    aliases = mlflow.MlflowClient().get_registered_model(name).aliases
    stages = {int(aliases[a]): stage for stage, a in ALIASES.items() if a in aliases}
    return [
        replace(
            v, stage=stages.get(v.number, NONE if v.tags.get(STAGE, NONE) == NONE else ARCHIVED)
        )
        for v in found
    ]


def differs(newest: Version, standing: Version) -> bool:
    """Tell whether services on `latest` get another model than those on Production."""
    return newest.identity != standing.identity and newest.stage != STAGING


def settled(name: str) -> bool:
    """Tell whether there is nothing to put right."""
    known = versions(name)
    standing = [v for v in known if v.stage == PRODUCTION]
    if len(standing) > 1 or (standing and differs(known[0], standing[0])):
        return False
    return not known or aliases_of(name) == wanted_aliases(known)


def aliases_of(name: str) -> dict[str, int]:
    """Give our aliases with the versions they stand on."""
    found: Mapping[str, str | int] | None = None
    light = reader(os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri())
    if light is not None:
        with suppress(UnreadableError):
            found = light.aliases(name)
    if found is None:
        import mlflow

        found = mlflow.MlflowClient().get_registered_model(name).aliases
    return {alias: int(found[alias]) for alias in ALIASES.values() if alias in found}


def wanted_aliases(known: list[Version]) -> dict[str, int]:
    """Give our aliases with the versions they should stand on: the newest of each stage."""
    return {ALIASES[v.stage]: v.number for v in reversed(known) if v.stage in ALIASES}


def champion(name: str) -> Version | None:
    """Give the version in Production; the newest of them if a person left several."""
    return next((v for v in versions(name) if v.stage == PRODUCTION), None)


def rival(name: str, candidate: str) -> Version | None:
    """Give the version that a candidate has to beat.

    That is the champion; for a candidate that is the champion itself, the version that the
    champion was judged against.

    Parameters
    ----------
    candidate
        Content digest of the candidate's model.
    """
    best = champion(name)
    if best is None or best.identity != candidate:
        return best
    before = best.tags.get(JUDGED_AGAINST, NOBODY)
    return next((v for v in versions(name) if v.identity == before), None)


def rival_digest(name: str, candidate: str) -> str:
    """Give the rival's digest, "none" where there is nobody to beat.

    A champion's predecessor counts by its recorded digest, also when it was deleted since.
    """
    best = champion(name)
    if best is None:
        return NOBODY
    if best.identity != candidate:
        return best.identity
    return best.tags.get(JUDGED_AGAINST, NOBODY)


def identity_of(uri: str) -> str:
    """Give what stands for the content of any model URI in keys: it never changes its meaning."""
    if uri.startswith("models:/m-"):
        return uri
    import mlflow
    from mlflow.store.artifact.utils.models import get_model_name_and_version

    client = mlflow.MlflowClient()
    name, number = get_model_name_and_version(client, uri)  # type: ignore[no-untyped-call]
    return next((v.identity for v in versions(name) if v.number == int(number)), uri)


def exists(name: str, number: int) -> bool:
    """Tell whether a version is still there."""
    return any(v.number == number for v in versions(name))


def same_model(name: str, candidate: str) -> Version | None:
    """Find the newest version that holds this very content."""
    return next((v for v in versions(name) if v.digest == candidate), None)


def left_behind(version: Version) -> bool:
    """Tell whether an interrupted registration left a version before it came to a stage."""
    return version.stage == NONE and MOVED not in version.tags


def write_card(version: Version, card: str) -> None:
    """Give a version its card."""
    import mlflow

    mlflow.MlflowClient().update_model_version(version.name, str(version.number), fitted(card))


def fitted(card: str, moves: str = "") -> str:
    """Join a card and a version's moves to a description that every database keeps.

    The oldest moves go first, down to three; then the end of the card.
    """
    lines = [line[:LONGEST_MOVE] for line in moves.strip().splitlines()]
    while len(lines) > LEAST_MOVES and len(card) + sum(map(len, lines)) > LONGEST - LONGEST_MOVE:
        lines.pop(0)
    below = "\n".join([MOVES, *lines]) if lines else ""
    room = LONGEST - len(below)
    return (card if len(card) <= room else card[: room - 1] + "…") + below


def register(name: str, model_uri: str, tags: Mapping[str, str], card: str) -> Version:
    """Create a version of a logged model with its card; it holds no stage yet.

    A version that an interrupted registration left without a stage is taken up again.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    left = same_model(name, tags[DIGEST])
    if left is not None and left_behind(left):
        return left
    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = mlflow.register_model(model_uri, name, tags=dict(tags))
    version = next(v for v in versions(name) if v.number == int(made.version))
    write_card(version, card)
    return version


def meant(wanted: str) -> str:
    """Say what a version is called by: `latest`, a stage or its alias, a number; empty if nothing.

    Examples
    --------
    >>> meant("production"), meant("challenger"), meant("Latest"), meant("03"), meant("newest")
    ('Production', 'Staging', 'latest', '3', '')
    """
    if wanted.isascii() and wanted.isdecimal():
        return str(int(wanted))
    word = wanted.lower()
    by_alias = {alias: stage for stage, alias in ALIASES.items()}
    stage = by_alias.get(word, word.capitalize())
    return stage if stage in STAGES else LATEST if word == LATEST else ""


def resolved(name: str, wanted: str) -> Version:
    """Find a version by what `meant` knows it by.

    Raises
    ------
    UserError
        There is none; says which there are.
    """
    from src.training.family import TASKS

    known, called = versions(name), meant(wanted)
    fits = [v for v in known if called in (LATEST, v.stage, str(v.number))]
    if fits:
        return fits[0]
    if not known:
        task = next((t.name for t in TASKS.values() if t.registered_name == name), "…")
        hint = f"Make one: python -m steps main -P model={task}"
        raise UserError(f"{name} has no version yet.", hint)
    there = ", ".join(
        f"{v.number} ({v.stage})" if v.stage in STAGES else str(v.number) for v in known
    )
    raise UserError(f"{name} has no version {wanted}.", f"There is: {there}.")
