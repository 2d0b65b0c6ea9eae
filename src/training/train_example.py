"""The smallest whole family, naive Bayes: copy this file to write your own.

1. Name the copy `train_<anything>.py`. It is found by its name; no other file changes, and the
   tests of all families run over it too.
2. Declare its parameters, each with a default and a line of help; `search` is what `trials` may
   try of it.
   `min_authors` belongs to every family: no term of fewer authors may get into the model.
3. Write `fit`: read texts and labels from the tables, learn, and write the plain files that the
   task's file in `src/models/` loads. Import what is heavy inside, so that `--help` stays quick.
   Raise `UserError` where a person can help, and never put the text of an entry in a message.
4. Declare `FAMILY`, and try it: `-P family=example`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src.pipeline.step import param
from src.training.family import TASKS, Family
from src.training.known_terms import authors_of, min_authors_param
from src.training.linear import Blocks, write_linear
from src.training.rows import labelled_for_training

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ExampleParams:
    """Parameters of the example family."""

    alpha: float = param(
        0.5, "Count that each term starts with", low=1e-3, high=100, search=(0.01, 10.0), log=True
    )
    min_authors: int = min_authors_param()


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: ExampleParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit multinomial naive Bayes on words, and its confidence on the validation entries."""
    from sklearn.naive_bayes import MultinomialNB

    from src.models.sentiment_analyzer import words

    texts, labels = labelled_for_training(train)
    progress(f"example: fitting {len(texts):,} entries")
    authors = authors_of(train, params.min_authors, labelled_only=True)
    blocks = Blocks({"words": words}, texts, authors)
    model = MultinomialNB(alpha=params.alpha).fit(blocks.features, labels)
    weights, intercept = model.feature_log_prob_.T, model.class_log_prior_
    return {"temperature": write_linear(folder, blocks, model.classes_, weights, intercept, valid)}


FAMILY = Family("example", TASKS["sentiment"], fit, ExampleParams, requires=("scikit-learn",))
