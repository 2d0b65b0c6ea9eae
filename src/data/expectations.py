"""Whether data that came in are fit to be trained on, judged by rules before anything is made."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.measured import Measured
from src.data.rules import RULES, Look, Rule
from src.errors import UserError
from src.pipeline.caller import caller_folder
from src.pipeline.step import nearest

if TYPE_CHECKING:
    import pandera.pandas as pandera

STRICT, WARN, OFF = WORDS = ("strict", "warn", "off")
SHOWN = 4  # broken expectations that are told of at length
ENDINGS = (".toml", ".json")
ENDS = ("at_least", "at_most")
PLAIN = re.compile(r"\w{1,40}")  # what a message quotes of a file: it might be the wrong one
EXAMPLE = 'In TOML: empty_texts = {at_most = 0.2} or largest_label = "off".'


@dataclass(frozen=True)
class Expectations:
    """What is expected, and what becomes of data that are otherwise.

    Attributes
    ----------
    rules
        Those in force.
    action
        "strict": the data are refused; "warn": they are only warned of; "off": nobody looks.
    """

    rules: tuple[Rule, ...] = RULES
    action: str = STRICT


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    Attributes
    ----------
    broken
        The limit that the data are surely beyond: "at_least", "at_most", or empty.
    """

    rule: Rule
    measured: Measured
    broken: str = ""

    def sentence(self, last: str) -> str:
        """Say what was found, what was expected and where to look."""
        rule, found = self.rule, self.measured
        side, end = ("over", found.low) if self.broken == "at_most" else ("under", found.high)
        said = rule.said.format(value=rule.show(found.value), last=last)
        sure = f"surely {side} {rule.show(end)}" if end != found.value else ""
        limit = f"{self.broken.replace('_', ' ')} {rule.show(getattr(rule, self.broken))}"
        notes = "; ".join(filter(None, (found.note, sure, f"expected {limit}")))
        return f"{rule.name}: {said} ({notes}). {rule.advice}"


def read_expectations(given: str) -> Expectations:
    """Read what `expectations` says: a word, or a file of a person's own limits.

    Raises
    ------
    UserError
        It is neither, or the file says what cannot be understood.
    """
    if given in WORDS:
        return Expectations(action=given)
    path = caller_folder() / Path(given).expanduser()
    if path.suffix not in ENDINGS:
        raise UserError(
            f"expectations={given} is neither strict, warn or off nor a file of limits.",
            nearest(given, WORDS) + " A file ends in .toml or .json.",
        )
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError:
        raise UserError(f"there is no file {path}.", "Look at the path of expectations.") from None
    except ValueError:
        raise UserError(f"{path.name} is no {path.suffix[1:].upper()}.", EXAMPLE) from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} holds no limits by name.", EXAMPLE)
    return read_limits(content, path.name)


def read_limits(content: Mapping[str, Any], where: str) -> Expectations:
    """Read a person's own limits, which take the place of those of the same rules.

    Raises
    ------
    UserError
        A rule is unknown, or a limit is none.
    """
    named = {rule.name: rule for rule in RULES}
    action = STRICT
    for name, value in content.items():
        if name == "action":
            if value not in WORDS:
                raise UserError(f"{where}: unknown action.", f"Known: {', '.join(WORDS)}.")
            action = value
        elif name not in named:
            known = [*named, "action"]
            shown = f" {name!r}" if PLAIN.fullmatch(name) else " of such a name"
            raise UserError(f"{where}: there is no rule{shown}.", nearest(name, known))
        else:
            named[name] = limited(named[name], value, where)
    return Expectations(tuple(named.values()), action)


