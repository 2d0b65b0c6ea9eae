"""The form of a sentiment model that reads with a sentence encoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from src.training.calibration import temperature
from src.training.files import write_model
from src.training.rows import labelled, source_weights

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Floats = npt.NDArray[np.float64]

NEWS = 2_000  # texts between two lines of progress


def vectors(
    graph: bytes,
    tokenizer: str,
    max_tokens: int,
    texts: Sequence[str],
    progress: Callable[[str], None],
) -> Floats:
    """Encode texts as the shipped model will: one at a time, on all processors.

    Parameters
    ----------
    graph
        An ONNX graph; see `src.models.sentiment_analyzer.Encoder` for its inputs and outputs.
    tokenizer
        What the `tokenizers` library reads.
    max_tokens
        Length of a window, with the special tokens.

    Returns
    -------
    Shape `(n_texts, d)`. A text's vector depends on nothing else.
    """
    from src.models.sentiment_analyzer import Encoder

    return encoded(Encoder(graph, tokenizer.encode(), max_tokens).vector, texts, progress)


def encoded(
    vector: Callable[[str], Floats], texts: Sequence[str], progress: Callable[[str], None]
) -> Floats:
    """Call what gives a text's vector on all processors; shape `(n_texts, d)`."""
    import numpy as np

    found = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for one in threads.map(vector, texts):
            found.append(one)
            if len(found) % NEWS == 0:
                progress(f"encoding: {len(found):,} of {len(texts):,} texts")
    return np.stack(found) if found else np.zeros((0, 0))


def write_encoder(
    folder: Path,
    classes: Sequence[str],
    onnx: bytes,
    tokenizer: str,
    max_tokens: int,
    weights: Floats,
    intercept: Floats,
    valid: pa.Table,
    journal_weight: float,
    progress: Callable[[str], None],
) -> float:
    """Calibrate a model of an encoder alone and write what the shipped model loads.

    Parameters
    ----------
    weights, intercept
        Shapes `(d, k)` and `(k,)`: from a text's vector to the logits of the k classes.
    valid
        Entries that were not trained on; those with a label fix the confidence.
    journal_weight
        How many others one of the project's own journal counts for in that.

    Returns
    -------
    The temperature that the logits are divided by.
    """
    texts, labels = labelled(valid)
    found = vectors(onnx, tokenizer, max_tokens, texts, progress)
    own = source_weights(valid, journal_weight)
    scale = temperature(found @ weights + intercept, labels, classes, own) if texts else 1.0
    write_model(
        folder,
        {"blocks": [], "classes": list(classes), "encoder": {"max_tokens": max_tokens}},
        {"intercept": intercept / scale, "encoder.weights": weights / scale},
        {"encoder.onnx": onnx, "tokenizer.json": tokenizer.encode()},
    )
    return scale
