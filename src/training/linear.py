"""The linear form of a sentiment model: TF-IDF weighted terms times class weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.step import param
from src.training.calibration import temperature
from src.training.files import text_array, write_model
from src.training.known_terms import hidden, min_authors_param
from src.training.rows import balance_param, class_weights, labelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    from scipy import sparse

    from src.training.known_terms import Authors

    Floats = npt.NDArray[np.float64]

LEAST_ENTRIES = 2  # that a term must stand in, even where one author is enough


def penalty_param(default: float) -> Any:
    """Declare how strongly large weights are held back."""
    return param(
        default,
        "Inverse strength of the L2 penalty",
        low=1e-4,
        high=1e4,
        search=(0.02, 20.0),
        log=True,
    )


@dataclass(frozen=True)
class LinearParams:
    """Parameters of a logistic regression on terms."""

    c: float = penalty_param(0.5)
    balance: float = balance_param()
    min_authors: int = min_authors_param()
    max_features: int = param(
        50_000, "Terms kept of words and of pieces, the most frequent", low=100, high=1_000_000
    )


class Blocks:
    """Blocks of TF-IDF features side by side, each row of a block scaled to length 1.

    Parameters
    ----------
    analyzers
        From text to terms: functions of the model file, by the name they have there.
    texts, authors
        What to learn terms and their idf from, and who wrote each.
    max_features
        Terms kept of each block, the most frequent; all if None.

    Raises
    ------
    UserError
        No term is of enough authors, or none stands in two texts.
    """

    def __init__(
        self,
        analyzers: Mapping[str, Callable[[str], list[str]]],
        texts: Sequence[str],
        authors: Authors,
        max_features: int | None = None,
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = hidden(texts, authors)  # also from the pieces of words: together they tell it
        self.vectorizers = dict[str, Any]()
        for name, analyzer in analyzers.items():
            shared = authors.shared(texts, analyzer)
            self.vectorizers[name] = TfidfVectorizer(
                analyzer=lambda text, read=analyzer, kept=shared: list(
                    filter(kept.__contains__, read(text))
                ),
                sublinear_tf=True,
                min_df=LEAST_ENTRIES,
                max_features=max_features,
            )
        try:
            parts = [vectorizer.fit_transform(texts) for vectorizer in self.vectorizers.values()]
        except ValueError:
            raise UserError(
                f"no term stands in {LEAST_ENTRIES} of the {len(texts):,} training entries.",
                "Give a source with more entries: -P source=…",
            ) from None
        self.features = _side_by_side(parts)

    def transform(self, texts: Sequence[str]) -> sparse.csr_array:
        """Give the features of other texts, shape `(n_texts, n_terms)`."""
        if not texts:  # scikit-learn does not take none
            return self.features[:0]
        return _side_by_side(block.transform(texts) for block in self.vectorizers.values())


def _side_by_side(parts: Iterable[Any]) -> sparse.csr_array:
    from scipy import sparse

    return sparse.csr_array(sparse.hstack(list(parts)))


def write_linear(
    folder: Path,
    blocks: Blocks,
    classes: Sequence[str],
    weights: Floats,
    intercept: Floats,
    valid: pa.Table,
) -> float:
    """Calibrate a linear model and write what `src/models/sentiment_analyzer.py` loads.

    Parameters
    ----------
    folder
        Where to write.
    blocks
        They give the terms and their idf.
    classes
        The k labels in the order of the weights.
    weights
        Shape `(n_terms, k)`, the terms of all blocks one after another.
    intercept
        Shape `(k,)`.
    valid
        Entries that were not trained on; those with a label fix the confidence.

    Returns
    -------
    The temperature that weights and intercept were divided by.
    """
    texts, labels = labelled(valid)
    scale = temperature(blocks.transform(texts) @ weights + intercept, labels, classes)
    arrays = arrays_of(blocks, weights / scale, intercept / scale)
    write_model(folder, {"blocks": list(blocks.vectorizers), "classes": list(classes)}, arrays)
    return scale


def arrays_of(blocks: Blocks, weights: Floats, intercept: Floats) -> dict[str, npt.NDArray[Any]]:
    """Name the arrays of the blocks as the shipped model does; shapes as in `write_linear`."""
    import numpy as np

    arrays: dict[str, npt.NDArray[Any]] = {"intercept": intercept}
    start = 0
    for name, vectorizer in blocks.vectorizers.items():
        terms = vectorizer.get_feature_names_out()
        arrays[f"{name}.terms"] = text_array(terms)
        arrays[f"{name}.idf"] = vectorizer.idf_
        arrays[f"{name}.weights"] = np.ascontiguousarray(weights[start : start + len(terms)])
        start += len(terms)
    return arrays


def logistic_regression(
    features: Any, labels: Sequence[str], params: LinearParams, weights: Floats | None = None
) -> Any:
    """Fit multinomial logistic regression on one thread.

    A class of n entries weighs `(n_entries / (n_classes * n)) ** balance`.

    Parameters
    ----------
    features
        Sparse, shape `(n_texts, n_features)`.
    weights
        Shape `(n_texts,)`, how much each text counts; all alike if left out.

    Returns
    -------
    Scikit-learn's model.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    class_weight = class_weights(labels, params.balance)
    model = LogisticRegression(C=params.c, class_weight=class_weight, max_iter=500)
    with threadpool_limits(1):  # sums in another order have other last digits
        return model.fit(features, labels, weights)
