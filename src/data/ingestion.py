"""From a source to entries on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from src.data.cleaning import Cleaner
from src.data.deidentify import Deidentifier
from src.data.forgotten import Forgotten, Mark, stand_in
from src.data.labels import Labels
from src.data.languages import reader
from src.data.mending import menders
from src.data.privacy import pseudonym
from src.data.profile import Profile, Profiler
from src.data.raw import note_of, place_of
from src.data.schema import ENTRIES, PRIVACY
from src.data.sources import IngestParams, Piece, Reading, find

if TYPE_CHECKING:
    from src.engines.spark import Spark

NOTES = 3  # of a source that are told


@dataclass(frozen=True)
class IngestReport:
    """What came in, what went out, and why not all did.

    Attributes
    ----------
    rows, entries
        How many were read, and how many stayed.
    dropped
        Rows by reason: empty text, duplicate text, repeated id.
    unreadable
        Dates and scores that could not be read and so are not given, by column.
    labels
        Entries by label, "none" for those without.
    authors
        How many there are.
    replaced
        What identified people and was replaced, by kind.
    languages
        Rows dropped for another language, by its code.
    mended
        Texts that were repaired, by what was.
    notes
        What the source has to say of itself, such as an encoding that was found out.
    public
        Whether the texts are public.
    profile
        The entries in counts.
    """

    rows: int
    entries: int
    dropped: Mapping[str, int]
    unreadable: Mapping[str, int]
    labels: Mapping[str, int]
    authors: int
    replaced: Mapping[str, int]
    languages: Mapping[str, int]
    mended: Mapping[str, int]
    notes: Sequence[str]
    public: bool
    profile: Profile

    @property
    def sentence(self) -> str:
        """The whole in a line."""
        reasons = ", ".join(f"{count:,} of {why}" for why, count in self.dropped.items())
        others = ", ".join(f"{language} {count:,}" for language, count in self.languages.items())
        mended = ", ".join(f"{count:,} of {what}" for what, count in self.mended.items())
        more = f" and {len(self.notes) - NOTES:,} more" if len(self.notes) > NOTES else ""
        replaced = sum(self.replaced.values())
        return (
            f"{self.entries:,} entries of {self.rows:,} rows"
            + (f"; dropped {reasons}" if reasons else "")
            + (f" ({others})" if others else "")
            + (f"; mended {mended}" if mended else "")
            + (f"; {replaced:,} identifying words replaced" if replaced else "")
            + (f"; read {', '.join(self.notes[:NOTES])}{more}" if self.notes else "")
        )

    @property
    def metrics(self) -> dict[str, float]:
        """All counts as metrics."""
        groups = {
            "dropped": self.dropped,
            "dropped_language": self.languages,
            "mended": self.mended,
            "replaced": self.replaced,
            "unreadable": self.unreadable,
            "label": self.labels,
        }
        counts = {"rows": self.rows, "entries": self.entries, "authors": self.authors} | {
            f"{group}_{name.replace(' ', '_')}": count
            for group, named in groups.items()
            for name, count in sorted(named.items())
        }
        return {name: float(count) for name, count in counts.items()}


@dataclass(frozen=True)
class Recipe:
    """How rows are cleaned, in plain words: of them another process makes the same cleaner."""

    labels: Mapping[str, str | None]
    cut_points: tuple[float, float] | None
    privacy: str
    languages: str
    mend: str
    forgotten: frozenset[Mark] = frozenset()


@dataclass(frozen=True)
class Counts:
    """What was met in some rows, as it goes from one process to another."""

    rows: int
    counters: tuple[Counter[str], ...]
    labels: Labels
    met: frozenset[Mark]
    notes: tuple[str, ...]


class Cleaning:
    """A cleaner, made by a recipe, and all that is counted beside it.

    Attributes
    ----------
    cleaner
        Turns rows into entries.
    hide
        What it de-identifies texts by.
    notes
        What the source had to say of itself.
    """

    def __init__(self, recipe: Recipe, forgotten: Forgotten | None = None) -> None:
        self.forgotten = forgotten or Forgotten(recipe.forgotten)
        self.hide, self.notes = Deidentifier(recipe.privacy), dict[str, None]()
        self.cleaner = Cleaner(
            Labels(dict(recipe.labels), recipe.cut_points),
            pseudonym,
            forgotten=self.forgotten.has,
            hide=self.hide,
            stand_in=stand_in,
            menders=menders(recipe.mend),
            other_language=reader(recipe.languages),
        )

    def noting(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables on and keep the notes on them."""
        for table in tables:
            if note := note_of(table):
                self.notes[note] = None
            yield table

    def counts(self) -> Counts:
        """Give all that was met so far."""
        return Counts(
            self.cleaner.rows,
            self._counters(),
            self.cleaner.labels,
            frozenset(self.forgotten.met),
            tuple(self.notes),
        )

    def add(self, later: Counts) -> None:
        """Take over what was met elsewhere in rows that come later."""
        self.cleaner.rows += later.rows
        for counter, other in zip(self._counters(), later.counters, strict=True):
            counter.update(other)
        self.cleaner.labels.add(later.labels)
        self.forgotten.met |= later.met
        self.notes |= dict.fromkeys(later.notes)

    def _counters(self) -> tuple[Counter[str], ...]:
        used = self.cleaner
        return used.dropped, used.unreadable, used.mended, used.languages, self.hide.replaced


