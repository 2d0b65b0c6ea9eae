"""The words that show what a topic is about: telling, frequent, and found together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy import sparse

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

TOP_WORDS = 10
CANDIDATES = 60  # words of a topic to choose from
FREQUENT = 1.6  # exponent on a word's share of the topic's texts
LEAST_LIFT = 1.5  # how much more frequent than elsewhere a topic's word is
OF_ITS_BEST = 0.6  # of the weight that a word has in the topic that it tells most of
TELLING = 0.1  # what a factor e of weight counts for, beside 1 of coherence
EXPECTED = 2_000  # texts of a reference; two words that would not meet in them count -1
STARTS = 3
MOST_CHANGES = 30
# scikit-learn's list of stop words holds some that entries can be about, and lacks some others.
CONTENT = frozenset(
    ("bill", "computer", "cry", "fire", "interest", "mine", "move", "sincere", "system")
)
NO_CONTENT = frozenset(
    ("ain", "did", "does", "doing", "don", "got", "just", "let", "quite", "really")
)


def stop_words() -> frozenset[str]:
    """List the words that make no topic."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset((ENGLISH_STOP_WORDS - CONTENT) | NO_CONTENT)


def is_content(word: str, stop: Collection[str]) -> bool:
    """Tell whether a topic may be made of a word: no stop word or negation, not too short.

    That is three letters; other scripts say more with fewer.
    """
    long = len(word) > 2 or not word.isascii()
    return long and word not in stop and not word.endswith("n't")


def frequent_words(entries: Sequence[Sequence[str]], min_df: int) -> dict[str, int]:
    """Count in how many entries each word stands, of those in `min_df` or more, by alphabet."""
    counts = Counter[str]()
    for entry in entries:
        counts.update(set(entry))
    return {word: counts[word] for word in sorted(counts) if counts[word] >= min_df}


def content_words(
    entries: Sequence[Sequence[str]], min_df: int, stop: Collection[str]
) -> dict[str, int]:
    """Count as `frequent_words` does, but only words that a topic may be made of."""
    counts = frequent_words(entries, min_df)
    return {word: count for word, count in counts.items() if is_content(word, stop)}


