"""Fits topics that follow an earlier version's: the same topic keeps its id and its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.step import param
from src.training.family import TASKS, Family
from src.training.known_terms import MIN_AUTHORS
from src.training.rows import texts
from src.training.topic_space import drawn

if TYPE_CHECKING:
    import pyarrow as pa

    from src.pipeline.execute import Context
    from src.pipeline.keys import Key
    from src.pipeline.results import Sealed

NOBODY = "none"
PREDECESSOR = "predecessor"  # its digest, among what a training's result depends on
LOOKED_AT = 5_000  # training entries that tell which topics are the same


@dataclass(frozen=True)
class FollowParams:
    """Whose topics new ones carry on."""

    follow: str = param(
        "",
        "The version whose topics keep their ids, as models:/…; the champion if empty, none to "
        "start anew",
        content=False,
    )
    update: bool = param(
        False, "Go on from that version with these entries, where its own are not at hand"
    )
    merge: str = param("", "Topics of that version to make one, by their ids: 3+7,2+9")


def check(params: FollowParams) -> None:
    """Refuse what contradicts itself.

    Raises
    ------
    UserError
        Ids to merge are no ids, or something is to be done with topics that nobody follows.
    """
    merged(params.merge)
    if params.update and params.merge:
        raise UserError("update and merge are two things.", "Do one after the other.")
    if params.follow not in ("", NOBODY) and not params.follow.startswith("models:/"):
        raise UserError(
            f"follow={params.follow} is no version.",
            "Write -P follow=models:/adaptive_journal_topics/<version>",
        )
    if params.follow == NOBODY and (params.update or params.merge):
        raise UserError(
            "follow=none starts anew; update and merge go on from a version.",
            "Leave follow out for the champion, or name a version: -P follow=models:/…",
        )


def merged(text: str) -> dict[int, int]:
    """Read which topics go into which, as in `3+7,2+9`: all of a group into its first.

    Examples
    --------
    >>> merged("3+7,2+9+4")
    {7: 3, 9: 2, 4: 2}
    """
    found, seen = dict[int, int](), list[int]()
    for group in filter(None, text.split(",")):
        parts = [part.strip() for part in group.split("+")]
        plain = all(part.isascii() and part.isdigit() for part in parts)
        ids = [int(part) for part in parts] if plain else []
        seen += ids
        if len(ids) < 2 or len(set(seen)) < len(seen):
            raise UserError(
                f"merge={text} is no list of ids, each named once.", "Write it like merge=3+7,2+9"
            )
        found |= dict.fromkeys(ids[1:], ids[0])
    return found


def predecessor(params: FollowParams) -> tuple[str, str]:
    """Name the version that is followed, and what stands for its content; empty if none is.

    Raises
    ------
    UserError
        There is no such version.
    """
    from src import registry

    if params.follow == NOBODY:
        return "", ""
    if params.follow:
        from mlflow.exceptions import MlflowException

        try:
            found = registry.identity_of(params.follow)
        except MlflowException:
            found = params.follow
        if found == params.follow and not found.startswith("models:/m-"):
            raise UserError(
                f"follow={params.follow}: the registry has no such version.",
                "Look into the tracking UI; or leave follow out for the champion.",
            )
        return params.follow, found
    champion = registry.champion(TASKS["topics"].registered_name)
    return (champion.uri, champion.identity) if champion else ("", "")


def outside(params: FollowParams) -> dict[str, str]:
    """Digest the version that is followed."""
    return {PREDECESSOR: predecessor(params)[1] or NOBODY}


def made_the_champion(key: Key, find: Callable[[str], Sealed | None]) -> Sealed | None:
    """Find the training that made the champion, where only the champion is new since.

    It followed the champion's predecessor; a pipeline whose own result became the champion has
    nothing to do again.
    """
    from src import registry

    champion = registry.champion(TASKS["topics"].registered_name)
    if champion is None or champion.identity != key.inputs.get(PREDECESSOR):
        return None
    before = champion.tags.get(f"data.{PREDECESSOR}")
    if before is None:
        return None
    found = find(replace(key, inputs={**key.inputs, PREDECESSOR: before}).digest)
    return found if found and found.outputs["candidate"].digest == champion.digest else None


def fit_following(
    params: FollowParams,
    context: Context,
    chosen: Family,
    own: Any,
    train: pa.Table,
    valid: pa.Table,
    folder: Path,
) -> Mapping[str, float | int | str]:
    """Fit a family, then carry over the ids and names of the version that is followed.

    Raises
    ------
    UserError
        That version cannot be read, or the family cannot go on from it as asked.
    """
    (uri, _), seed = predecessor(params), context.params.seed
    if (params.update or params.merge) and not (uri and chosen.fit_from):
        why = f"the family {chosen.name} starts anew" if uri else "there is no version to follow"
        raise UserError(
            f"update and merge go on from a version, and {why}.",
            "Leave them out, or take -P family=semantic once a version is registered.",
        )
    if not uri:
        return chosen.fit(train, valid, own, folder, seed, context.say)
    import pyarrow.parquet as pq

    from src.training.topic_identity import Start, carry_over, counts, story, table

    earlier = opened(context, uri, own.min_authors)
    start = Start(earlier, params.update, merged(params.merge))
    if chosen.fit_from:
        fitted = chosen.fit_from(train, valid, own, folder, seed, context.say, start)
    else:
        fitted = chosen.fit(train, valid, own, folder, seed, context.say)
    found = texts(train)
    changes = carry_over(folder, start, [found[i] for i in drawn(found, LOOKED_AT, seed)])
    path = context.folder / "topics_changed.parquet"
    pq.write_table(table(changes), path)
    context.store.upload(context.run_id, path)
    context.details["follows"] = uri
    context.details["goes_on"] = chosen.fit_from is not None
    context.details["topics_changed"] = story(changes)
    context.log_metrics(counts(changes))
    return fitted


def opened(context: Context, uri: str, min_authors: int) -> Any:
    """Bring the version that is followed here and load its plain files.

    Its words and names stand on entries that are not at hand, so they must have been asked of as
    many authors as new ones are.

    Raises
    ------
    UserError
        It is no topic model of this project's, or it may know what fewer authors wrote.
    """
    from mlflow.models import Model

    from src.models.topic_extractor import TopicExtractor

    path = context.fetch(uri, PREDECESSOR)
    try:
        noted = Model.load(str(next(path.rglob("MLmodel")))).metadata or {}
        if (asked := noted.get(MIN_AUTHORS, 1)) < min_authors:
            raise UserError(
                f"{uri} was made with min_authors={asked}, less than {min_authors}: its topics may "
                "be named by words of one person.",
                f"Start anew: -P follow={NOBODY} — or, if its people may be remembered: "
                f"-P min_authors={asked}",
            )
        return TopicExtractor.from_folder(next(path.rglob("manifest.json")).parent)
    except (StopIteration, ValueError, KeyError):
        raise UserError(
            f"{uri} is no topic model that this project wrote.",
            "Start anew: -P follow=none — or name another version.",
        ) from None
