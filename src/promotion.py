"""How versions move between stages, so that `latest` and Production always answer alike.

Services load the newest version or the one in Production, so these must hold the same model: a
version goes to Production as the newest, and an older one is registered again first. Nothing is
locked. Whoever moves a version looks again afterwards (`settle`) and puts right what other
commands at the same time, a killed command or a person's hand left: several versions in
Production, a newest version that is another model, aliases left behind.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import mlflow
from mlflow.exceptions import MlflowException

from src.errors import UserError
from src.pipeline.patience import written
from src.registry import (
    ALIASES,
    ARCHIVED,
    CHAMPION,
    MOVED,
    MOVES,
    PRODUCTION,
    STAGE,
    SUPERSEDED_BY,
    Version,
    aliases_of,
    champion,
    differs,
    fitted,
    versions,
    wanted_aliases,
)

REPLACED = "pipeline.replaced"  # the version that stood in Production before
AGAIN = "pipeline.again"  # the version whose model this one holds again
FORCED = "pipeline.force_reason"
OF_ITS_OWN = (SUPERSEDED_BY, REPLACED, AGAIN, STAGE, MOVED)  # tags that a copy does not take over
LOOKS = 10  # how often the registry is looked at before others are left to put it right
STAGELESS = {"NOT_IMPLEMENTED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED"}


@dataclass(frozen=True)
class Reason:
    """Who moves a version, why, and the run that records it.

    Attributes
    ----------
    by_evidence
        True where an evaluation decided, not a person: only then may a later evaluation bring
        back what was replaced.
    forced
        Why a person overrode the verdict; empty where nobody did.
    """

    by: str
    why: str
    run_id: str
    by_evidence: bool = False
    forced: str = ""


@dataclass(frozen=True)
class Move:
    """What a move came to.

    Attributes
    ----------
    version
        As it stands now; not the one that was asked for where that was registered again.
    asked
        The version asked for, as it stood before.
    moved
        Whether anything changed.
    replaced
        What stood in Production before, if that is another model.
    """

    version: Version
    asked: Version
    moved: bool
    replaced: Version | None = None

    @property
    def sentence(self) -> str:
        """Say it in a line."""
        now, asked = self.version, self.asked
        if not self.moved:
            return f"{now.name} version {now.number} is in {now.stage} already"
        text = f"{now.name} version {now.number} "
        if now.number != asked.number:
            text += f"(version {asked.number} again) is in {now.stage}"
        else:
            text += f"moved from {asked.stage} to {now.stage}"
        return text + (f" in place of version {self.replaced.number}" if self.replaced else "")

    def tags(self, reason: Reason) -> dict[str, str]:
        """Say it on the run that made it."""
        return {
            "move.model": self.version.name,
            "move.version": str(self.version.number),
            "move.of": str(self.asked.number),
            "move.from": self.asked.stage,
            "move.to": self.version.stage,
            "move.replaced": str(self.replaced.number) if self.replaced else "none",
            "move.by": reason.by,
            "move.why": reason.why[:5000],
        }


def move(asked: Version, stage: str, reason: Reason) -> Move:
    """Move a version to a stage; to Production as the newest version.

    Raises
    ------
    UserError
        Another move at the same time won.
    """
    name, client = asked.name, mlflow.MlflowClient()
    before = champion(name)
    target = asked
    if stage == PRODUCTION:
        target = as_newest(asked)
    number, replaced = str(target.number), None
    if stage == PRODUCTION and before and before.identity != target.identity:
        replaced = before
        written(client.set_model_version_tag, name, number, REPLACED, str(before.number))
        if reason.by_evidence:
            written(client.set_model_version_tag, name, str(before.number), SUPERSEDED_BY, number)
    if SUPERSEDED_BY in target.tags and stage in ALIASES:
        written(client.delete_model_version_tag, name, number, SUPERSEDED_BY)
    if reason.forced:
        written(client.set_model_version_tag, name, number, FORCED, reason.forced)
    if target.stage != stage:
        set_stage(target, stage)
    settle(name)
    now = next((v for v in versions(name) if v.number == target.number), target)
    if now.stage != stage:
        best = champion(name)
        if stage != PRODUCTION or best is None or best.identity != target.identity:
            there = f"version {best.number} is in Production" if best else "none is in Production"
            raise UserError(
                f"{name} version {number} was moved by somebody else at the same time: {there}.",
                "Look at the versions and decide again: python -m steps promote",
            )
        now = best  # somebody else's look registered it once more
    done = Move(now, asked, target.stage != stage, replaced)
    if done.moved:
        note(now, f"{asked.stage} → {stage}", reason)
        if replaced:
            note(replaced, f"{PRODUCTION} → {ARCHIVED}, replaced by version {now.number}", reason)
    return done


def as_newest(version: Version) -> Version:
    """Give the newest version if it holds this very model, else register the model again."""
    newest = versions(version.name)[0]
    return newest if newest.identity == version.identity else again(version)


def again(version: Version) -> Version:
    """Register a version's model once more, as the newest version with the same card."""
    kept = {name: value for name, value in version.tags.items() if name not in OF_ITS_OWN}
    first = version.tags.get(AGAIN, str(version.number))
    with quiet():
        made = written(
            mlflow.MlflowClient().create_model_version,
            version.name,
            version.source,
            run_id=version.run_id or None,
            tags={**kept, AGAIN: first},
            description=fitted(f"_Version {first} again._\n\n" + card_of(version)),
        )
    return next(v for v in versions(version.name) if v.number == int(made.version))


