"""Which terms a model may know: those that several people used, so that it remembers none of them.

A term that one person alone writes (a name, an address, a number) tells of that person to whoever
opens the model. So each family asks here before a term enters a vocabulary, or names a topic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, groupby
from typing import TYPE_CHECKING, Any, TypeVar

from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Codes = npt.NDArray[np.int64]

T = TypeVar("T")

MOST_AUTHORS = 255  # that are told apart
BUCKETS = 2**24  # a byte each


def min_authors_param() -> Any:
    """Declare how many people must have used what a model knows."""
    return param(
        5,
        "Authors who must have used a term before the model may know it (entries, where no author "
        "is known); 1 for the diary of one person, with whom the model stays",
        low=1,
        high=MOST_AUTHORS,
    )


def authors_of(entries: pa.Table, labelled_only: bool = False) -> Codes:
    """Number the authors of the entries, sorted by id; one without an author is its own.

    Returns
    -------
    Shape `(n_entries,)`. Only whether two are equal means anything.
    """
    import numpy as np

    kept = entries.filter(entries["label"].is_valid()) if labelled_only else entries
    own = np.arange(len(kept))
    if "author" not in kept.column_names:
        return own
    number = dict[str, int]()
    named = kept.sort_by("id")["author"].to_pylist()
    codes = [-1 if name is None else number.setdefault(name, len(number)) for name in named]
    return np.where(np.array(codes, np.int64) < 0, len(number) + own, codes)


def check_authors(entries: pa.Table, min_authors: int) -> None:
    """Refuse entries of fewer authors than must have used a term: no term would be left.

    Raises
    ------
    UserError
        They are too few.
    """
    _check(authors_of(entries), min_authors)


def _check(authors: Codes, min_authors: int) -> None:
    n_authors, s = len(set(authors.tolist())), "" if len(set(authors.tolist())) == 1 else "s"
    if n_authors < min_authors:
        raise UserError(
            f"the training entries are of {n_authors:,} author{s}; no term was used by "
            f"{min_authors:,}.",
            "A model must not remember a person. If this is one person's diary and the model stays "
            "with them: -P min_authors=1",
        )


def shared_terms(
    texts: Sequence[T],
    authors: Codes,
    min_authors: int,
    terms_of: Callable[[T], Iterable[str]],
) -> frozenset[str]:
    """Find the terms that so many authors used.

    Reads the texts twice. At first it counts in buckets that terms share, which can only count
    too many; the second time exactly, but only what stands in a bucket that is full enough. So
    memory grows with the terms that are shared, not with all there are.

    Parameters
    ----------
    texts, authors
        n texts, and shape `(n,)` from `authors_of`.
    terms_of
        Gives the terms of a text; it may give one several times.

    Raises
    ------
    UserError
        There is no such term.

    Examples
    --------
    >>> import numpy as np
    >>> texts = ["tea tea", "rain tea", "rain", "my name"]
    >>> sorted(shared_terms(texts, np.array([0, 1, 1, 2]), 2, str.split))
    ['tea']
    """
    import numpy as np

    _check(authors, min_authors)

    def by_author() -> Iterator[list[str]]:
        order = np.argsort(authors, kind="stable").tolist()
        for _, own in groupby(order, key=authors.__getitem__):
            yield list(set(chain.from_iterable(terms_of(texts[place]) for place in own)))

    def buckets(terms: Sequence[str]) -> Codes:
        return np.fromiter(map(hash, terms), np.int64, len(terms)) & (BUCKETS - 1)

    counts = Counter[str]()
    if min_authors > 1:
        met = np.zeros(BUCKETS, np.uint8)
        for terms in by_author():
            found = buckets(terms)
            met[found] = np.minimum(met[found], MOST_AUTHORS - 1) + 1
        for terms in by_author():
            counts.update(compress(terms, (met[buckets(terms)] >= min_authors).tolist()))
    else:
        for terms in by_author():
            counts.update(terms)
    shared = frozenset(term for term, count in counts.items() if count >= min_authors)
    if not shared:
        raise UserError(
            f"no term of the {len(texts):,} training entries was used by {min_authors:,} "
            f"authors.",
            "Give a source with more entries: -P source=…, or a lower -P min_authors, with which "
            "the model may remember them.",
        )
    return shared
