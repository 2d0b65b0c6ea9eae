"""Texts to measure topic models with, parted into those to fit on and those to ask about.

`DATA=<folder>` holds public sets with topics that people named: `happydb_dev` (Asai et al., 2018)
and `lemotif_dev` (Li and Parikh, 2020), parquet files with the columns `text` and `topics`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import texts

PUBLIC = ("lemotif_dev", "happydb_dev")
BUILT_IN = "built-in"
SHARE = 0.6  # of the texts that models are fitted on
MOST = 10_000  # of the built-in corpus
SEED = 7  # of the parting: the same whatever the models' seeds
SINGLE = 50  # texts that are encoded one by one, for the wait


@dataclass(frozen=True)
class Corpus:
    """Texts on both sides.

    Attributes
    ----------
    gold
        The topics that people named for each text of `test`; None where nobody named any.
    """

    name: str
    train: list[str]
    test: list[str]
    gold: list[list[str]] | None
    train_gold: list[list[str]] | None = None


def corpus(name: str, data: str, folder: Path) -> Corpus:
    """Read a corpus and part it by chance, without what stands nearly the same on both sides.

    Parameters
    ----------
    data
        Where public sets lie.
    folder
        Where the built-in corpus is made, if it is not there yet.
    """
    if name == BUILT_IN:
        kept = folder / "built-in.json"
        if not kept.exists():
            train, valid = texts.built_in(folder / "entries")
            rows = pd.concat([side.select(["text"]).to_pandas() for side in (train, valid)])
            every = texts.drawn(rows.sort_values("text"), MOST)["text"].tolist()
            kept.write_text(json.dumps(every))
        return parted(name, pd.DataFrame({"text": json.loads(kept.read_text())}))
    return parted(name, pd.read_parquet(Path(data) / f"{name}.parquet"))


def parted(name: str, rows: pd.DataFrame, share: float = SHARE) -> Corpus:
    """Part rows with `text` and perhaps `topics`, parts of which are joined by a bar."""
    rows = rows.drop_duplicates("text")
    order = np.random.default_rng(SEED).permutation(len(rows))
    size = round(share * len(rows))
    train, test = rows.iloc[np.sort(order[:size])], rows.iloc[np.sort(order[size:])]
    train = texts.without_near(train, test)
    golds = [
        [[part for part in own.split("|") if part] for own in side["topics"]]
        if "topics" in rows
        else None
        for side in (train, test)
    ]
    return Corpus(name, train["text"].tolist(), test["text"].tolist(), golds[1], golds[0])


def to_settle_on(whole: Corpus) -> Corpus:
    """Part the training side again: models' settings are chosen without the test side."""
    topics = ["|".join(own) for own in whole.train_gold or []]
    found = parted(whole.name, pd.DataFrame({"text": whole.train, "topics": topics}), share=0.75)
    return Corpus(f"{whole.name} to settle on", found.train, found.test, found.gold)


def encoded(some: Sequence[str]) -> tuple[np.ndarray[Any, Any], dict[str, float]]:
    """Encode texts with MiniLM in 8 bits, to length 1, and say what a text costs."""
    from src.models.sentiment_analyzer import Encoder
    from src.training.encoder import vectors
    from src.training.minilm import MAX_TOKENS, read_encoder

    files = read_encoder()
    start = time.process_time()
    graph, tokenizer = files["encoder.onnx"], files["tokenizer.json"]
    found = vectors(graph, tokenizer.decode(), MAX_TOKENS, some, lambda line: None)
    seconds = (time.process_time() - start) / len(some)
    encoder, waits = Encoder(graph, tokenizer, MAX_TOKENS), []
    for text in some[:SINGLE]:
        began = time.perf_counter()
        encoder.vector(text)
        waits.append(time.perf_counter() - began)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32), {"seconds": seconds, "latency": float(np.median(waits))}
