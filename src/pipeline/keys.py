"""What a step's result depends on, its digest, and why two of them differ."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from src.pipeline.remembered import RememberingReader
from src.pipeline.space import counted_of
from src.pipeline.step import ROOT, Part, Step, Value, build, content_of

# Distributions whose import name is not their own; others missing here are looked up slowly.
DISTRIBUTIONS = {"linkify_it": "linkify-it-py", "sklearn": "scikit-learn", "yaml": "PyYAML"}
SHOWN = 3


@dataclass(frozen=True)
class Key:
    """Everything that a step's result depends on.

    Attributes
    ----------
    step
        Its name.
    code
        Digest of the reached code by file.
    params
        The declared parameters that count, by name.
    inputs
        Content digest of each artifact read and of each thing read from outside.
    environment
        The Python minor version and the installed versions of the distributions it imports.
    """

    step: str
    code: Mapping[str, str]
    params: Mapping[str, Value]
    inputs: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def digest(self) -> str:
        """32 hex digits that are equal exactly when all parts are."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def why(self, past: Key) -> list[str]:
        """Name each part that differs from a past key, as in `param seed: 7 → 8`."""
        reasons = [
            f"param {name}: {shown(past.params.get(name))} → {shown(self.params.get(name))}"
            for name in differing(past.params, self.params)
        ]
        reasons += [f"code {name}" for name in differing(past.code, self.code)]
        reasons += [f"input {name}" for name in differing(past.inputs, self.inputs)]
        reasons += [
            f"{name} {past.environment.get(name, 'none')} → {self.environment.get(name, 'none')}"
            for name in differing(past.environment, self.environment)
        ]
        return reasons


def differing(past: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the names whose values differ or stand on one side only."""
    return sorted(n for n in past.keys() | now.keys() if repr(past.get(n)) != repr(now.get(n)))


def shown(value: Value | None) -> str:
    """Show a parameter's value; one that the other side lacks as "none"."""
    return "none" if value is None else str(value) or "''"


def sentence(reasons: list[str]) -> str:
    """Join reasons into a line, the first few in full."""
    more = f" and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return ", ".join(reasons[:SHOWN]) + more


def nearest_key(key: Key, past: Iterable[Key]) -> Key | None:
    """Choose the past key with the fewest differences, the first among equals."""
    return min(past, key=lambda other: len(key.why(other)), default=None)


def versions(modules: Iterable[str]) -> dict[str, str]:
    """Give Python's minor version and the installed version behind each imported module.

    A module that is not installed counts as "absent": installing it is a difference.
    """
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for module in sorted(modules):
        name = DISTRIBUTIONS.get(module, module)
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            names = importlib.metadata.packages_distributions().get(module, [])
            found |= {n: importlib.metadata.version(n) for n in names} or {module: "absent"}
    return found


def make_key(
    step: Step,
    params: Any,
    typed: Mapping[str, str],
    inputs: Mapping[str, str],
    reader: RememberingReader,
) -> Key:
    """Compute the key of a step.

    Parameters
    ----------
    step, params
        The step and its params model.
    typed
        All that was typed, from which the parts that `params` picks take their parameters.
    inputs
        Content digests of the artifacts it reads, by name.
    reader
        Reads the project's code.
    """
    parts: tuple[Part, ...] = step.parts(params)
    counted = content_of(params)
    for part in parts:
        counted |= counted_of(part, typed)
    reached = reader.reach([step.code, *(start for part in parts for start in part.code)])
    outside = outside_of(step, params, typed, inputs)
    return Key(step.name, reached.files, counted, {**inputs, **outside}, versions(reached.foreign))


def outside_of(
    step: Step, params: Any, typed: Mapping[str, str], inputs: Mapping[str, str]
) -> dict[str, str]:
    """Digest what a step and the parts it picks take from outside the pipeline, by name."""
    found = step.outside(params, inputs)
    for part in step.parts(params):
        found |= part.outside(build(part.params, typed))
    return found


@cache
def project_reader() -> RememberingReader:
    """Read the code of the project that is running."""
    return RememberingReader(ROOT)