def limited(rule: Rule, value: Any, where: str) -> Rule:
    """Give a rule a person's own limits; one that is not named stays.

    Raises
    ------
    UserError
        They are no limits.
    """
    if value == OFF:
        return replace(rule, at_least=None, at_most=None)
    if not isinstance(value, dict) or not value or not set(value) <= set(ENDS):
        raise UserError(f"{where}: {rule.name} has no at_least or at_most.", EXAMPLE)
    if any(type(end) not in (int, float) or not math.isfinite(end) for end in value.values()):
        raise UserError(f"{where}: a limit of {rule.name} is no number.", EXAMPLE)
    if not rule.counted and not all(0 <= end <= 1 for end in value.values()):
        raise UserError(
            f"{where}: {rule.name} is a share, and its limits lie within 0 to 1.", EXAMPLE
        )
    new = replace(rule, **value)
    if new.at_least is not None and new.at_most is not None and new.at_least > new.at_most:
        raise UserError(
            f"{where}: {rule.name} is to be at least {new.at_least:g} and at most {new.at_most:g}.",
            "Give both limits, the lower one first.",
        )
    return new


def check(given: str) -> None:
    """Refuse expectations that cannot be understood.

    Raises
    ------
    UserError
        As `read_expectations`.
    """
    read_expectations(given)


def fingerprint(given: str) -> str:
    """Tell expectations apart by what they say: the word, or a digest of the limits."""
    if given in WORDS:
        return given
    said = read_expectations(given)
    limits = [(rule.name, rule.at_least, rule.at_most) for rule in said.rules]
    text = json.dumps([limits, said.action])
    return hashlib.sha256(text.encode()).hexdigest()


def schema(rules: tuple[Rule, ...]) -> pandera.DataFrameSchema:
    """Declare the table of measures: a row, and for each limit the interval's end that tells.

    A ceiling is broken where even the low end is above it, a floor where even the high end is
    below; both ends stand in columns named like `empty_texts at_most`. What cannot be measured is
    no column.
    """
    import pandera.pandas as pandera

    def check(end: str, limit: float) -> pandera.Check:
        return pandera.Check.ge(limit) if end == "at_least" else pandera.Check.le(limit)

    return pandera.DataFrameSchema(
        {
            f"{rule.name} {end}": pandera.Column(float, check(end, limit), required=False)
            for rule in rules
            for end in ENDS
            if (limit := getattr(rule, end)) is not None
        }
    )


def judge(look: Look, rules: tuple[Rule, ...]) -> list[Finding]:
    """Measure all that can be, and find which limits are broken."""
    import pandas as pd
    import pandera.pandas as pandera

    measured = {rule.name: found for rule in rules if (found := rule.measure(look)) is not None}
    ends = {f"{name} at_least": [float(found.high)] for name, found in measured.items()}
    ends |= {f"{name} at_most": [float(found.low)] for name, found in measured.items()}
    broken = dict[str, str]()
    try:
        schema(rules).validate(pd.DataFrame(ends), lazy=True)
    except pandera.errors.SchemaErrors as error:
        broken = dict(column.split(" ") for column in error.failure_cases["column"])
    by_name = {rule.name: rule for rule in rules}
    return [Finding(by_name[name], found, broken.get(name, "")) for name, found in measured.items()]


def table(findings: list[Finding]) -> dict[str, list[Any]]:
    """List all findings, as the tracking UI shows them."""
    return {
        "expectation": [found.rule.name for found in findings],
        "value": [found.measured.value for found in findings],
        "low": [found.measured.low for found in findings],
        "high": [finite(found.measured.high) for found in findings],
        "at_least": [found.rule.at_least for found in findings],
        "at_most": [found.rule.at_most for found in findings],
        "broken": [bool(found.broken) for found in findings],
    }


def finite(number: float) -> float | None:
    """Give None for infinity, which JSON cannot say."""
    return number if math.isfinite(number) else None


def verdict(findings: list[Finding], last: str) -> str:
    """Say which expectations are broken, the first few in a sentence each; empty if all hold."""
    broken = [found for found in findings if found.broken]
    number = f"{len(broken)} expectation{'s' if len(broken) > 1 else ''} of the data broken"
    said = [found.sentence(last) for found in broken[:SHOWN]]
    if more := ", ".join(found.rule.name for found in broken[SHOWN:]):
        said.append(f"Also {more}.")
    return f"{number}: {' '.join(said)}" if said else ""
