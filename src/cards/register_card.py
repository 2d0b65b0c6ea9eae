"""What the card of register shows: the verdict, and the card of the version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from src.cards.card import Card, Section, Table

if TYPE_CHECKING:
    from src.pipeline.execute import Context


def register_card(context: Context) -> Card:
    """Show which version there is now, and how to load it."""
    from src import registry

    content = json.loads((context.output("registration") / "registration.json").read_text())
    name, version = content["name"], content["version"]
    if not version:
        words = ("The registry was left alone. The card of evaluate says what was missing.",)
        return Card("", "", "bad", [Section("Nothing was registered", words)])
    rows = [
        ("this version", f"models:/{name}/{version}"),
        ("whichever is in Production", f"models:/{name}/Production"),
        ("the newest", f"models:/{name}/latest"),
    ]
    back = f"python -m steps promote -P model={context.params.model} -P version=previous"
    said = next((v.description for v in registry.versions(name) if v.number == version), "")
    sections = [
        Section("To load it", table=Table(("what", "address"), rows)),
        Section("To go back", (back,)),
        Section("The version's card", markdown=said or "This version has no description."),
    ]
    return Card("", "", "good", sections, facts=[("model", name), ("version", str(version))])
