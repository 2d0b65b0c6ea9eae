"""What a finished step leaves behind, and how a run's tags say it.

A run can be reused when it FINISHED and carries the seal: one tag, written last, whose *name*
holds the key's digest, because MLflow indexes the names of tags and not their values. The seal
lists the artifacts with their digests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from src.pipeline.keys import Key

STEP = "pipeline.step"
REASON = "pipeline.reason"
FAILURE = "pipeline.failure"
SUMMARY = "pipeline.summary"
REUSED = "pipeline.reused"
ACCEPTED = "pipeline.accepted"
READ = "pipeline.read"  # inputs that the step itself has digested as it read them
PARENT = "mlflow.parentRunId"
ENTRY_POINT = "mlflow.project.entryPoint"
TRIAL = "pipeline.trial"  # on the runs of a search's trials, which are no steps
KEY = "pipeline.key."
SEAL = "pipeline.sealed."
TRIED = "pipeline.tried."
PURGED = "pipeline.purged"  # what rows left since the seal: the outputs as they are now
PARTS = ("code", "params", "inputs", "environment")


@dataclass(frozen=True)
class Output:
    """An artifact that a run made.

    Attributes
    ----------
    uri
        How steps name it: runs:/… or models:/….
    digest
        Of its content.
    location
        Where the artifact store keeps it.
    files
        Size in bytes and, where the store is a folder here, time of change in nanoseconds, of each
        file that the seal covers. MLflow adds files of its own.
    """

    uri: str
    digest: str
    location: str = ""
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sealed:
    """A finished run that can be reused.

    Attributes
    ----------
    outputs
        Its artifacts by name.
    details
        What the step itself noted: `summary` (a sentence), `refused` (a verdict against) and more.
    ended
        Milliseconds since the epoch.
    purged
        Whether rows left its artifacts since: it can be read, and is nobody's result any more.
    """

    run_id: str
    outputs: Mapping[str, Output]
    details: Mapping[str, Any] = field(default_factory=dict)
    ended: int = 0
    purged: bool = False


def key_tags(key: Key) -> dict[str, str]:
    """Write a key into tags, a part each, so that later runs can tell what differs."""
    return {STEP: key.step} | {KEY + part: json.dumps(dict(getattr(key, part))) for part in PARTS}


def read_key(tags: Mapping[str, str]) -> Key:
    """Read a key back from its tags."""
    return Key(tags[STEP], *(json.loads(tags[KEY + part]) for part in PARTS))


def seal_tags(
    key: Key, outputs: Mapping[str, Output], details: Mapping[str, Any]
) -> dict[str, str]:
    """Write the seal of a finished run."""
    content = {"outputs": {n: asdict(o) for n, o in outputs.items()}, "details": dict(details)}
    return {SEAL + key.digest: json.dumps(content)}


def read_seal(run_id: str, tags: Mapping[str, str], ended: int) -> Sealed | None:
    """Read the seal of a finished run; None if it has none."""
    seals = [value for name, value in tags.items() if name.startswith(SEAL)]
    if not seals:
        return None
    content = json.loads(seals[0])
    now = json.loads(tags.get(PURGED, "{}"))
    outputs = {name: Output(**made) for name, made in (content["outputs"] | now).items()}
    return Sealed(run_id, outputs, content["details"], ended, PURGED in tags)


def purged_tags(tags: Mapping[str, str], outputs: Mapping[str, Output]) -> dict[str, str]:
    """Say what artifacts hold once rows have left them; one tag, so that all counts at once."""
    before = json.loads(tags.get(PURGED, "{}"))
    return {PURGED: json.dumps(before | {name: asdict(made) for name, made in outputs.items()})}
