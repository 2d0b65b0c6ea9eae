"""What data must be like to be trained on: every rule with its limits, declared in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.data import LABELS
from src.data.measured import Measured, in_tenths, median, ratio, share, shift

if TYPE_CHECKING:
    from datetime import date

    from src.data.profile import Profile

LONG = 50_000  # characters: several texts in one cell, as when a quotation mark is never closed
EARLIEST = "1900-01"
MAJOR_SHIFT = 0.25  # of the population stability index


@dataclass(frozen=True)
class Look:
    """What rules look at.

    Attributes
    ----------
    now
        The data in question.
    last
        The last accepted data of the same source; None where there are none.
    today
        A date after whose month nothing can have been written.
    on_mood_scale
        Whether the cut points are those of a scale of 1 to 10.
    """

    now: Profile
    last: Profile | None
    today: date
    on_mood_scale: bool = False


@dataclass(frozen=True)
class Rule:
    """One expectation; it is broken where the interval lies wholly beyond a limit.

    Attributes
    ----------
    name
        What people call it by in a file of limits.
    measure
        What is limited; None where there is nothing to measure.
    said
        The finding, with {value} and {last} for the run that is compared with.
    advice
        What to look at.
    at_least, at_most
        The limits; without any the rule waits for a person's own.
    counted
        Whether the value is a number and no share.
    """

    name: str
    measure: Callable[[Look], Measured | None]
    said: str
    advice: str
    at_least: float | None = None
    at_most: float | None = None
    counted: bool = False

    def show(self, value: float) -> str:
        """Write a value or a limit."""
        if not self.counted:
            return f"{100 * value:.3g} %"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def dropped(why: str) -> Callable[[Look], Measured | None]:
    """Measure the share of rows that left for a reason."""
    return lambda look: share(look.now.dropped.get(why, 0), look.now.rows)


def unreadable(look: Look, column: str, read: int) -> Measured | None:
    """Measure the share of given values that could not be read."""
    bad = look.now.unreadable.get(column, 0)
    return share(bad, bad + read)


def dates(look: Look, strange: Callable[[str], bool]) -> Measured | None:
    """Measure the share of dated entries whose month is strange."""
    found = look.now.months
    return share(sum(n for month, n in found.items() if strange(month)), sum(found.values()))


def long_texts(look: Look) -> Measured | None:
    """Measure the share of entries that are longer than anybody's."""
    found = look.now.lengths
    return share(sum(n for length, n in found.items() if length > LONG), look.now.entries)


def largest_label(look: Look) -> Measured | None:
    """Measure the share of the most frequent class among labelled entries."""
    labels = [look.now.labels.get(label, 0) for label in LABELS]
    return share(max(labels), sum(labels))


def off_scale(look: Look) -> Measured | None:
    """Measure the share of scores outside the mood scale, where that is the scale."""
    return share(look.now.off_scale, sum(look.now.scores.values())) if look.on_mood_scale else None


def repeats(data: Profile) -> Mapping[str, int]:
    """Count rows that repeat a text, and the others."""
    return two("repeated", data.dropped.get("duplicate text", 0), "new", data.rows)


def named(data: Profile) -> Mapping[str, int]:
    """Count entries without an author, and the others."""
    return two("without an author", data.without_author, "with one", data.entries)


def spoken(data: Profile) -> Mapping[str, int]:
    """Count rows by the language that they left for, and those that stayed."""
    return {**data.languages, "those that stay": data.rows - sum(data.languages.values())}


def dated(data: Profile) -> Mapping[str, int]:
    """Count entries with a date, and the others."""
    return two("with a date", sum(data.months.values()), "without", data.entries)


def two(kind: str, some: int, other: str, n: int) -> dict[str, int]:
    """Name some of n, and the rest."""
    return {kind: some, other: n - some}


def month(day: date) -> str:
    """Write the month of a date as profiles do."""
    return f"{day.year:04}-{day.month:02}"


TEXTS = "Is -P text_column the column of texts?"
LABELLED = "Is -P label_column the column of labels?"
CHANGED = "Has the export changed, or its columns?"


