"""A step and its parameters, declared once and checked before anything heavy is imported."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError

if TYPE_CHECKING:
    from src.pipeline.execute import Context
    from src.pipeline.keys import Key
    from src.pipeline.results import Sealed

ROOT = Path(__file__).resolve().parents[2]

Value = str | int | float | bool


def param(
    default: Any,
    help: str,  # noqa: A002 - the word that argparse and click use
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    search: tuple[Value, ...] = (),
    log: bool = False,
    content: bool = True,
) -> Any:
    """Declare one parameter: a field of a frozen dataclass.

    Parameters
    ----------
    default
        Its type is the parameter's type: str, int, float or bool.
    help
        One line for `--help` and the README.
    low, high
        The allowed range, both ends included.
    choices
        The allowed words; all if empty.
    search
        What a search tries: the lowest and the highest of a number, else the words or truths to
        choose from. It tries the default first; without a space it leaves the default.
    log
        Whether a search draws a number evenly by its logarithm.
    content
        False where the value only says *where* content is found (a path, a run): the
        content's digest counts for reuse, the value does not.
    """
    rule = {"help": help, "low": low, "high": high, "choices": choices, "content": content}
    return field(default=default, metadata={**rule, "search": search, "log": log})


@dataclass(frozen=True)
class Nothing:
    """The parameters of a step that has none."""


@dataclass(frozen=True)
class Part:
    """What a parameter picks among the files found by scanning: a family, a source.

    Attributes
    ----------
    value
        What was picked.
    code
        Where its code starts, as "package.module:name" each; it counts for reuse like an import.
    params
        A frozen dataclass of its own parameters.
    searched
        Whether those that declare what to search, and were not typed, are searched.
    check
        Looks at what its own parameters name, after the step's check.
    outside
        Digests of content from outside the pipeline, given its own parameters.
    """

    value: Any
    code: tuple[str, ...]
    params: type = Nothing
    searched: bool = False
    check: Callable[[Any], None] = lambda params: None
    outside: Callable[[Any], dict[str, str]] = lambda params: {}


@dataclass(frozen=True)
class Step:
    """One entry point.

    Attributes
    ----------
    name
        The word people type.
    help
        One sentence.
    params
        A frozen dataclass made of `param` fields.
    run
        Does the work; its first lines import what is heavy.
    reads, writes
        Artifacts, by name. Each one read is also a parameter that takes a URI; the order of
        the steps follows from them.
    parts
        What the parameters pick among files found by scanning.
    check
        Looks at what the parameters name (a path, a header) before anything heavy is imported.
    outside
        Digests of content that comes from outside the pipeline, given the parameters and the
        digests of the artifacts read.
    ahead
        Begins, once it is known that there is work, what can go on beside the opening of the store.
    instead
        Finds another result that stands for a key's, given a search by digest.
    holds
        Whether what a finished run did outside the pipeline is still there.
    halts
        Whether a verdict against ends the chain: what it refused is there to look at, and nothing
        is made from it.
    group
        The parameter whose values make results of different kinds; empty if all are alike.
    chained
        Whether it is a link of the chain up to the registry, which the driver runs; one that is not
        is called by itself, and has what it reads made first.
    card
        What its card shows besides what every card does, as "package.module:function" of the
        context; it never counts for reuse.
    """

    name: str
    help: str
    params: type
    run: Callable[[Context], None]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    parts: Callable[[Any], tuple[Part, ...]] = lambda params: ()
    check: Callable[[Any], None] = lambda params: None
    outside: Callable[[Any, Mapping[str, str]], dict[str, str]] = lambda params, inputs: {}
    ahead: Callable[[Any], None] = lambda params: None
    instead: Callable[[Key, Callable[[str], Sealed | None]], Sealed | None] = lambda key, find: None
    holds: Callable[[Mapping[str, Any]], bool] = lambda details: True
    halts: bool = False
    group: str = ""
    chained: bool = True
    card: str = ""

    def title(self, params: Any) -> str:
        """Name a run of it: the step, and its group where it has one."""
        return f"{self.name} {getattr(params, self.group)}" if self.group else self.name

    @property
    def code(self) -> str:
        """Where its code starts."""
        return f"{self.run.__module__}:{self.run.__name__}"


@dataclass(frozen=True)
class Command:
    """An entry point that makes no artifact of its own, such as the driver.

    Attributes
    ----------
    name, help, params
        As for a step.
    run
        Does it; gives the exit code.
    over_steps
        Whether it works on the steps, and so takes their parameters as well.
    words
        The parameters that may be typed as bare words, in this order.
    answer
        A TypedDict: what it prints with `--json`.
    """

    name: str
    help: str
    params: type
    run: Callable[[Call], int]
    over_steps: bool = False
    words: tuple[str, ...] = ()
    answer: type | None = None


@dataclass(frozen=True)
class Call:
    """What was typed for a command: values by name, all steps, and whether JSON is wanted."""

    typed: Mapping[str, str]
    steps: Mapping[str, Step]
    as_json: bool


@cache
def entry_points() -> dict[str, Step | Command]:
    """Find all entry points: the chain in the order of its artifacts, other steps, commands."""
    package = importlib.import_module("steps")
    found = list[Step | Command]()
    for module_info in pkgutil.iter_modules(package.__path__):
        if not module_info.name.startswith("_"):
            found.append(importlib.import_module(f"steps.{module_info.name}").ENTRY)
    ordered: list[Step | Command] = []
    steps = [entry for entry in found if isinstance(entry, Step)]
    ordered += in_order(step for step in steps if step.chained)
    ordered += in_order(step for step in steps if not step.chained)
    ordered += [entry for entry in found if isinstance(entry, Command)]
    return {entry.name: entry for entry in ordered}


def all_steps() -> dict[str, Step]:
    """Give the steps in the order of their artifacts."""
    return {name: entry for name, entry in entry_points().items() if isinstance(entry, Step)}


def chain_steps() -> dict[str, Step]:
    """Give the steps that the driver runs, in the order of their artifacts."""
    return {name: step for name, step in all_steps().items() if step.chained}


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Sort steps so that each stands behind those whose artifacts it reads."""
    waiting, ordered = list(steps), list[Step]()
    while waiting:
        open_artifacts = {name for step in waiting for name in step.writes}
        ready = [step for step in waiting if not open_artifacts & set(step.reads)]
        if not ready:
            raise ValueError(f"steps read each other's artifacts: {[s.name for s in waiting]}")
        ordered += ready
        waiting = [step for step in waiting if step not in ready]
    return ordered


