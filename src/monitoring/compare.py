"""What has arrived beside a version's reference: tests, slices, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from src.errors import UserError
from src.monitoring.drift import Shift, differences, holm, shift
from src.monitoring.features import (
    EMBEDDING,
    MOST_BLOCKS,
    NONE,
    OTHER_LANGUAGE,
    Codes,
    Floats,
    Sums,
    answer_names,
    author_codes,
    blocks_of,
    language_reader,
    one_of,
    rows_of,
    summed,
    vocabulary_of,
    words,
)
from src.monitoring.reference import LEAST_AUTHORS, LEAST_BLOCKS, OTHER_ANSWER, Reference

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST = 30  # authors that have written what is compared
SHORT, LONG = 20, 100  # words, below and above which an entry is short or long
SLICE, MOST_SLICES = 20, 24  # entries of a slice, and slices of a kind
SLICE_DRAWS = 199
LEAST_MOVE = 0.02  # share of entries by which a topic grows or fades
NEW_WORDS = 15


@dataclass(frozen=True)
class Slice:
    """Some of the entries.

    Attributes
    ----------
    alone
        How far they are from the reference, in the aspect that moved most.
    without
        How far all others are.
    """

    name: str
    n_entries: int
    alone: float
    without: float


@dataclass(frozen=True)
class Change:
    """The share of entries that got an answer, before and now, and half its 95 % interval."""

    name: str
    before: float
    now: float
    half: float

    @property
    def word(self) -> str:
        """Say whether it grew or faded; empty where that is neither sure nor worth saying."""
        moved = self.now - self.before
        if abs(moved) < max(self.half, LEAST_MOVE):
            return ""
        return "grew" if moved > 0 else "faded"


@dataclass
class Found:
    """What the comparison came to.

    Attributes
    ----------
    shifts
        By aspect.
    untested
        Aspects of which the reference has too few authors.
    slices
        That whose absence brings the others nearest to the reference first.
    new_words
        Words of at least five authors that the reference does not know, with their authors.
    live
        The model's figures on entries that have a label, as (now, registered), in words.
    """

    n_entries: int
    n_authors: int
    alpha: float
    least: float
    shifts: dict[str, Shift]
    untested: list[str]
    slices: list[Slice]
    changes: list[Change]
    new_words: dict[str, int]
    live: dict[str, tuple[Any, str]] = field(default_factory=dict)

    @property
    def drifted(self) -> list[str]:
        """The aspects that drifted, the farthest first."""
        return [n for n in self.ranked if self.shifts[n].drifted(self.alpha, self.least)]

    @property
    def ranked(self) -> list[str]:
        """All aspects that were tested, the farthest first."""
        return sorted(self.shifts, key=lambda name: (-self.shifts[name].effect, name))

    @property
    def moved_most(self) -> Slice | None:
        """The slice without which the others would be clearly nearer, if there is one."""
        first = self.slices[0] if self.slices else None
        farthest = self.shifts[self.ranked[0]].effect
        return first if first and farthest - first.without >= LEAST_MOVE else None

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that are logged."""
        found = {f"drift_{name}": own.effect for name, own in self.shifts.items()}
        found |= {f"drift_{name}_p": own.adjusted for name, own in self.shifts.items()}
        found |= {"drifted": float(bool(self.drifted)), "entries": float(self.n_entries)}
        for name, (now, _) in self.live.items():
            for end, value in (("", now.value), ("_low", now.low), ("_high", now.high)):
                found[f"live_{name}{end}"] = value
        return found

    def sentence(self, version: int) -> str:
        """Say the verdict."""
        count = f"{self.n_entries:,} entries"
        if names := self.drifted:
            apart = ", ".join(f"{name} {self.shifts[name].effect:.2f} apart" for name in names)
            said = f"Drift: {count} are not like what version {version} was trained on: {apart}"
            if slice_ := self.moved_most:
                first = self.ranked[0]
                said += f"; without {slice_.name} {first} would be {slice_.without:.2f} apart"
        else:
            first = self.ranked[0]
            said = (
                f"No drift: {count} are like what version {version} was trained on; the farthest "
                f"is {first}, {self.shifts[first].effect:.2f} apart"
            )
        grown = [c.name for c in self.changes if c.word == "grew" and names]
        if grown:
            said += f"; more of {', '.join(grown[:3])}"
        if self.untested:
            said += f"; not tested, for too few authors: {', '.join(self.untested)}"
        return said + "."

    def as_dict(self, version: int) -> dict[str, Any]:
        """Give all of it for machines."""
        return {
            "version": version,
            "drifted": self.drifted,
            "alpha": self.alpha,
            "least": self.least,
            "entries": self.n_entries,
            "authors": self.n_authors,
            "aspects": {name: asdict(own) for name, own in self.shifts.items()},
            "untested": self.untested,
            "slices": [asdict(own) for own in self.slices],
            "answers": [asdict(own) | {"moved": own.word} for own in self.changes],
            "new_words": self.new_words,
            "live": {
                name: {**asdict(now), "registered": before}
                for name, (now, before) in self.live.items()
            },
        }


