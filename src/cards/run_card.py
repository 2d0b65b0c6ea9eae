"""The card of one run of a step: what the step says of itself, and what every step has."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Section, Table, render
from src.errors import UserError

if TYPE_CHECKING:
    from src.pipeline.execute import Context

FILE = "card.html"


def step_card(context: Context, title: str, reason: str, seconds: float, command: str) -> str:
    """Write the card of a step that has finished.

    Parameters
    ----------
    context
        As the step has left it.
    title
        Names the run.
    reason
        Why it ran.
    seconds
        How long it took.
    command
        What runs it again.
    """
    own = Card("", "")
    if context.step.card:
        module, _, name = context.step.card.partition(":")
        own = getattr(importlib.import_module(module), name)(context)
    headline = own.headline or str(context.details.get("summary", "")) or f"{title} has finished"
    made = Section(
        "How it was made",
        (f"Why it ran: {reason}. It took {seconds:.0f} s.",),
        _typed(settings(context)),
    )
    tone = "bad" if context.details.get("refused") else own.tone
    sections = (*own.sections, made)
    return render(
        replace(
            *(own,),
            title=title,
            headline=headline,
            tone=tone,
            sections=sections,
            command=command,
        )
    )


def failure_card(title: str, error: UserError, given: Mapping[str, Any], command: str) -> str:
    """Write the card of a step that has failed: what, the way out, and on which input."""
    sections = [Section("The way out", (error.hint,))] if error.hint else []
    if given:
        sections.append(Section("On what", table=_typed(given)))
    return render(Card(title, f"Failed: {error.message}", "bad", sections, command))


def _typed(given: Mapping[str, Any]) -> Table:
    """Show parameters as one would type them, not rounded as figures are."""
    rows = [
        (name, f"{value:g}" if isinstance(value, float) else value) for name, value in given.items()
    ]
    return Table(("parameter or input", "value"), rows)


def settings(context: Context) -> dict[str, Any]:
    """Name what the step was given: its inputs, its parameters and those of its parts."""
    found: dict[str, Any] = {name: made.uri for name, made in context.inputs.items()}
    for params in (context.params, *(own for _, own in context.parts)):
        found |= {name: value for name, value in vars(params).items() if value != ""}
    return found


def again(step: str, typed: Mapping[str, str], inputs: Mapping[str, str], commit: str) -> str:
    """Write the command that runs a step again on the same inputs.

    Examples
    --------
    >>> again("split", {"seed": "8"}, {"entries": "runs:/1/entries"}, "")
    'python -m steps split -P seed=8 -P entries=runs:/1/entries'
    """
    given = {n: v for n, v in typed.items() if n not in {"parent", "force"}} | dict(inputs)
    words = [word for name, value in given.items() for word in ("-P", f"{name}={value}")]
    checkout = f"git checkout {commit}\n" if commit else ""
    return checkout + shlex.join(["python", "-m", "steps", step, *words])
