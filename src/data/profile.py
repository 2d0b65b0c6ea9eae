"""What a batch of data looks like, in counts: one small table that quotes no text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from src.data.labels import MOOD_SCALE

FORMAT = 1  # of the file; a profile of another one is not compared with
MOST_KINDS = 1_000  # files that are told apart; those met later count as OTHERS
OTHERS = "others"
BITS = 7  # a number counts as what its first seven bits say: exact to 127, then to a 64th

# Two words, or a letter that is not ASCII: several scripts write no spaces. Ids, dates, links and
# bare labels have neither.
WORDS = r"\pL\S*\s+\S*\pL|[^\x00-\x7f]"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Profile:
    """Entries in counts; the same whatever the batches they came in.

    Attributes
    ----------
    rows, entries, authors
        How many came in, stayed, and wrote them.
    dropped, unreadable
        Rows by the reason that they left for; dates and scores that could not be read, by column.
    lengths
        Entries by length in characters, as `coarse` has it.
    wordless
        Entries of less than two words.
    labels
        Entries by label, "none" for those without.
    languages
        Rows that left for their language, by its code; empty where nobody told it.
    sources
        Entries by the file or table that they came from.
    months
        Entries by the month of their date, as in "2024-03", in UTC.
    scores
        Entries by score, as `coarse` has it.
    lowest, highest
        The exact ends of the scores; None without any.
    off_scale
        Scores outside 1 to 10, a person's mood scale.
    without_author
        Entries of nobody named.
    """

    rows: int
    entries: int
    authors: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
    lengths: Mapping[int, int] = field(default_factory=dict)
    wordless: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)
    months: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[float, int] = field(default_factory=dict)
    lowest: float | None = None
    highest: float | None = None
    off_scale: int = 0
    without_author: int = 0

    def write(self, path: Path) -> None:
        """Write it as JSON; numbers and their counts as pairs."""
        content: dict[str, Any] = {"format": FORMAT} | asdict(self)
        for name in ("lengths", "scores"):
            content[name] = [list(pair) for pair in content[name].items()]
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Profile | None:
        """Read what `write` wrote; None where it was another version of this project."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format", None) != FORMAT:
            return None
        for name in ("lengths", "scores"):
            content[name] = dict(content[name])
        return Profile(**content)


class Profiler:
    """Counts entries as they stream by; memory holds counters of bounded size."""

    def __init__(self) -> None:
        self.entries = self.wordless = self.off_scale = self.without_author = 0
        self.lengths, self.scores = Counter[float](), Counter[float]()
        self.labels, self.sources = Counter[str](), Counter[str]()
        self.months = Counter[int]()
        self.ends = list[float]()

    def watch(
        self, batches: Iterable[pa.RecordBatch | pa.Table]
    ) -> Iterator[pa.RecordBatch | pa.Table]:
        """Pass entries on, each batch counted."""
        for batch in batches:
            self._count(batch)
            yield batch

    def profile(
        self,
        rows: int,
        authors: int,
        dropped: Mapping[str, int],
        unreadable: Mapping[str, int],
        languages: Mapping[str, int] | None = None,
    ) -> Profile:
        """Give the profile, with what only cleaning knows."""
        months = {f"{at // 12:04}-{at % 12 + 1:02}": n for at, n in sorted(self.months.items())}
        return Profile(
            rows=rows,
            entries=self.entries,
            authors=authors,
            dropped=dict(sorted(dropped.items())),
            unreadable={name: count for name, count in sorted(unreadable.items()) if count},
            lengths={int(length): n for length, n in sorted(self.lengths.items())},
            wordless=self.wordless,
            labels=dict(sorted(self.labels.items())),
            languages=dict(sorted((languages or {}).items())),
            sources=dict(sorted(self.sources.items())),
            months=months,
            scores=dict(sorted(self.scores.items())),
            lowest=min(self.ends, default=None),
            highest=max(self.ends, default=None),
            off_scale=self.off_scale,
            without_author=self.without_author,
        )

    def _count(self, batch: pa.RecordBatch | pa.Table) -> None:
        texts = batch.column("text")
        self.entries += batch.num_rows
        self.wordless += batch.num_rows - _trues(pc.match_substring_regex(texts, WORDS))
        self.lengths.update(_tally(coarse(_numbers(pc.utf8_length(texts)))))
        self.without_author += batch.column("author").null_count
        _count_kinds(self.labels, batch.column("label"), "none")
        _count_kinds(self.sources, batch.column("source"), "unknown")
        # Without a zone Arrow looks nothing up; all are UTC.
        dates = batch.column("created_at").drop_null().cast(pa.timestamp("us"))
        months = _numbers(pc.year(dates)) * 12 + _numbers(pc.month(dates)) - 1
        self.months.update({int(at): n for at, n in _tally(months).items()})
        scores = _numbers(batch.column("score").drop_null())
        if scores.size:
            low, high = MOOD_SCALE
            self.off_scale += int(((scores < low) | (scores > high)).sum())
            self.scores.update(_tally(coarse(scores)))
            both = [*self.ends, float(np.min(scores)) + 0.0, float(np.max(scores)) + 0.0]
            self.ends = [min(both), max(both)]


def coarse(numbers: Floats) -> Floats:
    """Round towards zero to seven leading bits, so that few values are told apart.

    The bins of Tene's HdrHistogram: whole numbers to 127 stay as they are, others lose less than
    a 64th.

    >>> coarse(np.array([0.0, 5.0, 127.0, 131.0, 1_001.0, -0.3])).tolist()
    [0.0, 5.0, 127.0, 130.0, 1000.0, -0.296875]
    """
    mantissa, exponent = np.frexp(numbers)
    rounded: Floats = np.ldexp(np.trunc(np.ldexp(mantissa, BITS)), exponent - BITS) + 0.0
    return rounded


def _tally(numbers: Floats) -> dict[float, int]:
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _numbers(column: Any) -> Floats:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _trues(mask: Any) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _count_kinds(counter: Counter[str], column: Any, missing: str) -> None:
    """Count values in the order that they were first met, so that batches make no difference."""
    for found in pc.value_counts(column).to_pylist():
        kind = missing if found["values"] is None else found["values"]
        known = kind in counter or len(counter) < MOST_KINDS
        counter[kind if known else OTHERS] += found["counts"]