def enough(entries: pa.Table, reference: Reference) -> None:
    """Refuse fewer entries, or authors, than can be told apart from chance.

    Raises
    ------
    UserError
        There are too few; says how many are needed.
    """
    authors = len(set(author_codes(entries["author"].to_pylist()).tolist()))
    if authors < FEWEST:
        raise UserError(
            f"{entries.num_rows:,} entries of {authors:,} authors are too few to compare: "
            f"{FEWEST} authors are needed (entries, where no author is known).",
            "Wait for more, or take a longer time: entries of one author depend on each other.",
        )
    if all(len(own.totals) < LEAST_BLOCKS for own in reference.sums.values()):
        raise UserError(
            "the version was trained on too few authors to compare with: "
            f"{LEAST_BLOCKS * LEAST_AUTHORS} are needed (entries, where no author is known).",
            "Train it on more people's entries.",
        )


def compare(
    params: Any,
    reference: Reference,
    entries: pa.Table,
    answers: Sequence[Mapping[str, Any]],
    topics: Sequence[Mapping[str, Any]] | None,
    left_out: int = 0,
) -> Found:
    """Test each aspect, and look for what moved.

    Parameters
    ----------
    params
        With `model`, `alpha`, `least` and `seed`.
    entries, answers
        What arrived, and what the version's model answers it, in the same order.
    topics
        The model's topics; None for sentiment.
    left_out
        Rows that ingest left out for their language: they arrived in one that no training entry
        is in, each of an author of its own.
    """
    texts = entries["text"].to_pylist()
    split, spoken = [words(text) for text in texts], list(map(language_reader(), texts))
    authors, columns = author_codes(entries["author"].to_pylist()), reference.columns
    named = answer_names(params.model, answers)
    rows = rows_of(texts, split, spoken, columns["language"], reference.vocabulary)
    rows["predictions"] = one_of(named, columns["predictions"], OTHER_ANSWER)
    blocks = blocks_of(authors, 1, params.seed)
    sums = {name: summed(own, blocks) for name, own in rows.items()}
    sums["language"] = more(sums["language"], columns["language"], left_out)
    tested = [n for n in sums if len(reference.sums[n].totals) >= LEAST_BLOCKS]
    shifts = holm(
        {
            name: shift(
                reference.sums[name], sums[name], shares=name != EMBEDDING, seed=params.seed
            )
            for name in tested
        }
    )
    found = Found(
        n_entries=len(texts),
        n_authors=len(set(authors.tolist())),
        alpha=params.alpha,
        least=params.least,
        shifts=shifts,
        untested=[name for name in sums if name not in tested],
        slices=[],
        changes=changes(reference.sums["predictions"], sums["predictions"], columns, topics),
        new_words=new_words(split, authors, reference),
    )
    first = found.ranked[0]
    against, own = reference.sums[first], rows[first]
    found.slices = sorted(
        (
            Slice(
                name,
                int(where.sum()),
                _apart(against, own[where], blocks[where], first, params.seed),
                _apart(against, own[~where], blocks[~where], first, params.seed),
            )
            for name, where in slices_of(entries, spoken, authors)
            if SLICE <= where.sum() <= len(texts) - SLICE
        ),
        key=lambda each: (each.without, each.name),
    )
    return found


