"""Which terms a model may know: those that several people used, so that it remembers none of them.

A term that one person alone writes (a name, an address, a number) tells of that person to whoever
opens the model. So each family asks here before a term enters a vocabulary, or names a topic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress, groupby, repeat
from typing import TYPE_CHECKING, Any, TypeVar

from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Codes = npt.NDArray[np.int64]

T = TypeVar("T")

WORD = re.compile(r"\w+(?:['’]\w+)*")
HIDDEN = "\u115f"  # stands where a word is not to be learned: a letter that no text has
MOST_AUTHORS = 255  # that are told apart
BUCKETS = 2**24  # a byte each
MIN_AUTHORS = "min_authors"  # the parameter of each family, noted with a logged model


def min_authors_param() -> Any:
    """Declare how many people must have used what a model knows."""
    return param(
        5,
        "Authors who must have used a term before the model may know it (entries, where no author "
        "is known); 1 for the diary of one person, with whom the model stays",
        low=1,
        high=MOST_AUTHORS,
    )


@dataclass(frozen=True)
class Authors:
    """Who wrote each of n texts, and how many must have used what a model may know.

    Attributes
    ----------
    codes
        Shape `(n,)`; only whether two are equal means anything.
    least
        So many authors.
    """

    codes: Codes
    least: int

    def take(self, places: Sequence[int] | Codes) -> Authors:
        """Give those of some of the texts, or of parts of them."""
        return Authors(self.codes[places], self.least)

    def check(self) -> None:
        """Refuse fewer authors than must have used a term: no term would be left.

        Raises
        ------
        UserError
            They are too few.
        """
        found = len(set(self.codes.tolist()))
        if found < self.least:
            raise UserError(
                f"the training entries are of {found:,} author{'s' * (found != 1)}; no term was "
                f"used by {self.least:,}.",
                "A model must not remember a person. If this is one person's diary, and the model "
                "stays with them: -P min_authors=1",
            )

    def enough(self, places: Iterable[int]) -> bool:
        """Tell whether the texts in these places are of enough authors."""
        return len(set(self.codes[list(places)].tolist())) >= self.least

    def shared(self, texts: Sequence[T], terms_of: Callable[[T], Iterable[str]]) -> frozenset[str]:
        """Find the terms that enough authors used.

        Reads the texts twice. At first it counts in buckets that terms share, which can only
        count too many; the second time exactly, but only what stands in a bucket that is full
        enough. So memory grows with the terms that are shared, not with all there are.

        Parameters
        ----------
        texts
            The n texts.
        terms_of
            Gives the terms of a text; it may give one several times.

        Raises
        ------
        UserError
            There is no such term.

        Examples
        --------
        >>> import numpy as np
        >>> authors = Authors(np.array([0, 1, 1, 2]), least=2)
        >>> sorted(authors.shared(["tea tea", "rain tea", "rain", "my name"], str.split))
        ['tea']
        """
        import numpy as np

        self.check()
        counts = Counter[str]()
        met = np.zeros(BUCKETS if self.least > 1 else 0, np.uint8)
        for terms in self._by_author(texts, terms_of) if self.least > 1 else ():
            found = _buckets(terms)
            met[found] = np.minimum(met[found], MOST_AUTHORS - 1) + 1
        for terms in self._by_author(texts, terms_of):
            full = (met[_buckets(terms)] >= self.least).tolist() if len(met) else repeat(True)
            counts.update(compress(terms, full))
        shared = frozenset(
            term for term, n in counts.items() if n >= self.least and HIDDEN not in term
        )
        if not shared:
            raise UserError(
                f"no term of the {len(texts):,} training entries was used by {self.least:,} "
                "authors.",
                "Give a source with more entries: -P source=… — or a lower -P min_authors, but "
                "then the model may remember who wrote them.",
            )
        return shared

    def _by_author(
        self, texts: Sequence[T], terms_of: Callable[[T], Iterable[str]]
    ) -> Iterator[list[str]]:
        """List the different terms of each author."""
        import numpy as np

        codes, order = self.codes.tolist(), np.argsort(self.codes, kind="stable").tolist()
        for _, own in groupby(order, key=codes.__getitem__):
            yield list(set(chain.from_iterable(terms_of(texts[place]) for place in own)))


def _buckets(terms: Sequence[str]) -> Codes:
    import numpy as np

    return np.fromiter(map(hash, terms), np.int64, len(terms)) & (BUCKETS - 1)


def authors_of(entries: pa.Table, min_authors: int, labelled_only: bool = False) -> Authors:
    """Tell who wrote the entries, sorted by id; one without an author counts as an author."""
    import numpy as np

    kept = entries.filter(entries["label"].is_valid()) if labelled_only else entries
    own = np.arange(len(kept))
    if "author" not in kept.column_names:
        return Authors(own, min_authors)
    number = dict[str, int]()
    named = kept.sort_by("id")["author"].to_pylist()
    codes = [-1 if name is None else number.setdefault(name, len(number)) for name in named]
    return Authors(np.where(np.array(codes, np.int64) < 0, len(number) + own, codes), min_authors)


def hidden(texts: Sequence[str], authors: Authors) -> list[str]:
    """Put a sign in the place of each word that too few authors used.

    For what would learn such words by their pieces, or by heart: a word that is not known can
    still be told by what it is made of.

    Examples
    --------
    >>> import numpy as np
    >>> authors = Authors(np.array([0, 1]), least=2)
    >>> [text.replace(HIDDEN, "_") for text in hidden(["A cat sat.", "a cat, my cat"], authors)]
    ['A cat _.', 'a cat, _ cat']
    """
    from src.models.sentiment_analyzer import normalise

    def terms_of(text: str) -> list[str]:
        return [normalise(word) for word in WORD.findall(text)]

    if authors.least == 1:
        return list(texts)
    shared = authors.shared(texts, terms_of)
    return [
        WORD.sub(lambda word: word[0] if normalise(word[0]) in shared else HIDDEN, text)
        for text in texts
    ]
