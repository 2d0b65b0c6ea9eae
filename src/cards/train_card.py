"""What the card of train shows: how well it fits, and what the model leans on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Section, Table
from src.cards.figures import bars

if TYPE_CHECKING:
    from src.pipeline.execute import Context

WORDS = 12  # of each class
SHOWN = ("accuracy", "f1_macro", "npmi", "diversity", "coverage", "map", "ece")


def train_card(context: Context) -> Card:
    """Show figures on both sides of the split, the fitted settings, and the model itself."""
    train, valid = (
        {n.removeprefix(side): v for n, v in context.metrics.items() if n.startswith(side)}
        for side in ("train_", "valid_")
    )
    folder = context.folder / "model"
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    sections = list[Section]()
    if "topics" in settings:
        from src.cards.topics_card import topics_sections

        sections += topics_sections(context, folder, settings["topics"])
    elif terms := weighted_words(folder, settings):
        sections.append(terms)
    if warning := context.details.get("warning"):
        sections.insert(0, Section("A warning", (str(warning),)))
    rows = [(name.replace("_", " "), train.get(name), value) for name, value in valid.items()]
    words = ("Training entries were fitted to; validation entries chose among fits.",)
    columns = ("metric", "training entries", "validation entries")
    sections.append(Section("Figures", words, Table(columns, rows)))
    facts = [(f"valid {n.replace('_', ' ')}", f"{valid[n]:.3f}") for n in SHOWN if n in valid][:4]
    return Card("", "", "plain", sections, facts=facts)


def weighted_words(folder: Path, settings: dict[str, Any]) -> Section | None:
    """Show the words that speak most for each class, where the model has weights of words."""
    import numpy as np

    arrays = np.load(folder / "weights.npz", allow_pickle=False)
    if not {"words.terms", "words.weights", "words.idf"} <= set(arrays.files):
        return None
    terms = arrays["words.terms"].tobytes().decode().split("\n")
    weights = arrays["words.weights"] * arrays["words.idf"][:, None]
    weights = weights - weights.mean(axis=1, keepdims=True)
    figures = []
    for place, label in enumerate(settings["classes"]):
        top = np.argsort(-weights[:, place], kind="stable")[:WORDS]
        values = {terms[term]: float(weights[term, place]) for term in top}
        caption = f"Words that speak most for {label}: weight times idf"
        figures.append(bars(values, caption, ("word", "weight"), "{:.2f}".format))
    words = ("Of words and pairs of words; pieces of words have weights as well.",)
    return Section("What it leans on", words, figures=figures)