def more(sums: Sums, columns: Sequence[str], n: int) -> Sums:
    """Add n entries in another language, in at most 500 blocks."""
    totals = np.bincount(np.arange(n) % MOST_BLOCKS).astype(np.float64)
    values = np.zeros((len(totals), len(columns)))
    values[:, columns.index(OTHER_LANGUAGE)] = totals
    return Sums(np.concatenate([sums.totals, totals]), np.concatenate([sums.values, values]))


def _apart(reference: Sums, rows: Floats, blocks: Codes, aspect: str, seed: int) -> float:
    """Give the distance of some entries from the reference, less what chance gives."""
    shares = aspect != EMBEDDING
    found = shift(reference, summed(rows, blocks), shares=shares, seed=seed, draws=SLICE_DRAWS)
    return found.effect


def slices_of(
    entries: pa.Table, spoken: Sequence[str], authors: Codes
) -> Iterator[tuple[str, Any]]:
    """Part entries by length, language, source, how much their authors wrote, and month."""
    lengths = np.array([len(text.split()) for text in entries["text"].to_pylist()])
    yield f"entries under {SHORT} words", lengths < SHORT
    yield f"entries of {SHORT} to {LONG} words", (lengths >= SHORT) & (lengths <= LONG)
    yield f"entries over {LONG} words", lengths > LONG
    months = [
        None if when is None else f"{when:%Y-%m}" for when in entries["created_at"].to_pylist()
    ]
    for kind, values in (
        ("language", spoken),
        ("source", entries["source"].to_pylist()),
        ("month", months),
    ):
        array = np.array([value or "" for value in values])
        there, counts = np.unique(array[array != ""], return_counts=True)
        for place in np.argsort(-counts, kind="stable")[:MOST_SLICES].tolist():
            yield f"{kind} {there[place]}", array == there[place]
    _, place, counts = np.unique(authors, return_inverse=True, return_counts=True)
    if len(counts) < len(authors):
        ranked = np.argsort(-counts, kind="stable")
        most = ranked[: max(1, len(counts) // 10)]
        yield "the tenth of authors who wrote most", np.isin(place, most)


def changes(
    reference: Sums,
    new: Sums,
    columns: Mapping[str, Sequence[str]],
    topics: Sequence[Mapping[str, Any]] | None,
) -> list[Change]:
    """Say how the share of each answer moved, what grew most first."""
    names = {str(topic["topic_id"]): str(topic["topic_name"]) for topic in topics or ()}
    names |= {NONE: "entries without a clear topic"}
    moved, half = differences(reference, new)
    found = [
        Change(names.get(column, column), round(before, 6), round(before + by, 6), round(error, 6))
        for column, before, by, error in zip(
            columns["predictions"],
            reference.mean.tolist(),
            moved.tolist(),
            half.tolist(),
            strict=True,
        )
    ]
    found = [replace(each, now=max(0.0, each.now)) for each in found if each.before or each.now]
    return sorted(found, key=lambda each: (each.before - each.now, each.name))


def new_words(
    split: Sequence[Sequence[str]], authors: Codes, reference: Reference
) -> dict[str, int]:
    """Count the authors of words that the reference does not know: only those of five or more."""
    used = vocabulary_of(split, authors, LEAST_AUTHORS)
    new = sorted(set(used) - set(reference.vocabulary.entries), key=lambda w: (-used[w], w))
    return {word: used[word] for word in new[:NEW_WORDS]}
