"""Texts to measure sentiment with: the built-in corpus, public sets, and what is held out of both.

`DATA=<folder>` holds public sets as parquet files with a column `text`, most with `label`:
`lemotif_dev` (Li and Parikh, 2020), `semeval2017` (Rosenthal et al., 2017), `goemotions` (Demszky
et al., 2020), `dair_emotion` (Saravia et al., 2018), and unlabelled `dreambank` (Domhoff and
Schneider, 2008), `barbellion` (1919), `happydb_dev` (Asai et al., 2018) and `cered_reflective`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from src.data.near_duplicates import near_others
from src.evaluation.sentiment import CLASSES

MOST = 1_000  # held-out texts of a set, drawn with a fixed seed
MOST_LABELLED, MOST_UNLABELLED = 40_000, 60_000  # texts drawn of the public sets to learn from
SHARE = 0.85  # of the entries to learn from that are trained on; the others are for validation
ALL_HELD_OUT = ("lemotif_dev", "dair_emotion")  # three, or no, neutral texts in them
HELD_FILES = ("twitter-2015test-A", "twitter-2014sarcasm-A")  # of semeval2017
UNLABELLED = ("dreambank", "barbellion", "happydb_dev", "cered_reflective")
TOGETHER = 2  # sentences of a long text that make one to distil on


def held_out(folder: str) -> pd.DataFrame:
    """Gather texts that nothing is trained on: columns `set`, `text` and `label`."""
    from src.data import journal

    found = [
        pd.DataFrame({"set": "journal", "text": entry.text, "label": entry.sentiment}, index=[0])
        for entry in journal.held_out()
        if entry.sentiment
    ]
    for name in ("lemotif_dev", "semeval2017", "goemotions", "dair_emotion") if folder else ():
        rows = read(folder, name)
        rows = rows[rows["held_out"] & rows["label"].isin(CLASSES)]
        if name in ALL_HELD_OUT:
            rows = rows[rows["label"] != "neutral"]
        rows = rows.sample(min(MOST, len(rows)), random_state=0)
        found.append(rows[["text", "label"]].assign(set=name))
    return pd.concat(found, ignore_index=True)


def read(folder: str, name: str) -> pd.DataFrame:
    """Read a public set; `held_out` tells the texts that must not be trained on.

    Of GoEmotions these are the first-person comments of its validation part, of SemEval two of
    its files, of others all or none.
    """
    rows = pd.read_parquet(Path(folder) / f"{name}.parquet")
    if name == "goemotions":
        return rows.assign(held_out=(rows["split"] != "train") & rows["first_person"])
    if name == "semeval2017":
        return rows.assign(held_out=rows["file"].isin(HELD_FILES))
    return rows.assign(held_out=name in ALL_HELD_OUT)


def built_in(folder: Path) -> tuple[pa.Table, pa.Table]:
    """Make the built-in corpus in a folder: entries to train on, and to validate on."""
    from src.data.ingestion import ingest
    from src.data.schema import ENTRIES
    from src.data.sources import IngestParams

    ingest(IngestParams(), folder)
    return parted(ENTRIES.read(folder).select(["id", "text", "author", "label", "source"]))


def public(folder: str, entries: pa.Table, unseen: pd.DataFrame) -> tuple[pa.Table, pa.Table]:
    """Add public sets to entries, but what is held out or nearly the same as such a text."""
    found = []
    for name in ("semeval2017", "goemotions"):
        rows = read(folder, name)
        found.append(_entries(name, rows[~rows["held_out"] & rows["label"].isin(CLASSES)]))
    some = drawn(pd.concat(found, ignore_index=True), MOST_LABELLED)
    both = pd.concat([entries.to_pandas(), some], ignore_index=True).drop_duplicates("text")
    return parted(without_near(both, unseen))


def unlabelled(folder: str, unseen: pd.DataFrame) -> pa.Table:
    """Gather first-person texts without a label, long ones cut to some sentences."""
    found = []
    for name in UNLABELLED:
        texts = [part for text in read(folder, name)["text"] for part in cut(str(text))]
        found.append(_entries(name, pd.DataFrame({"text": texts}).drop_duplicates()))
    some = drawn(pd.concat(found, ignore_index=True), MOST_UNLABELLED)
    return to_table(without_near(some, unseen))


def drawn(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Draw so many rows with a fixed seed, or take all."""
    return rows.sample(min(most, len(rows)), random_state=0)


def cut(text: str) -> Iterator[str]:
    """Cut a text into parts of two sentences."""
    from src.models.sentiment_analyzer import sentences

    spans = sentences(text)
    for i in range(0, len(spans), TOGETHER):
        some = spans[i : i + TOGETHER]
        yield text[some[0][0] : some[-1][1]]


def without_near(rows: pd.DataFrame, unseen: pd.DataFrame) -> pd.DataFrame:
    """Leave out texts that are nearly the same as a held-out one."""
    return rows[~near_others(rows["text"].tolist(), unseen["text"].tolist())]


def parted(entries: pa.Table | pd.DataFrame) -> tuple[pa.Table, pa.Table]:
    """Part entries by chance into those to train on and those to validate on."""
    table = entries if isinstance(entries, pa.Table) else to_table(entries)
    order = np.random.default_rng(7).permutation(table.num_rows)
    size = int(SHARE * len(order))
    return table.take(order[:size]), table.take(order[size:])


def to_table(rows: pd.DataFrame) -> pa.Table:
    """Give rows the types that families read."""
    kinds = [(name, pa.string()) for name in ("id", "text", "label", "source")]
    return pa.Table.from_pandas(rows, schema=pa.schema(kinds), preserve_index=False)


def _entries(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    labels = rows["label"] if "label" in rows else pd.Series(None, rows.index, dtype=object)
    return pd.DataFrame(
        {
            "id": [hashlib.sha256(f"{name} {text}".encode()).hexdigest() for text in rows["text"]],
            "text": rows["text"],
            "label": labels.where(labels.isin(CLASSES), None),
            "source": name,
        }
    )
