"""Words, a lexicon and, on request, a sentence encoder under one linear head; needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.sources import vader
from src.pipeline.step import param
from src.training.calibration import temperature
from src.training.encoder import vectors
from src.training.family import TASKS, Family
from src.training.files import text_array, write_model
from src.training.known_terms import authors_of
from src.training.linear import (
    Blocks,
    LinearParams,
    arrays_of,
    logistic_regression,
    penalty_param,
)
from src.training.minilm import MAX_TOKENS, read_encoder
from src.training.rows import (
    journal_param,
    labelled,
    labelled_for_training,
    source_weights,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LexiconParams(LinearParams):
    """Parameters of words and a lexicon under one head.

    A view that is stretched is held back less by the penalty than the terms, of which there are
    many and which know their own corpus best: it is what carries to other kinds of texts.
    """

    c: float = penalty_param(0.1)
    journal_weight: float = journal_param(10.0)
    lexicon_strength: float = param(
        3.0,
        "How much the lexicon's numbers are stretched",
        low=0.01,
        high=1000,
        search=(0.5, 20.0),
        log=True,
    )


@dataclass(frozen=True)
class SemanticParams(LexiconParams):
    """Parameters of words, a lexicon and a sentence encoder under one head."""

    encoder_strength: float = param(
        10.0,
        "Length of the encoder's vectors; that of a block of terms is 1",
        low=0.01,
        high=1000,
        search=(1.0, 50.0),
        log=True,
    )


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: LexiconParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit a multinomial logistic regression on two views of a text.

    Blocks of TF-IDF as in the linear family, and four numbers that VADER's lexicon gives (Hutto
    and Gilbert, 2014). Most of the built-in corpus is no journal, so its journal entries weigh
    more, in the fit and in the temperature.

    Raises
    ------
    UserError
        A class has too few labelled entries, no term is of `min_authors` authors, or the lexicon
        cannot be fetched.
    """
    return fit_views(train, valid, params, folder, progress, {}, 0.0)


def fit_with_encoder(
    train: pa.Table,
    valid: pa.Table,
    params: SemanticParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit as `fit` does, with a third view: the vector of a small sentence encoder.

    The encoder is used as it is (Wang et al., MiniLM, 2020).

    Raises
    ------
    UserError
        A class has too few labelled entries, no term is of `min_authors` authors, or a package
        cannot be fetched.
    """
    return fit_views(
        train, valid, params, folder, progress, read_encoder(), params.encoder_strength
    )


def fit_views(
    train: pa.Table,
    valid: pa.Table,
    params: LexiconParams,
    folder: Path,
    progress: Callable[[str], None],
    files: dict[str, bytes],
    encoder_strength: float,
) -> dict[str, float | int | str]:
    """Fit on words, lexicon and the encoder in `files`, if there is one; write the model."""
    import numpy as np
    from scipy import sparse

    from src.models.sentiment_analyzer import ANALYZERS, polarity

    texts, labels = labelled_for_training(train)
    valid_texts, valid_labels = labelled(valid)
    progress(f"views: counting terms in {len(texts):,} entries")
    authors = authors_of(train, params.min_authors, labelled_only=True)
    blocks = Blocks(ANALYZERS, texts, authors, params.max_features)
    lexicon = read_lexicon()
    settings: dict[str, Any] = {"blocks": list(blocks.vectorizers)}
    stretch = params.lexicon_strength
    dense: list[Floats] = [
        stretch * np.stack([polarity(text, lexicon) for text in [*texts, *valid_texts]])
    ]
    if files:
        graph, tokenizer = files["encoder.onnx"], files["tokenizer.json"].decode()
        found = vectors(graph, tokenizer, MAX_TOKENS, [*texts, *valid_texts], progress)
        norm = encoder_strength / np.sqrt((found * found).sum(axis=1).mean())
        dense.append(found * norm)
        settings["encoder"] = {"max_tokens": MAX_TOKENS}
    extra, n_terms = np.hstack(dense), blocks.features.shape[1]
    features = sparse.csr_array(sparse.hstack([blocks.features, extra[: len(texts)]]))
    progress(f"views: fitting weights of {features.shape[1]:,} features")
    own = source_weights(train, params.journal_weight)
    model = logistic_regression(features, labels, params, own)
    weights = model.coef_.T
    logits = (
        blocks.transform(valid_texts) @ weights[:n_terms]
        + extra[len(texts) :] @ weights[n_terms:]
        + model.intercept_
    )
    scale = temperature(
        logits, valid_labels, model.classes_, source_weights(valid, params.journal_weight)
    )
    arrays = arrays_of(blocks, weights[:n_terms] / scale, model.intercept_ / scale)
    arrays["lexicon.terms"] = text_array(lexicon)
    arrays["lexicon.valence"] = np.array(list(lexicon.values()))
    arrays["lexicon.weights"] = weights[n_terms : n_terms + 4] * (stretch / scale)
    if files:
        arrays["encoder.weights"] = weights[n_terms + 4 :] * (norm / scale)
    write_model(folder, settings | {"classes": list(model.classes_)}, arrays, files)
    return {"n_terms": n_terms, "temperature": scale, "n_labelled": len(texts)}


def read_lexicon() -> dict[str, float]:
    """Read VADER's lexicon: the mean valence, -4 to 4, that ten raters gave a word or sign.

    An emoji has the valence of the words that describe it.
    """
    lines = vader.member("vader_lexicon.txt").splitlines()
    rows = (line.split("\t") for line in lines if line.count("\t") >= 2)
    lexicon = {word.lower(): float(valence) for word, valence, *_ in rows}
    for line in vader.member("emoji_utf8_lexicon.txt").splitlines():
        emoji, _, words = line.partition("\t")
        total = sum(lexicon.get(word, 0.0) for word in words.lower().split())
        if len(emoji) == 1 and total:
            lexicon[emoji] = max(-4.0, min(4.0, total))
    return {word: value for word, value in sorted(lexicon.items()) if "\n" not in word and value}


LEXICON = Family("lexicon", TASKS["sentiment"], fit, LexiconParams, requires=("scikit-learn",))
SEMANTIC = Family(
    "semantic",
    TASKS["sentiment"],
    fit_with_encoder,
    SemanticParams,
    requires=("scikit-learn", "onnxruntime", "tokenizers"),
)
FAMILIES = (LEXICON, SEMANTIC)
