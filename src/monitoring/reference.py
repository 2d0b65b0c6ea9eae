"""What a version's training entries looked like: kept beside its evaluation, without any text.

Kept are sums over blocks of at least five authors, and the words that at least five authors used
(entries count as authors where none is known), which the model itself may know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src.errors import UserError
from src.monitoring.features import (
    EMBEDDING,
    NONE,
    OTHER_LANGUAGE,
    UNSURE,
    Codes,
    Sums,
    Vocabulary,
    answer_names,
    author_codes,
    blocks_of,
    entries_with,
    language_reader,
    length_names,
    one_of,
    rows_of,
    summed,
    vocabulary_of,
    words,
)

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "reference"  # the artifact of an evaluation
SCHEMA_VERSION = 1
LEAST_AUTHORS = 5  # of a block, and of a word
LEAST_BLOCKS = 10  # of an aspect that is tested
MOST_ENTRIES, MOST_WORDS = 50_000, 20_000
SEED = 7
OTHER_ANSWER = "(other)"


@dataclass(frozen=True)
class Reference:
    """How each aspect stood when a model was made.

    Attributes
    ----------
    sums
        By aspect: "length", "language", "vocabulary" and "embedding" of the training entries,
        "predictions" of the held-out ones, which the model had not seen either.
    columns
        What the columns of each aspect are.
    vocabulary
        The words that were known.
    """

    sums: Mapping[str, Sums]
    columns: Mapping[str, Sequence[str]]
    vocabulary: Vocabulary

    def write(self, folder: Path) -> None:
        """Write `reference.json` and `reference.npz`; the same reference gives the same bytes."""
        folder.mkdir(parents=True)
        known = self.vocabulary
        content = {
            "schema_version": SCHEMA_VERSION,
            "columns": {name: list(own) for name, own in self.columns.items()},
            "words": dict(known.entries),
            "entries": known.n,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (folder / "reference.json").write_text(text, encoding="utf-8")
        arrays = {}
        for name, own in sorted(self.sums.items()):
            arrays[f"{name}.totals"] = own.totals.astype(np.float32)
            arrays[f"{name}.values"] = own.values.astype(np.float32)
        np.savez(folder / "reference.npz", allow_pickle=False, **arrays)

    @classmethod
    def read(cls, folder: Path) -> Reference:
        """Read what `write` has written.

        Raises
        ------
        UserError
            It is of another version of this project.
        """
        content = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            raise UserError(
                "the reference of this version was written by another version of this project.",
                "Evaluate the version again with this one.",
            )
        with np.load(folder / "reference.npz", allow_pickle=False) as arrays:
            sums = {
                name: Sums(
                    arrays[f"{name}.totals"].astype(np.float64),
                    arrays[f"{name}.values"].astype(np.float64),
                )
                for name in content["columns"]
            }
        return cls(sums, content["columns"], Vocabulary(content["words"], content["entries"]))


def make_reference(
    task: str,
    train: pa.Table,
    held_out: pa.Table,
    answers: Sequence[Mapping[str, Any]],
    topics: Sequence[Mapping[str, Any]] | None,
) -> Reference:
    """Sum up what a model was trained on, and what it answers held-out entries.

    Parameters
    ----------
    train
        Training entries; above 50,000 some of their authors are drawn.
    held_out, answers
        Entries that it was not trained on, and what it answers them, in the same order.
    topics
        The topics that an answer may name; None for sentiment.
    """
    train = some_authors(train, MOST_ENTRIES, SEED)
    authors = author_codes(train["author"].to_pylist())
    texts = train["text"].to_pylist()
    split = [words(text) for text in texts]
    used = vocabulary_of(split, authors, LEAST_AUTHORS)
    entries = entries_with(split)
    # To each of its own authors a word of just enough authors would be new: it counts so here.
    barely = {word for word, n in used.items() if n == LEAST_AUTHORS}
    ranked = sorted(used, key=lambda word: (word in barely, -entries[word], word))[:MOST_WORDS]
    known = Vocabulary({word: entries[word] for word in ranked}, len(texts))
    language = language_reader()
    spoken = list(map(language, texts))
    common = vocabulary_of([[name] for name in spoken], authors, LEAST_AUTHORS)
    languages = [*sorted(set(common) - {UNSURE}), OTHER_LANGUAGE, UNSURE]
    blocks = blocks_of(authors, LEAST_AUTHORS, SEED)
    rows = rows_of(texts, split, spoken, languages, known, barely)
    sums = {name: summed(own, blocks) for name, own in rows.items()}
    answered = author_codes(held_out["author"].to_pylist())
    given = answer_columns(task, answers, topics)
    named = one_of(answer_names(task, answers), given, OTHER_ANSWER)
    sums["predictions"] = summed(named, blocks_of(answered, LEAST_AUTHORS, SEED))
    columns = {
        "length": length_names(),
        "language": languages,
        "vocabulary": known.columns,
        EMBEDDING: [],
        "predictions": given,
    }
    return Reference(sums, columns, known)


def answer_columns(
    task: str, answers: Sequence[Mapping[str, Any]], topics: Sequence[Mapping[str, Any]] | None
) -> list[str]:
    """Name all that a model may answer."""
    if task == "sentiment":
        return [*sorted(set(answer_names(task, answers))), OTHER_ANSWER]
    ids = [str(topic["topic_id"]) for topic in topics or ()]
    return [*ids, NONE, OTHER_ANSWER]


def some_authors(entries: pa.Table, most: int, seed: int) -> pa.Table:
    """Keep the entries of some authors, drawn by the seed, where there are more than `most`."""
    entries = entries.sort_by("id")
    if entries.num_rows <= most:
        return entries
    authors: Codes = author_codes(entries["author"].to_pylist())
    names, place, counts = np.unique(authors, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    fits = np.cumsum(counts[order]) <= most
    fits[0] = True
    kept = np.isin(place, order[fits])
    return entries.take(np.flatnonzero(kept))
