"""What the card of train shows: how well it fits, and what the model leans on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.cards.card import Card, Section, Table
from src.cards.figures import bars, steps
from src.evaluation.gates import spelled

if TYPE_CHECKING:
    from src.pipeline.execute import Context

WORDS = 12  # of each class
MOST_TRIALS = 1000
CURVE = "learning_curve.json"
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
    sections += learned(context) + searched(context)
    rows = [(spelled(name), train.get(name), value) for name, value in valid.items()]
    words = ("Training entries were fitted to; validation entries chose among fits.",)
    columns = ("metric", "training entries", "validation entries")
    sections.append(Section("Figures", words, Table(columns, rows)))
    facts = [(f"{spelled(n)}, validation", f"{valid[n]:.3f}") for n in SHOWN if n in valid][:4]
    return Card("", "", "plain", sections, facts=facts)


def learned(context: Context) -> list[Section]:
    """Show how a network got better from pass to pass."""
    if CURVE not in context.tables:
        return []
    curve = context.tables[CURVE]["f1_macro"]
    caption = "Macro-F1 on the validation entries after each pass over the training entries"
    return [Section("Learning", figures=[steps(curve, caption, ("epoch", "macro-F1"))])]


def searched(context: Context) -> list[Section]:
    """Show the trials of a search in their order, and the best so far."""
    from src.pipeline.results import TRIED

    if not getattr(context.params, "trials", 0):
        return []
    tag = TRIED + context.digest
    runs = context.store.client.search_runs(
        [context.store.experiment_id], f"tags.`{tag}` LIKE '%'", max_results=MOST_TRIALS
    )
    # Of one that was started anew with force there are several of a number: the newest counts.
    trials = {t["number"]: t for run in reversed(runs) for t in [json.loads(run.data.tags[tag])]}
    ordered = [trials[number] for number in sorted(trials)]
    if not ordered:
        return []
    caption = "The metric of each trial on the validation entries, and the best so far"
    names = sorted({name for trial in ordered for name in trial["params"]})
    rows = [(t["number"], t["value"], *(t["params"].get(name) for name in names)) for t in ordered]
    drawn = steps([t["value"] for t in ordered], caption, ("trial", "metric"))
    return [Section("Search", table=Table(("trial", "metric", *names), rows), figures=[drawn])]


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
