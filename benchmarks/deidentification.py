"""How much of what identifies people is found, and how much else is lost.

`make bench-deidentification` measures `src/data/deidentify.py` on the sentences of
`benchmarks/deidentification_set`, counts what it replaces in the built-in corpus, and times it,
into `benchmarks/deidentification.md`.
"""

from __future__ import annotations

import platform
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from src.data.deidentify import STRICT, Deidentifier
from src.data.identifiers import Span

ROOT = Path(__file__).resolve().parents[1]
SET = ROOT / "benchmarks/deidentification_set"
PARTS = ("fresh", "held_out", "tuning")
TITLES = (
    "`fresh.txt`, after the last changes",
    "`held_out.txt`, after the last changes",
    "`tuning.txt`",
)
MARK = re.compile(r"\{([A-Z]+)\|([^{}]*)\}")
ROUNDS, ENTRY_WORDS = 5, 45

HEAD = """# De-identification

Written by `make bench-deidentification`; Python {python}, {machine}, {day}.
`benchmarks/deidentification_set/README.md` says how the sentences were made and what is marked,
and what was found in `fresh.txt` and `held_out.txt` when they were first asked.

"""


@dataclass(frozen=True)
class Case:
    """A sentence, and what in it identifies somebody."""

    text: str
    marks: tuple[Span, ...]


@dataclass
class Row:
    """Counts of a kind: marked, wholly covered; replaced, and touching a mark of the kind."""

    marked: int = 0
    found: int = 0
    replaced: int = 0
    right: int = 0


@dataclass
class Measured:
    """What was found in some cases.

    Attributes
    ----------
    kinds
        Counts by kind.
    false
        Replacements that touch no mark.
    words, words_lost
        All words, and those within replacements that no mark covers.
    """

    kinds: dict[str, Row] = field(default_factory=lambda: {kind: Row() for kind in STRICT})
    false: int = 0
    words: int = 0
    words_lost: int = 0

    @property
    def false_per_thousand_words(self) -> float:
        """False replacements in a thousand words."""
        return 1000 * self.false / self.words


def read(part: str) -> list[Case]:
    """Read a part of the set."""
    lines = (SET / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    return [parsed(line) for line in lines]


def parsed(line: str) -> Case:
    """Part a line into its text and its marks.

    >>> parsed("Met {NAME|Ada} today.")
    Case(text='Met Ada today.', marks=(Span(start=4, end=7, kind='NAME'),))
    """
    text, marks, end = "", list[Span](), 0
    for found in MARK.finditer(line):
        text += line[end : found.start()]
        marks.append(Span(len(text), len(text) + len(found[2]), found[1]))
        text, end = text + found[2], found.end()
    return Case(text + line[end:], tuple(marks))


def measured(cases: Sequence[Case], level: str = "strict") -> Measured:
    """Compare what is found with what is marked.

    A mark is found if every sign of it is replaced, as whatever kind: what is left of half a number
    still leads to somebody. A replacement is right if it touches a mark of its kind.
    """
    hide, total = Deidentifier(level), Measured()
    for case in cases:
        spans = hide.find(case.text)
        covered = {place for span in spans for place in range(span.start, span.end)}
        marked = {place for mark in case.marks for place in range(mark.start, mark.end)}
        for mark in case.marks:
            row = total.kinds[mark.kind]
            row.marked += 1
            row.found += covered.issuperset(range(mark.start, mark.end))
        for span in spans:
            touched = {
                mark.kind for mark in case.marks if mark.start < span.end and span.start < mark.end
            }
            row = total.kinds[span.kind]
            row.replaced += 1
            row.right += span.kind in touched
            total.false += not touched
        for word in re.finditer(r"\S+", case.text):
            total.words += 1
            within = set(range(*word.span()))
            total.words_lost += bool(within & covered) and not within & marked
    return total


def corpus() -> list[str]:
    """Read the texts of the built-in corpus."""
    from src.data.ingestion import ingest
    from src.data.schema import ENTRIES
    from src.data.sources import IngestParams

    with tempfile.TemporaryDirectory(prefix="bench-deidentification-") as folder:
        ingest(IngestParams(), Path(folder) / "entries")
        return [str(text) for text in ENTRIES.read(Path(folder) / "entries")["text"].to_pylist()]


def entries_per_second(texts: Sequence[str], level: str) -> float:
    """Give how many entries of 45 words a CPU second makes, the median of several rounds."""
    words, rounds = sum(len(text.split()) for text in texts), list[float]()
    for _ in range(ROUNDS):
        hide = Deidentifier(level)
        start = time.process_time()
        for text in texts:
            hide(text)
        rounds.append(words / ENTRY_WORDS / (time.process_time() - start))
    return statistics.median(rounds)


def percent(part: int, whole: int) -> str:
    """Write a share with its counts."""
    return f"{100 * part / whole:.1f} % ({part} of {whole})" if whole else "–"


def quality(part: str, title: str) -> str:
    """Write the table of a part."""
    found = measured(read(part))
    rows = [
        f"| {kind} | {percent(row.found, row.marked)} | {percent(row.right, row.replaced)} |"
        for kind, row in found.kinds.items()
    ]
    nothing = measured([case for case in read(part) if not case.marks])
    return "\n".join(
        [
            f"## {title}",
            "",
            "| kind | recall | precision |",
            "|---|---|---|",
            *rows,
            "",
            f"Of 1,000 words {found.false_per_thousand_words:.1f} were replaced where nothing was "
            f"marked ({found.false} in {found.words:,}); in the sentences without a mark "
            f"{nothing.false_per_thousand_words:.1f} ({nothing.false} in {nothing.words:,}).",
            "",
            "",
        ]
    )


def built_in(texts: Sequence[str], diaries: Sequence[str]) -> str:
    """Write what is replaced in the built-in corpus, by 1,000 entries, and how fast."""
    lines = [
        "## The built-in corpus",
        "",
        "What would be replaced in 1,000 entries, and how many entries of 45 words a CPU second "
        "makes. All of it is public: no ingest replaces anything in it unless asked to.",
        "",
        "| entries | level | " + " | ".join(kind.lower() for kind in STRICT) + " | entries/s |",
        "|---|---|" + "---|" * (len(STRICT) + 1),
    ]
    for name, some in (("all", texts), ("the journal's", diaries)):
        for level in ("standard", "strict"):
            hide = Deidentifier(level)
            for text in some:
                hide(text)
            counts = Counter({kind: hide.replaced[kind.lower()] for kind in STRICT})
            rates = " | ".join(f"{1000 * counts[kind] / len(some):.1f}" for kind in STRICT)
            speed = entries_per_second(some, level)
            lines.append(f"| {name}, {len(some):,} | {level} | {rates} | {speed:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the tables."""
    from src.data import journal

    texts = corpus()
    report = HEAD.format(
        python=platform.python_version(),
        machine=platform.machine(),
        day=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    for part, title in zip(PARTS, TITLES, strict=True):
        report += quality(part, title)
    report += built_in(texts, [entry.text for entry in journal.training()])
    (ROOT / "benchmarks/deidentification.md").write_text(report, encoding="utf-8")
    sys.stdout.write(report)


if __name__ == "__main__":
    main()
