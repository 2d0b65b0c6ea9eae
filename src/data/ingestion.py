"""From a source to entries on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from src.data.cleaning import Cleaner
from src.data.forgotten import Forgotten
from src.data.labels import Labels
from src.data.privacy import pseudonym
from src.data.schema import ENTRIES
from src.data.sources import IngestParams, Reading, find


@dataclass(frozen=True)
class IngestReport:
    """What came in, what went out, and why not all did.

    Attributes
    ----------
    rows, entries
        How many were read, and how many stayed.
    dropped
        Rows by reason: empty text, duplicate text, repeated id, forgotten people.
    unreadable
        Dates and scores that could not be read and so are not given, by column.
    labels
        Entries by label, "none" for those without.
    authors
        How many there are.
    public
        Whether the texts are public.
    """

    rows: int
    entries: int
    dropped: Mapping[str, int]
    unreadable: Mapping[str, int]
    labels: Mapping[str, int]
    authors: int
    public: bool

    @property
    def sentence(self) -> str:
        """The whole in a line."""
        reasons = ", ".join(f"{count:,} of {why}" for why, count in self.dropped.items())
        return f"{self.entries:,} entries of {self.rows:,} rows" + (
            f"; dropped {reasons}" if reasons else ""
        )

    @property
    def metrics(self) -> dict[str, float]:
        """All counts as metrics."""
        groups = {"dropped": self.dropped, "unreadable": self.unreadable, "label": self.labels}
        counts = {"rows": self.rows, "entries": self.entries, "authors": self.authors} | {
            f"{group}_{name.replace(' ', '_')}": count
            for group, named in groups.items()
            for name, count in sorted(named.items())
        }
        return {name: float(count) for name, count in counts.items()}


def ingest(
    params: IngestParams,
    folder: Path,
    progress: Callable[[int], None] = lambda rows: None,
    reading: Reading | None = None,
    forgotten: Forgotten | None = None,
) -> IngestReport:
    """Read a source, clean it and write its entries to `folder`.

    Parameters
    ----------
    params
        What to read and how.
    folder
        Where the entries artifact goes.
    progress
        Called with the number of rows read so far.
    reading
        What a source may go on from, where it can; without it everything is read.
    forgotten
        Whose entries stay out.

    Raises
    ------
    UserError
        The source cannot be read, or nothing usable is in it; no file is written then.
    """
    source = find(params.source)
    labels = Labels(params.label_map, params.cuts or source.cut_points)
    cleaner = Cleaner(labels, pseudonym, (forgotten or Forgotten(frozenset())).has)

    def watched(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            yield table
            progress(cleaner.rows)

    go_on = source.read_on if reading else None
    tables = go_on(params, reading) if go_on and reading else source.read(params)
    ENTRIES.write(folder, cleaner.clean(watched(tables)))
    return IngestReport(
        rows=cleaner.rows,
        entries=cleaner.entries,
        dropped=dict(sorted(cleaner.dropped.items())),
        unreadable={name: count for name, count in sorted(cleaner.unreadable.items()) if count},
        labels=dict(sorted(cleaner.labelled.items())),
        authors=len(cleaner.authors),
        public=source.public,
    )
