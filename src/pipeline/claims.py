"""Claims: of several processes that want to do the same work, one does it and the others wait.

A claim is the name of a registered model, the one thing that MLflow both keeps unique in every
store (sqlite, PostgreSQL, behind a server) and removes for good: while the work goes on, the
registry holds `.claim-<experiment>-<key>`, made in one transaction with tags that say who owns
it. (An experiment's name is unique too, but stays for ever; a run's parameter cannot be removed;
tags and aliases are overwritten.)

A claim whose owner died is never changed, so that two processes cannot take it over at once: it
gets a successor, `<claim>-<token of the dead one>`, whose name is as unique. The whole chain
stands as long as its first claim does: the owner at its end removes the first claim first, and a
process that won a successor looks whether the first claim still stands before it begins.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from src.pipeline.owner import beating, is_alive, me, read_owner

PREFIX = ".claim-"
SERIAL = "pipeline.serial"
RUN = "pipeline.run"
WORKER = "pipeline.worker"  # put before the owner's tags: the step that works for the owner
SHORTEST_SECONDS, LONGEST_SECONDS = 0.1, 3.0

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """A claim as the store has it: its name and its tags."""

    name: str
    tags: Mapping[str, str]

    @property
    def token(self) -> str:
        """Tell it from every other claim that ever had its name."""
        return self.tags.get(SERIAL, "")

    @property
    def run_id(self) -> str:
        """Give the run under which the work is done; empty if it has none yet."""
        return self.tags.get(RUN, "")

    @property
    def is_held(self) -> bool:
        """Whether its owner lives, or the step that works for it."""
        worker = {n.removeprefix(WORKER): v for n, v in self.tags.items() if n.startswith(WORKER)}
        return is_alive(self.tags) or (bool(worker) and is_alive(worker))

    def __str__(self) -> str:
        run = f"run {self.run_id} of " if self.run_id else ""
        return f"{run}{read_owner(self.tags) or 'somebody unknown'}"


class Claims:
    """The claims of one experiment."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        self.client = client
        self.start = f"{PREFIX}{experiment_id}-"

    def take(self, digest: str, run_id: str) -> tuple[bool, Claim]:
        """Try to get a claim; also give it, or the one that somebody alive holds."""
        while True:
            first = name = self.start + digest
            token, root = uuid.uuid4().hex[:12], ""
            tags = {SERIAL: token, RUN: run_id, **me().as_tags()}
            while self._make(name, tags) is False:
                found = self._get(name)
                if found is None or found.is_held:
                    break
                root = root or found.token
                name = f"{first}-{found.token}"
            else:
                standing = self._get(first) if root else None
                if not root or (standing and standing.token == root):
                    return True, Claim(name, tags)
                self._remove(name)
                continue
            if found:
                return False, found

    def release(self, digest: str, mine: Claim, thoroughly: bool = False) -> None:
        """Give up a claim that is held, and clear away the dead ones that it succeeded."""
        names = {mine.name}
        if thoroughly or mine.name != self.start + digest:
            names |= {claim.name for claim in self.all(self.start + digest)}
        for name in sorted(names, key=len):  # the first of the chain has the shortest name
            self._remove(name)

    def clear_dead(self) -> int:
        """Remove what dead owners left, each as its new owner; count them."""
        dead = [claim for claim in self.all(self.start) if not claim.is_held]
        for digest in {claim.name.removeprefix(self.start).partition("-")[0] for claim in dead}:
            won, mine = self.take(digest, "")
            if won:
                self.release(digest, mine, thoroughly=True)
        return len(dead)

    def all(self, start: str) -> list[Claim]:
        """List the claims whose names start so."""
        found, token = list[Claim](), None
        while True:
            page = self.client.search_registered_models(f"name LIKE '{start}%'", page_token=token)
            found += [Claim(model.name, model.tags) for model in page]
            token = page.token
            if not token:
                return found

    def tag(self, claim: Claim, tags: Mapping[str, str]) -> None:
        """Write tags on a claim."""
        for name, value in tags.items():
            self.client.set_registered_model_tag(claim.name, name, value)

    def _make(self, name: str, tags: Mapping[str, str]) -> bool:
        about = "Held while a step runs, so that it runs once; gone when it ends."
        try:
            self.client.create_registered_model(name, dict(tags), about)
        except MlflowException as error:
            # MLflow looks at the one that exists, which may just have been removed.
            if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
                raise
            found = self._get(name)
            # The store made it and went away before it could say so; it was asked again.
            return found is not None and found.token == tags[SERIAL]
        return True

    def _get(self, name: str) -> Claim | None:
        try:
            claim = Claim(name, self.client.get_registered_model(name).tags)
            # MLflow reads a model and then its tags: one without was removed in between.
            return claim if claim.token else None
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def _remove(self, name: str) -> None:
        try:
            self.client.delete_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise


@contextmanager
def claimed(
    claims: Claims,
    digest: str,
    run_id: str,
    parent_id: str,
    done: Callable[[], T | None],
    tell: Callable[[Claim], None],
) -> Iterator[T | None]:
    """Hold the claim to some work for the block, or wait until somebody else has done it.

    Parameters
    ----------
    digest
        The work's key.
    run_id
        The run under which it will be done, if there is one yet.
    parent_id
        The run of the driver that started this process, if one did: it holds the claim already.
    done
        Looks for the work's result.
    tell
        Hears once whom this process waits for.

    Yields
    ------
    The result that somebody else made meanwhile; None if the work is now this process's.
    """
    seconds, waits = SHORTEST_SECONDS, False
    while True:
        won, claim = claims.take(digest, run_id)
        if won or (parent_id and claim.run_id == parent_id):
            break
        if not waits:
            tell(claim)
            waits = True
        time.sleep(seconds)
        seconds = min(LONGEST_SECONDS, seconds * 1.5)
    mark = "" if won else WORKER
    if not won:
        claims.tag(claim, {WORKER + name: value for name, value in me().as_tags().items()})
    try:
        with beating(lambda name, value: claims.tag(claim, {mark + name: value})):
            # Whoever held it before may have done the work, and may have failed.
            yield done() if won else None
    finally:
        if won:
            with suppress(MlflowException):  # without its owner it counts as dead anyway
                claims.release(digest, claim)