def ingest(
    params: IngestParams,
    folder: Path,
    progress: Callable[[int, float | None], None] = lambda rows, share: None,
    reading: Reading | None = None,
    forgotten: Forgotten | None = None,
    engine: Spark | None = None,
) -> IngestReport:
    """Read a source, clean it and write its entries to `folder`.

    Parameters
    ----------
    params
        What to read and how.
    folder
        Where the entries artifact goes.
    progress
        Called with the number of rows read so far, and the share that they are of the source, or
        None where it does not know.
    reading
        What a source may go on from, where it can; without it everything is read.
    forgotten
        Whose entries stay out.
    engine
        What cleans the rows instead of this process, to the same entries.

    Raises
    ------
    UserError
        The source cannot be read, or nothing usable is in it; no file is written then.
    """
    source = find(params.source)
    privacy = params.privacy or ("off" if source.public else "strict")
    recipe = Recipe(
        labels=params.label_map,
        cut_points=params.cuts or source.cut_points,
        privacy=privacy,
        languages=params.languages or ("any" if source.public else "en"),
        mend=params.mend,
        forgotten=forgotten.marks if forgotten else frozenset(),
    )
    cleaning, profiler = Cleaning(recipe, forgotten), Profiler()
    cleaner = cleaning.cleaner

    def watched(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in cleaning.noting(tables):
            yield table
            progress(cleaner.rows, place_of(table))

    if engine and source.pieces:
        cleaned = engine.clean(recipe, source.pieces(params), cleaning, progress)
    else:
        go_on = source.read_on if reading else None
        tables = go_on(params, reading) if go_on and reading else source.read(params)
        if engine:
            cleaned = engine.clean(recipe, handed(tables), cleaning, progress)
        else:
            cleaned = cleaner.clean(watched(tables))
    said = {PRIVACY: privacy} if privacy != "off" else None
    batches = (batch.replace_schema_metadata(said) for batch in cleaned)
    ENTRIES.write(folder, profiler.watch(batches))
    if reading and reading.versions.exists():
        keep_entries(reading.versions, folder)
    return IngestReport(
        rows=cleaner.rows,
        entries=cleaner.entries,
        dropped=dict(sorted(cleaner.dropped.items())),
        unreadable={name: count for name, count in sorted(cleaner.unreadable.items()) if count},
        labels=dict(sorted(cleaner.labelled.items())),
        authors=cleaner.authors,
        replaced=dict(sorted(cleaning.hide.replaced.items())),
        languages=dict(cleaner.languages.most_common()),
        mended={what: count for what, count in cleaner.mended.items() if count},
        notes=tuple(cleaning.notes),
        public=source.public,
        profile=profiler.profile(
            cleaner.rows, cleaner.authors, cleaner.dropped, cleaner.unreadable, cleaner.languages
        ),
    )


def handed(tables: Iterable[pa.Table]) -> Iterator[Piece]:
    """Make pieces of what only this process can read: each carries its table."""
    before = Counter[str]()
    for table in tables:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        yield Piece(partial(_carried, sink.getvalue().to_pybytes()), dict(before))
        before.update(table["source"].to_pylist())


def _carried(table: bytes) -> Iterator[pa.Table]:
    with pa.ipc.open_stream(table) as stream:
        yield stream.read_all()


def keep_entries(versions: Path, entries: Path) -> None:
    """Leave in `versions` only those that became entries, under the ids that these have.

    The ids of others are no more kept than their texts: they are asked for again next time.
    """
    import shutil

    from src.data.numbered import UNKNOWN, Numbered, keys_of
    from src.data.postgresql.going_on import VERSIONS

    known = Numbered()
    for batch in replace(ENTRIES, invariants=()).batches(entries):
        known.number(keys_of(batch["id"].to_pylist()))

    def kept() -> Iterator[pa.RecordBatch]:
        for batch in VERSIONS.batches(versions):
            there = known.find(keys_of(batch["id"].to_pylist())) != UNKNOWN
            yield batch.filter(pa.array(there))

    fresh = versions.with_name(f"{versions.name}-kept")
    VERSIONS.write(fresh, kept())
    shutil.rmtree(versions)
    fresh.rename(versions)