def card_of(version: Version) -> str:
    """Give a version's card without its moves."""
    return version.description.partition(MOVES)[0].rpartition("again._\n\n")[2]


def note(version: Version, text: str, reason: Reason) -> None:
    """Add a line to a version's list of moves, below its card."""
    client, number = mlflow.MlflowClient(), str(version.number)
    card, _, moves = (client.get_model_version(version.name, number).description or "").partition(
        MOVES
    )
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    why = " ".join(reason.why.split())
    moves += f"\n- {when}: {text}, by {reason.by}. {why} (run `{reason.run_id}`)"
    written(client.update_model_version, version.name, number, fitted(card, moves))


def set_stage(version: Version, stage: str) -> None:
    """Move one version; what stands in Production meanwhile is archived."""
    client, name, number = mlflow.MlflowClient(), version.name, str(version.number)
    written(client.set_model_version_tag, name, number, MOVED, stage)
    try:
        with quiet():
            written(
                client.transition_model_version_stage,
                name,
                number,
                stage,
                archive_existing_versions=stage == PRODUCTION,
            )
        return
    except (NotImplementedError, AttributeError):
        pass
    except MlflowException as error:
        if error.error_code not in STAGELESS and "support" not in str(error):
            raise
    # The registry knows no stages: the alias is the stage, and the tag tells that it is.
    written(client.set_model_version_tag, name, number, STAGE, stage)
    for known, alias in ALIASES.items():
        if known == stage:
            written(client.set_registered_model_alias, name, alias, number)
        elif aliases_of(name).get(alias) == version.number:
            written(client.delete_registered_model_alias, name, alias)


def settle(name: str) -> None:
    """Leave one version in Production, the newest one with the same model, aliases on them.

    Of several in Production the newest stays. A newest version in Staging stays as it is: a
    person asked for it and was warned.
    """
    for _ in range(LOOKS):
        known = versions(name)
        if not known:
            return
        standing = [v for v in known if v.stage == PRODUCTION]
        for old in standing[1:]:
            set_stage(old, ARCHIVED)
        if standing and differs(known[0], standing[0]):
            set_stage(remember(name, again(standing[0])), PRODUCTION)
        elif len(standing) < 2:
            if standing:
                remember(name, standing[0])
            follow(name, known)
            if [(v.number, v.stage) for v in versions(name)] == [
                (v.number, v.stage) for v in known
            ]:
                return


def remember(name: str, standing: Version) -> Version:
    """Note what stood in Production before a person moved versions by hand: `@champion` knows."""
    old = aliases_of(name).get(CHAMPION)
    before = next((v for v in versions(name) if v.number == old), None)
    if before and before.identity != standing.identity:
        client = mlflow.MlflowClient()
        written(client.set_model_version_tag, name, str(standing.number), REPLACED, str(old))
    return standing


def follow(name: str, known: list[Version]) -> None:
    """Let the aliases follow the stages."""
    client, aliases, wanted = mlflow.MlflowClient(), aliases_of(name), wanted_aliases(known)
    for alias in ALIASES.values():
        if alias in wanted and aliases.get(alias) != wanted[alias]:
            written(client.set_registered_model_alias, name, alias, str(wanted[alias]))
        elif alias in aliases and alias not in wanted:
            written(client.delete_registered_model_alias, name, alias)


def previous(name: str) -> Version:
    """Find the version that stood in Production before the one that does now.

    Raises
    ------
    UserError
        There was none, or it is gone.
    """
    known, best = versions(name), champion(name)
    number = best.tags.get(REPLACED) if best else None
    others = [v for v in known if best is None or v.identity != best.identity]
    found = next((v for v in others if str(v.number) == number), None)
    found = found or next((v for v in others if v.stage == ARCHIVED), None)
    if found is None:
        there = f"before version {best.number}" if best else "so far"
        raise UserError(
            f"no version of {name} stood in Production {there}.",
            "List the versions: python -m steps promote",
        )
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out that stages are deprecated: the services that load these models ask for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
