"""The scores artifact: one row per entry, with a model's answer in columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from src.data import LABELS
from src.data.invariants import authors_are_pseudonyms, complete, ids_unique, within
from src.data.schema import Artifact
from src.scoring.rules import distribution, of_one_length, shares

LEVELS = ("high", "medium", "low")
BINS = 20  # of confidence, from 0 to 1
NO_TOPIC = "no topic"
LABELS_IN_ORDER = ("positive", "negative", "neutral")

_WORD, _SHARE = pa.string(), pa.float64()
SENTIMENT = (
    pa.field("sentiment", _WORD),
    pa.field("confidence", _SHARE),
    pa.field("confidence_level", _WORD),
    pa.field("positive", _SHARE),
    pa.field("negative", _SHARE),
    pa.field("neutral", _SHARE),
    pa.field("mixed", _SHARE),  # null where the model does not say it
)
TOPICS = (
    pa.field("topics", pa.list_(_WORD)),
    pa.field("topic_ids", pa.list_(pa.int64())),
    pa.field("confidences", pa.list_(_SHARE)),
)
ANSWERS = {"sentiment": SENTIMENT, "topics": TOPICS}
RULES = {
    "sentiment": (
        complete(*(field.name for field in SENTIMENT if field.name != "mixed")),
        within("sentiment", LABELS),
        within("confidence_level", LEVELS),
        shares("confidence", "mixed"),
        distribution("positive", "negative", "neutral"),
    ),
    "topics": (
        complete(*(field.name for field in TOPICS)),
        of_one_length(*(field.name for field in TOPICS)),
        shares("confidences"),
    ),
}


def artifact(task: str) -> Artifact:
    """Describe the scores of a task.

    `author` is a pseudonym, as in entries, so that whoever is forgotten leaves scores as well.
    `text_mark` tells whether a text has changed since: 16 hex digits, keyed. No text is there.
    """
    schema = pa.schema(
        [
            pa.field("id", _WORD),
            pa.field("author", _WORD),
            *ANSWERS[task],
            pa.field("model_version", _WORD),
            pa.field("text_mark", _WORD),
        ]
    )
    always = (complete("id", "model_version", "text_mark"), ids_unique(), authors_are_pseudonyms())
    return Artifact("scores", schema, (*always, *RULES[task]))


def columns(task: str, answers: Sequence[dict[str, Any]]) -> list[pa.Array]:
    """Put answers, as the contract has them, into the columns of `ANSWERS`."""
    if task == "topics":
        return _topics([answer["topic_details"] for answer in answers])
    own, scores = ("sentiment", "confidence", "confidence_level"), LABELS_IN_ORDER
    cells: list[list[Any]] = [[answer[name] for answer in answers] for name in own]
    cells += [[answer["all_scores"][name] for answer in answers] for name in scores]
    cells.append([answer.get("mixed") for answer in answers])
    return [pa.array(cell, field.type) for cell, field in zip(cells, ANSWERS[task], strict=True)]


def _topics(details: Sequence[Sequence[dict[str, Any]]]) -> list[pa.Array]:
    """Put topics into lists, each column as one run of values."""
    ends = pa.array([0, *accumulate(map(len, details))], pa.int32())
    flat = list(chain.from_iterable(details))
    values = (
        pa.array([topic[name] for topic in flat], field.type.value_type)
        for name, field in zip(("topic_name", "topic_id", "confidence"), TOPICS, strict=True)
    )
    return [
        pa.ListArray.from_arrays(ends, one).cast(field.type)
        for one, field in zip(values, TOPICS, strict=True)
    ]


@dataclass
class Counts:
    """What answers are like, in counts.

    Attributes
    ----------
    answers
        Entries by sentiment, or by topic, of which an entry may have several.
    levels
        Entries by level of confidence; of sentiment alone.
    confidence
        Entries by confidence, of the first topic where there are several: bins of one width from
        0 to 1. Entries without a topic are in none.
    """

    answers: dict[str, int]
    levels: dict[str, int]
    confidence: list[int]

    @classmethod
    def none(cls) -> Counts:
        """Count nothing."""
        return cls({}, {}, [0] * BINS)

    @classmethod
    def of(cls, task: str, rows: pa.RecordBatch | pa.Table) -> Counts:
        """Count the answers of rows."""
        if task == "sentiment":
            sure = rows["confidence"]
            answers, levels = _counted(rows["sentiment"]), _counted(rows["confidence_level"])
        else:
            some = pc.greater(pc.list_value_length(rows["topics"]), 0)
            sure = pc.list_element(rows["confidences"].filter(some), 0)
            answers, levels = _counted(pc.list_flatten(rows["topics"])), dict[str, int]()
            if without := len(rows["topics"]) - (pc.sum(some).as_py() or 0):
                answers[NO_TOPIC] = answers.get(NO_TOPIC, 0) + without
        places = pc.min_element_wise(pc.floor(pc.multiply(sure, float(BINS))), float(BINS - 1))
        counted = pc.value_counts(places.cast(pa.int64())).to_pylist()
        bins = [0] * BINS
        for one in counted:
            bins[one["values"]] += one["counts"]
        return cls(answers, levels, bins)

    def add(self, other: Counts) -> None:
        """Count what others have counted as well."""
        self.answers = dict(Counter(self.answers) + Counter(other.answers))
        self.levels = dict(Counter(self.levels) + Counter(other.levels))
        self.confidence = [a + b for a, b in zip(self.confidence, other.confidence, strict=True)]


def _counted(words: pa.Array) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(words).to_pylist()}