def drift(
    what: str, counts: Callable[[Profile, Profile], Mapping[str, int]], advice: str = CHANGED
) -> Rule:
    """Make a rule: counts, given a profile and the last one, have not moved since that."""

    def measure(look: Look) -> Measured | None:
        last = look.last
        return shift(counts(look.now, last), counts(last, last)) if last else None

    return Rule(
        f"{what}_against_last",
        measure,
        f"{what} are {{value}} away from those of {{last}} by the population stability index",
        advice,
        at_most=MAJOR_SHIFT,
        counted=True,
    )


# A new rule: one row here and no other edit.
RULES: tuple[Rule, ...] = (
    Rule(
        "rows",
        lambda look: Measured(look.now.rows, look.now.rows, look.now.rows),
        "{value} rows were read",
        "Is the export whole?",
        counted=True,
    ),
    Rule("empty_texts", dropped("empty text"), "{value} of rows have no text", TEXTS, at_most=0.1),
    Rule(
        "duplicate_texts",
        dropped("duplicate text"),
        "{value} of rows repeat a text",
        "Was it exported or joined twice? " + TEXTS,
        at_most=0.4,
    ),
    Rule(
        "repeated_ids",
        dropped("repeated id"),
        "{value} of rows repeat an id",
        "Is -P id_column the column of the entries' ids?",
        at_most=0.1,
    ),
    Rule(
        "unreadable_dates",
        lambda look: unreadable(look, "created_at", sum(look.now.months.values())),
        "{value} of dates cannot be read",
        "Write them like 2024-03-01; is -P created_at_column the column of dates?",
        at_most=0.1,
    ),
    Rule(
        "unreadable_scores",
        lambda look: unreadable(look, "score", sum(look.now.scores.values())),
        "{value} of scores are no numbers",
        "Is -P score_column the column of scores?",
        at_most=0.1,
    ),
    Rule(
        "future_dates",
        lambda look: dates(look, lambda at: at > month(look.today)),
        "{value} of dates lie after this month",
        "Are day and month swapped, or is this machine's clock wrong?",
        at_most=0.01,
    ),
    Rule(
        "ancient_dates",
        lambda look: dates(look, lambda at: at < EARLIEST),
        "{value} of dates lie before 1900",
        "Is a year cut, or a missing date written as a very early one?",
        at_most=0.01,
    ),
    Rule(
        "median_length",
        lambda look: median(look.now.lengths),
        "the median text has {value} characters",
        TEXTS,
        at_least=5,
        at_most=20_000,
        counted=True,
    ),
    Rule(
        "long_texts",
        long_texts,
        f"{{value}} of texts have over {LONG:,} characters",
        "Is a quotation mark never closed?",
        at_most=0.01,
    ),
    Rule(
        "wordless_texts",
        lambda look: share(look.now.wordless, look.now.entries),
        "{value} of texts have less than two words",
        TEXTS,
        at_most=0.5,
    ),
    Rule(
        "largest_label",
        largest_label,
        "{value} of labels are the same",
        LABELLED + " Labels that say nothing are left out by -P labels=positive=none",
        at_most=0.95,
    ),
    Rule(
        "unlabelled",
        lambda look: share(look.now.labels.get("none", 0), look.now.entries),
        "{value} of entries have no label",
        LABELLED,
    ),
    Rule(
        "without_author",
        lambda look: share(look.now.without_author, look.now.entries),
        "{value} of entries name no author",
        "Is -P author_column the column of authors?",
    ),
    Rule(
        "scores_off_scale",
        off_scale,
        "{value} of scores lie outside 1 to 10",
        "Which scores are negative, which positive? -P cut_points=LOW,HIGH",
        at_most=0.01,
    ),
    Rule(
        "other_languages",
        dropped("other language"),
        "{value} of rows are in another language than those that stay",
        "Are the languages that stay the right ones? " + TEXTS,
        at_most=0.5,
    ),
    Rule(
        "rows_against_last",
        lambda look: ratio(look.now.rows, look.last.rows) if look.last else None,
        "there are {value} times as many rows as in {last}",
        "Is the export whole?",
        at_least=0.5,
        counted=True,
    ),
    drift("duplicates", lambda data, last: repeats(data), "Was it exported or joined twice?"),
    drift("lengths", lambda data, last: in_tenths(data.lengths, last.lengths)),
    drift("labels", lambda data, last: data.labels),
    drift("languages", lambda data, last: spoken(data)),
    drift("authors", lambda data, last: named(data)),
    drift("dates", lambda data, last: dated(data)),
)
