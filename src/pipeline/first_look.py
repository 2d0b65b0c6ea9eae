"""What the tracking UI shows of an experiment before anybody has chosen columns there."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from mlflow import MlflowClient

KIND = "mlflow.experimentKind"  # else the UI guesses, and shows what is for agents
NOTE = "mlflow.note.content"
VIEW = "mlflow.sharedViewState."  # and a name: opened by ?viewStateShareKey=<name>, or the menu
MODELS, RUNS = "models", "runs"

DESCRIPTION = """Journal entries to models: ingest → split → train → evaluate → register.

Each run has a `card.html` among its artifacts: what it came to, and the command that makes it
again. A run of `main` ties its steps, which lie below it. The saved view **Models** lists every
evaluated model with its headline figures, **Runs** what was run and what came of it.
"""
FIGURES = ("f1_macro", "accuracy", "journal_f1_macro", "npmi", "diversity", "coverage", "map")


def dress(client: MlflowClient, experiment_id: str) -> None:
    """Describe an experiment and give it views, unless it has them or somebody chose otherwise."""
    with suppress(MlflowException):  # a look is no reason to fail
        experiment = client.get_experiment(experiment_id)
        wanted = {KIND: "custom_model_development", NOTE: DESCRIPTION}
        made = int(experiment.creation_time or 0)
        wanted |= {f"{VIEW}{name}": view(name, made) for name in (MODELS, RUNS)}
        for tag, value in wanted.items():
            if tag not in experiment.tags:
                client.set_experiment_tag(experiment_id, tag, value)


def view(name: str, made: int) -> str:
    """Write a view as the UI saves one.

    Parameters
    ----------
    made
        When, in milliseconds.
    """
    columns = ["attributes.`Created`", "tags.`pipeline.summary`"]
    if name == MODELS:
        columns = ["attributes.`Created`", *(f"metrics.`{metric}`" for metric in FIGURES)]
    state = {
        "selectedColumns": columns,
        "searchFilter": "tags.`pipeline.step` = 'evaluate'" if name == MODELS else "",
        # By time of start the UI nests runs, and a model would be hidden below its pipeline's.
        "orderByKey": "metrics.`f1_macro`" if name == MODELS else "attributes.start_time",
        "orderByAsc": False,
    }
    head = {"name": name.capitalize(), "createdAt": made, "updatedAt": made}
    return json.dumps(head | {"state": json.dumps(state)})
