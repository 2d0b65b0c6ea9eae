"""One of three labels for an entry: from a label in any usual spelling, or else from a score."""

from __future__ import annotations

import math
import re
from collections import Counter

from src.errors import UserError

SPELLINGS = {
    "negative": "negative",
    "neg": "negative",
    "neutral": "neutral",
    "neu": "neutral",
    "positive": "positive",
    "pos": "positive",
}
# Read only where -1 occurs: of 0 and 1 alone, or 0, 1 and 2, nobody can tell what they mean.
NUMBERS = {"-1": "negative", "0": "neutral", "1": "positive"}
MISSING = {"", "nan", "none", "null", "na", "n/a"}

# A person's mood from 1 to 10, the middle being 4 < score < 7.
MOOD_SCALE = (1.0, 10.0)
MOOD_CUTS = (4.0, 7.0)

SHOWN = 5  # labels that a message names
CATEGORY = re.compile(r"[\w+-]{1,20}")  # a single short word
CATEGORIES = 20  # more kinds of labels, or one that is no short word: it could be texts


class Labels:
    """Reads labels row by row and remembers what it could not read.

    Parameters
    ----------
    mapping
        A class, or None for no label, by label in lower case. It comes first.
    cut_points
        (low, high): scores up to low are negative, from high on positive, else neutral. None
        means 4 and 7, which `finish` allows for scores of a 1 to 10 scale only.
    """

    def __init__(
        self, mapping: dict[str, str | None], cut_points: tuple[float, float] | None
    ) -> None:
        self.mapping, self.cut_points = mapping, cut_points
        self.unknown = Counter[str]()
        self.numbers = Counter[str]()
        self.first = dict[str, str]()  # where each of these labels was first seen
        self.lowest, self.highest = math.inf, -math.inf

    def read(self, label: str | None, score: float | None, where: str) -> str | None:
        """Give the label of one row, or None; what is written wins over a score."""
        word = (label or "").strip().casefold()
        if word in self.mapping:
            return self.mapping[word]
        if word not in MISSING:
            if word in SPELLINGS:
                return SPELLINGS[word]
            number = word.removeprefix("+").removesuffix(".0")
            known = number in NUMBERS
            word = number if known else word
            (self.numbers if known else self.unknown)[word] += 1
            self.first.setdefault(word, where)
            return NUMBERS.get(number)
        if score is None:
            return None
        self.lowest, self.highest = min(self.lowest, score), max(self.highest, score)
        low, high = self.cut_points or MOOD_CUTS
        return "negative" if score <= low else "positive" if score >= high else "neutral"

    def add(self, later: Labels) -> None:
        """Take over what another one met in rows that come later."""
        self.unknown += later.unknown
        self.numbers += later.numbers
        for word, where in later.first.items():
            self.first.setdefault(word, where)
        self.lowest = min(self.lowest, later.lowest)
        self.highest = max(self.highest, later.highest)

    def finish(self) -> None:
        """Say what could not be read.

        Raises
        ------
        UserError
            There were labels outside the three, or scores of an unknown scale.
        """
        if "-1" not in self.numbers:
            self.unknown += self.numbers
        if self.unknown:
            raise self._unknown_labels()
        if self.cut_points is None and self.lowest <= self.highest:
            # Up to 5 it is probably a scale of 5, where 4 is no bad mood.
            on_scale = self.lowest >= MOOD_SCALE[0] and 5 < self.highest <= MOOD_SCALE[1]
            if not on_scale:
                raise UserError(
                    f"the scores run from {self.lowest:g} to {self.highest:g}, which is no scale "
                    "of 1 to 10: which of them are negative, which positive?",
                    "Say up to where they are negative and from where positive: "
                    "-P cut_points=LOW,HIGH",
                )

    def _unknown_labels(self) -> UserError:
        total, distinct = self.unknown.total(), len(self.unknown)
        where = next(self.first[word] for word in self.first if word in self.unknown)
        showable = distinct <= CATEGORIES and all(map(CATEGORY.fullmatch, self.unknown))
        shown = [word for word, _ in self.unknown.most_common(SHOWN)] if showable else []
        named = f": {', '.join(shown)}" if shown else ""
        rest = f" and {distinct - len(shown)} more" if shown and distinct > len(shown) else ""
        example = ",".join(f"{word}=neutral" for word in shown[:2]) or "happy=positive,sad=negative"
        return UserError(
            f"{total:,} labels are not negative, neutral or positive (the first in {where})"
            f"{named}{rest}.",
            f"Map each to one of the three, or to none: -P labels={example}",
        )
