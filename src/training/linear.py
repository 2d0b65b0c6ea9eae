"""The linear form of a sentiment model: TF-IDF weighted terms times class weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data import LABELS
from src.training.files import text_array, write_model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def write_linear(
    folder: Path, blocks: Mapping[str, Any], weights: Floats, intercept: Floats
) -> None:
    """Write what `src/models/sentiment_analyzer.py` loads.

    Parameters
    ----------
    folder
        Where to write.
    blocks
        Fitted `TfidfVectorizer`s with `sublinear_tf`, by the name of their analyzer in the
        model file.
    weights
        Shape `(n_terms, n_classes)`: the terms of all blocks one after another, classes in the
        order of `LABELS`.
    intercept
        Shape `(n_classes,)`.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"intercept": intercept}
    start = 0
    for name, vectorizer in blocks.items():
        terms = vectorizer.get_feature_names_out()
        arrays[f"{name}.terms"] = text_array(terms)
        arrays[f"{name}.idf"] = vectorizer.idf_
        arrays[f"{name}.weights"] = weights[start : start + len(terms)]
        start += len(terms)
    write_model(folder, {"blocks": list(blocks), "classes": list(LABELS)}, arrays)
