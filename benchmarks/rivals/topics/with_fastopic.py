"""FASTopic: topics by optimal transport between embeddings of texts, topics and words."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import sentence_transformers  # noqa: F401 - looks for torchvision before it is feigned below
import torch
from child import Fitted, Given

# topmost takes one function of torchvision's, to fetch data sets with, and torchvision's builds
# often do not fit torch's.
for name in ("torchvision", "torchvision.datasets", "torchvision.datasets.utils"):
    sys.modules[name] = ModuleType(name)
sys.modules["torchvision.datasets.utils"].download_url = None  # type: ignore[attr-defined]

from fastopic import FASTopic  # noqa: E402
from topmost import Preprocess  # noqa: E402


class Precomputed:
    """Stands for the encoder, of which nothing is asked: vectors are handed over."""

    def encode(self, docs: Any, **more: Any) -> Any:
        """Refuse."""
        raise NotImplementedError


def fit(
    given: Given, epochs: int = 200, temperature: float = 1.0, texts_to_topics: float = 3.0
) -> Fitted:
    """Fit; `temperature` is that of a text's topics."""
    np.random.seed(given.seed)  # noqa: NPY002 - what it draws from
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    model = FASTopic(
        given.k,
        Preprocess(stopwords="English", min_doc_count=5, verbose=False),
        num_top_words=10,
        device="cpu",
        doc_embed_model=Precomputed(),
        DT_alpha=texts_to_topics,
        theta_temp=temperature,
    )
    model.fit(given.texts, epochs=epochs, preset_doc_embeddings=given.vectors)

    def ask(texts: list[str], vectors: Any) -> Any:
        return model.transform(doc_embeddings=torch.as_tensor(vectors))

    return Fitted([words.split() for words in model.top_words], ask)