@dataclass(frozen=True)
class TopicWords:
    """Which words stand in which texts, and which topic each text is of.

    Attributes
    ----------
    vocabulary
        The words.
    held
        Shape `(n_texts, n_words)`, 1 where a text holds a word.
    labels
        Shape `(n_texts,)`, each text's topic.
    n_topics
        How many there are.
    """

    vocabulary: Sequence[str]
    held: sparse.csr_array
    labels: Codes
    n_topics: int

    @classmethod
    def count(
        cls,
        entries: Sequence[Sequence[str]],
        vocabulary: Sequence[str],
        labels: Codes,
        n_topics: int,
    ) -> TopicWords:
        """Look which of the words stand in which entries."""
        import numpy as np
        from scipy import sparse

        place = {word: column for column, word in enumerate(vocabulary)}
        rows = [sorted({place[word] for word in entry if word in place}) for entry in entries]
        starts = np.cumsum([0, *map(len, rows)])
        columns = np.fromiter((column for row in rows for column in row), np.int64, starts[-1])
        shape = (len(entries), len(vocabulary))
        held = sparse.csr_array((np.ones(len(columns)), columns, starts), shape=shape)
        return cls(vocabulary, held, labels, n_topics)

    @cached_property
    def sizes(self) -> Floats:
        """How many texts each topic has, shape `(n_topics,)`."""
        import numpy as np

        return np.bincount(self.labels, minlength=self.n_topics).astype(float)

    @cached_property
    def frequency(self) -> Floats:
        """The share of all texts that hold each word, shape `(n_words,)`."""
        import numpy as np

        held: Floats = np.asarray(self.held.sum(axis=0)).ravel() / self.held.shape[0]
        return held

    @cached_property
    def share(self) -> Floats:
        """The share of each topic's texts that hold each word, shape `(n_topics, n_words)`.

        Drawn to the share in all texts as if half a text more had that one.
        """
        import numpy as np
        from scipy import sparse

        n_texts = len(self.labels)
        shape = (self.n_topics, n_texts)
        member = sparse.csr_array((np.ones(n_texts), (self.labels, np.arange(n_texts))), shape)
        inside: Floats = (member @ self.held).toarray()
        drawn: Floats = (inside + 0.5 * self.frequency) / (self.sizes[:, None] + 0.5)
        return drawn

    @cached_property
    def lift(self) -> Floats:
        """How many times as frequent as in all texts, shape `(n_topics, n_words)`."""
        lift: Floats = self.share / self.frequency
        return lift

    @cached_property
    def weights(self) -> Floats:
        """How telling each word is for each topic, shape `(n_topics, n_words)`, 0 or more.

        A class-based TF-IDF (Grootendorst, "BERTopic", 2022) in terms of shares: a word's share
        of the topic's texts times the logarithm of its lift.
        """
        import numpy as np

        weights: Floats = self.share**FREQUENT * np.log(np.maximum(self.lift, 1.0))
        return weights

    def words(self, topic: int) -> list[str]:
        """Choose ten words that tell of a topic and stand together, the most telling first.

        Those of the greatest mean normalised pointwise mutual information (Bouma, 2009) that are
        found from the most telling ones, word by word; a pair that a reference of 2,000 texts
        would probably not hold counts -1, as in the metric.
        """
        import numpy as np

        weight = self.weights[topic]
        fit = (self.lift[topic] > LEAST_LIFT) & (weight > 0)
        fit &= weight >= OF_ITS_BEST * self.weights.max(axis=0)
        order = np.argsort(-weight, kind="stable")
        columns = [int(column) for column in order if fit[column]][:CANDIDATES]
        if not columns:  # a topic of words that are everywhere: those it holds most
            columns = [int(column) for column in order[:TOP_WORDS] if weight[column] > 0]
        if not columns:
            return []
        together = self._coherence(columns)
        worth = TELLING * np.log(weight[columns] / weight[columns[0]])
        tried = [_grown(together, worth, start) for start in range(min(STARTS, len(columns)))]
        best = max(tried, key=lambda rows: float(together[np.ix_(rows, rows)].sum()))
        telling = self.share[topic] * np.log(np.maximum(self.lift[topic], 1.0))
        chosen = sorted((columns[row] for row in best), key=lambda c: (-telling[c], c))
        return [self.vocabulary[column] for column in chosen]

    def _coherence(self, columns: list[int]) -> Floats:
        """Expect so much NPMI of each pair in a reference; the diagonal is 0."""
        import numpy as np

        block = self.held[:, columns]
        met = np.maximum((block.T @ block).toarray() - 0.7, 1e-3) / self.held.shape[0]
        alone = self.frequency[columns]
        chance = np.outer(alone, alone)
        known = np.log(met / chance) / -np.log(np.minimum(met, 0.999))
        missed = np.exp(-EXPECTED * met)
        expected: Floats = (1 - missed) * known - missed
        np.fill_diagonal(expected, 0.0)
        return expected


def _grown(together: Floats, worth: Floats, start: int) -> list[int]:
    """Add to a first word those that fit the ones chosen best, then change words for better ones.

    Words are changed as long as the mean coherence with the nine others, counted for both words of
    each pair, and the worth grow.
    """
    import numpy as np

    chosen = [start]
    while len(chosen) < min(TOP_WORDS, len(worth)):
        gain = together[:, chosen].mean(axis=1) + worth
        gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    for _ in range(MOST_CHANGES if len(chosen) > 1 else 0):
        best = (1e-9, 0, 0)
        for place, word in enumerate(chosen):
            fit = together[:, [other for other in chosen if other != word]].mean(axis=1)
            gain = 2 * (fit - fit[word]) + worth - worth[word]
            gain[chosen] = -np.inf
            best = max(best, (float(np.max(gain)), place, int(np.argmax(gain))))
        if best[0] <= 1e-9:
            break
        chosen[best[1]] = best[2]
    return chosen
