"""Which models were trained with entries of forgotten people, and which are free of them.

The proof is the table `trained_on` of a model's training: the digests of all that it has read.
A model that goes on from another one (an update, a teacher, a backbone) is as free as that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src import registry
from src.data.forgotten import Mark
from src.pipeline.results import KEY, STEP, read_key, read_seal

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from src.pipeline.runs import Store

TRAINED_WITH = "forgotten.trained_with"  # a tag: with how many of their entries; 0 is proven
RESTS_ON = "forgotten.rests_on"  # a tag: the model it goes on from, which was trained with some
FROM = ("teacher", "backbone")  # parameters that name a model which another one is made from
GOES_ON = ("update", "merge")  # what makes topics of those of another version, and no new ones
LINE = re.compile(r"\A_Trained with [\d,]+ entries of people [^\n]*_\n\n")


@dataclass(frozen=True)
class Proof:
    """What is known of a registered version.

    Attributes
    ----------
    trained_with
        How many entries of the forgotten it was trained with; None where its training is gone.
    rests_on
        A model that was trained with some, and that this one goes on from; empty if none.
    follows
        The version whose topics' names it may carry on.
    """

    name: str
    task: str
    version: int
    stage: str
    run_id: str
    model: str
    trained_with: int | None
    rests_on: str = ""
    follows: str = ""

    @property
    def free(self) -> bool:
        """Whether it is proven to be free of them."""
        return self.trained_with == 0 and not self.rests_on


def versions(store: Store, runs: Iterable[Run], trained: Mapping[str, int]) -> list[dict[str, Any]]:
    """Say of every registered version whether it was trained with them, newest first.

    Parameters
    ----------
    runs
        All runs of the store.
    trained
        For each run that trained a model, with how many entries of theirs.
    """
    from src.training.family import TASKS

    by_id = {run.info.run_id: run for run in runs}
    found = list[dict[str, Any]]()
    for name, task in TASKS.items():
        for version in registry.versions(task.registered_name):
            run_id = training_of(version)
            proof = Proof(
                version.name,
                name,
                version.number,
                version.stage,
                run_id,
                version.source,
                trained.get(run_id),
                *ancestry(store, run_id, by_id, trained),
            )
            found.append(vars(proof) | {"free": proof.free})
    return found


def training_of(version: registry.Version) -> str:
    """Name the run that trained a version; empty where nobody knows."""
    return version.tags.get("run.train", "") or version.run_id


def ancestry(
    store: Store, run_id: str, by_id: Mapping[str, Run], trained: Mapping[str, int]
) -> tuple[str, str]:
    """Name the model that a training went on from, if it has seen them; and whom it follows."""
    if run_id not in by_id:
        return "", ""
    seen, waiting = {run_id}, list(goes_on_from(by_id[run_id]))
    while waiting:
        uri = waiting.pop()
        origin = store.made_by(uri) if known(store, uri) else ""
        if trained.get(origin, 0):
            return uri, ""
        if origin in by_id and origin not in seen:
            seen.add(origin)
            waiting += goes_on_from(by_id[origin])
    sealed = read_seal(run_id, by_id[run_id].data.tags, 0)
    return "", str(sealed.details.get("follows", "")) if sealed else ""


def known(store: Store, uri: str) -> bool:
    """Tell whether the store still has a model."""
    from mlflow.exceptions import MlflowException

    try:
        store.made_by(uri)
    except MlflowException:
        return False
    return True


def goes_on_from(run: Run) -> Iterator[str]:
    """List the models that a training made its own from."""
    given, tags = run.data.params, run.data.tags
    read = read_key(tags).inputs if STEP in tags and KEY + "inputs" in tags else {}
    named = {words.get(name, "") for words in (given, read) for name in FROM}
    yield from sorted(name for name in named if name.startswith("models:/"))
    sealed = read_seal(run.info.run_id, tags, 0)
    typed = any(given.get(name, "").lower() not in ("", "false", "''") for name in GOES_ON)
    # Topics that follow a version are half of it; those that do not take its names at most.
    if sealed and sealed.details.get("follows") and sealed.details.get("goes_on", typed):
        yield str(sealed.details["follows"])


def tag(client: MlflowClient, found: Iterable[Mapping[str, Any]]) -> None:
    """Tag registered versions with what was found of them, and say it on their cards."""
    from src.pipeline.patience import written

    for one in found:
        name, number = one["name"], str(one["version"])
        if one["trained_with"] is None:
            continue
        tags = {TRAINED_WITH: str(one["trained_with"])}
        tags |= {RESTS_ON: one["rests_on"]} if one["rests_on"] else {}
        for key, value in tags.items():
            written(client.set_model_version_tag, name, number, key, value)
        if not one["trained_with"]:
            continue
        said = client.get_model_version(name, number).description or ""
        card, mark, moves = LINE.sub("", said).partition(registry.MOVES)
        line = f"_Trained with {one['trained_with']:,} entries of people who are forgotten since._"
        written(
            client.update_model_version,
            name,
            number,
            registry.fitted(f"{line}\n\n{card}", moves if mark else ""),
        )


def proof(store: Store, model: str, marks: Iterable[Mark], folder: Path) -> dict[str, str]:
    """Give the tags of a model that is registered now: whether it has read any of theirs."""
    from src.data.seen import read_trained_on
    from src.forgetting.kept import trained_with

    run_id = store.made_by(model)
    noted = store.client.get_run(run_id).data.tags.get(TRAINED_WITH, "0") if run_id else "0"
    made = store.sibling(model, "trained_on")
    if made is None:
        return {}
    if noted != "0":  # what it was trained with has left the table since
        return {TRAINED_WITH: noted}
    digests = read_trained_on(Path(store.download(made.uri, folder)))
    return {TRAINED_WITH: str(trained_with(digests, frozenset(marks)))}