def upstream(step: Step, steps: Mapping[str, Step]) -> list[Step]:
    """List the steps that `step` rests on, in order, itself left out."""
    needed, names = set(step.reads), set[str]()
    for other in reversed(in_order(steps.values())):
        if needed & set(other.writes):
            names.add(other.name)
            needed |= set(other.reads)
    return [s for s in steps.values() if s.name in names]


def fields_of(params: type) -> dict[str, dataclasses.Field[Any]]:
    """Give the declared parameters of a params model by name."""
    return {f.name: f for f in dataclasses.fields(params)}


def nearest(word: str, known: Iterable[str]) -> str:
    """Say "did you mean X?" where a known word is near, else list what is known."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(words)}."


def convert(declared: dataclasses.Field[Any], text: str) -> Value:
    """Turn what was typed into a parameter's value.

    Raises
    ------
    UserError
        It is not of the parameter's type, out of its range or none of its choices.
    """
    default: Any = declared.default
    name, kind, rule = declared.name, type(default), declared.metadata
    hint = f"{name}: {rule['help']}."
    value: Value
    if kind is bool:
        truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in truth:
            raise UserError(f"{name}={text} is neither true nor false.", hint)
        return truth[text.lower()]
    if kind is str:
        if rule["choices"] and text not in rule["choices"]:
            raise UserError(f"unknown {name} {text!r}.", nearest(text, rule["choices"]))
        return text
    try:
        value = int(text) if kind is int else float(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise UserError(f"{name}={text} is not {wanted}.", hint) from None
    low = -math.inf if rule["low"] is None else rule["low"]
    high = math.inf if rule["high"] is None else rule["high"]
    if not math.isfinite(value) or not low <= value <= high:
        raise UserError(f"{name}={text} is not within {low} to {high}.", hint)
    return value


def build(params: type, typed: Mapping[str, str]) -> Any:
    """Make a params model from what was typed; names that it does not declare are left alone."""
    declared = fields_of(params)
    return params(**{n: convert(declared[n], text) for n, text in typed.items() if n in declared})


def content_of(params: Any) -> dict[str, Value]:
    """Give the parameters that count for reuse, each with its value."""
    return {
        name: getattr(params, name)
        for name, declared in fields_of(type(params)).items()
        if declared.metadata["content"]
    }


def read_arguments(arguments: Iterable[str], words: Iterable[str] = ()) -> dict[str, str]:
    """Read `--name value`, `--name=value` and `-P name=value` into typed values by name.

    Parameters
    ----------
    words
        Names of the values that may stand there bare, in this order.

    Raises
    ------
    UserError
        An argument is none of these, lacks its value, or is given twice.
    """
    typed = dict[str, str]()
    queue, bare = list(arguments), list(words)
    while queue:
        word = queue.pop(0)
        if word in {"-P", "--param-list"} and queue:
            name, mark, value = queue.pop(0).partition("=")
        elif word.startswith("--"):
            name, mark, value = word[2:].partition("=")
            if not mark and queue:
                mark, value = "=", queue.pop(0)
        elif bare and word and not word.startswith("-"):
            name, mark, value = bare.pop(0), "=", word
        else:
            name, mark, value = word, "", ""
        if not mark or not name:
            raise UserError(f"cannot read the argument {word!r}.", "Write -P name=value.")
        name = name.replace("-", "_")
        if name in typed:
            raise UserError(f"{name} is given twice.", "Give it once.")
        typed[name] = value
    return typed
