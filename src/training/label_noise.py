"""Doubts about labels: those that cross-validation contradicts, and classes that look swapped.

Confident learning after Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty
in Dataset Labels" (2021), written anew: the best-known library for it is under the AGPL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from src.data import LABELS
from src.errors import UserError
from src.training.rows import draw, labelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from src.pipeline.execute import Context
    from src.training.family import Family

    Floats = npt.NDArray[np.float64]
    Codes = npt.NDArray[np.int64]

Pair = tuple[str, str]  # two classes, the lesser first
MOST = 6_000  # labelled entries that are looked at, drawn class by class
LEAST = 30  # of each class; with fewer nothing is said
FOLDS = 3
WORD = re.compile(r"\w+|[^\w\s]")
HASHES = 2**13  # terms; words that share one blur the view a little
POLAR = (LABELS[0], LABELS[-1])

# Bounds on shares, each to be exceeded by two standard errors; `doubts_about` says what they part.
CONTRADICTED = 0.37
HARD = 0.50  # instead, where the lexicon does not know the words: less can be told there
TELLS = 0.15  # how far from a half the lexicon's order is where it knows the words
STRONGLY = 0.08  # of labels beside another that is at least so probable:
SURE = 0.7
REVERSED = 0.55  # of negative and positive
MISPLACED = 0.60  # of either and neutral, whose words say less


@dataclass(frozen=True)
class Doubts:
    """What speaks against the labels of some entries.

    Attributes
    ----------
    n_entries
        How many were looked at.
    contradicted
        Share of the labels that cross-validation contradicts.
    by_class
        The same of each class.
    strongly
        Share of labels beside another that cross-validation gives a probability of 0.7 or more:
        where texts are plain, nearly the share of wrong labels.
    reversed
        By two classes, the lesser first: the share of pairs, an entry of each, that VADER's
        lexicon puts into the other order, ties half. Empty without a lexicon.
    swapped
        Two classes whose order is surely the other one.
    """

    n_entries: int
    contradicted: float
    by_class: Mapping[str, float]
    strongly: float
    reversed: Mapping[Pair, float]
    swapped: Pair | None

    @property
    def metrics(self) -> dict[str, float]:
        """The shares to log."""
        found = {"labels_contradicted": self.contradicted}
        if self.reversed:
            found["labels_against_lexicon"] = self.reversed[POLAR]
        return found

    @property
    def noisy(self) -> bool:
        """Whether more labels are contradicted than hard texts explain."""
        known = abs(self.reversed.get(POLAR, 0.5) - 0.5) >= TELLS
        bound = CONTRADICTED if known else HARD
        return self._above(self.contradicted, bound) or self._above(self.strongly, STRONGLY)

    def _above(self, share: float, bound: float) -> bool:
        return share - 2 * math.sqrt(share * (1 - share) / self.n_entries) > bound

    @property
    def warning(self) -> str:
        """What is wrong and what to do, in a line; empty where nothing is."""
        said = []
        if self.swapped:
            low, high = self.swapped
            said.append(
                f"labels {low} and {high} look swapped: in {self.reversed[self.swapped]:.0%} of "
                f"pairs of such entries the {low} one sounds better to VADER's lexicon. "
                f"Swap them with -P labels={low}={high},{high}={low}, or turn the scores that "
                "they come from"
            )
        if self.noisy:
            each = ", ".join(f"{label} {share:.0%}" for label, share in self.by_class.items())
            said.append(
                f"labels look noisy, or say little of their texts: cross-validation contradicts "
                f"{self.contradicted:.0%} of {self.n_entries:,} ({each}). Look at the source's "
                "labels, and at -P label_column, labels and cut_points"
            )
        return "; ".join(said)


def check_labels(
    context: Context, family: Family, own: Any, train: pa.Table, valid: pa.Table
) -> Any:
    """Look for doubts about the training labels, before anything is fitted.

    Logs `labels_contradicted` and `labels_against_lexicon`; a warning is said and kept in
    `details`. Stops nothing: what a model is worth, evaluation decides.

    Returns
    -------
    The family's parameters as they are.
    """
    texts, labels = labelled(train)
    counts = [labels.count(label) for label in LABELS]
    if min(counts) < LEAST:
        context.say(
            f"train: labels not checked, which takes {LEAST} labelled entries of each class"
        )
        return own
    lexicon = read_lexicon(context)
    doubts = doubts_about(texts, labels, lexicon, context.params.seed)
    context.log_metrics(doubts.metrics)
    if doubts.warning:
        context.details["warning"] = doubts.warning
        context.say(f"train: warning: {doubts.warning}.")
    return own


def read_lexicon(context: Context) -> dict[str, float]:
    """Read VADER's lexicon; where it cannot be had, say so and give an empty one."""
    from src.training import train_sentiment_analysis_semantic as views

    try:
        return views.read_lexicon()
    except UserError as error:
        context.say(f"train: labels not compared with VADER's lexicon: {error.message}")
        return {}


def doubts_about(
    texts: Sequence[str], labels: Sequence[str], lexicon: Mapping[str, float], seed: int
) -> Doubts:
    """Cross-validate a quick linear model of hashed words and lexicon, and doubt labels by it.

    A label is contradicted where another class is both at least as probable, out of fold, as it
    is on average for entries of that class, and the most probable of such classes. Classes are
    swapped where the lexicon (Hutto and Gilbert, 2014) surely puts them into the other order:
    cross-validation cannot see that, nor can the lexicon where entries name no feelings (on the
    project's own journal it measures 0.46). Measured on the built-in corpus with labels replaced by
    others at random, or exchanged; the last column is of negative and positive:

    =============  ============  ===============  ========
    labels         contradicted  without lexicon  reversed
    =============  ============  ===============  ========
    as they are    0.24          0.31             0.21
    10 % replaced  0.32          0.39             0.24
    20 % replaced  0.40          0.48             0.28
    40 % replaced  0.56          0.60             0.36
    shuffled       0.61          0.62             0.50
    exchanged      0.24          0.30             0.79
    =============  ============  ===============  ========

    Of 2,000 entries as they are 0.28 are contradicted, of 500 0.40, and 0.40 and 0.55 without
    lexicon. Of plain made-up texts with 20 % replaced 0.18 are, 0.17 strongly; of the built-in
    corpus as it is 0.06 strongly.

    Parameters
    ----------
    texts, labels
        At least 30 of each of the three classes. Above 6,000, as many are drawn.
    lexicon
        Valence by word; may be empty.

    Returns
    -------
    The same for the same input and seed.
    """
    import numpy as np

    from src.models.sentiment_analyzer import polarity

    drawn = draw(labels, MOST, seed, LEAST)
    texts, labels = [texts[place] for place in drawn], [labels[place] for place in drawn]
    codes = np.array([LABELS.index(label) for label in labels])
    read = np.stack([polarity(text, lexicon) for text in texts])
    probable = out_of_fold(texts, read, codes, seed)
    given = np.eye(len(LABELS), dtype=np.bool_)[codes]
    usual = np.array([probable[codes == code, code].mean() for code in range(len(LABELS))])
    confident = np.where(probable >= usual, probable, -1.0)
    wrong = (confident.max(axis=1) >= 0) & ~given[np.arange(len(codes)), confident.argmax(axis=1)]
    sure = np.where(given, 0.0, probable).max(axis=1) >= SURE
    shares = reversed_pairs(read[:, 0], codes) if lexicon else {}
    return Doubts(
        n_entries=len(codes),
        contradicted=float(wrong.mean()),
        by_class={label: float(wrong[codes == code].mean()) for code, label in enumerate(LABELS)},
        strongly=float(sure.mean()),
        reversed=shares,
        swapped=swapped_pair(shares, read[:, 0], codes),
    )


def out_of_fold(texts: Sequence[str], read: Floats, codes: Codes, seed: int) -> Floats:
    """Let a quick model answer each text that it was not fitted on; shape `(n_texts, 3)`.

    Parameters
    ----------
    read
        What the lexicon says of each text, `(n_texts, 4)`.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    hashed = HashingVectorizer(
        n_features=HASHES,
        alternate_sign=False,
        norm=None,
        tokenizer=WORD.findall,
        token_pattern=None,
    )
    words = TfidfTransformer(sublinear_tf=True).fit_transform(hashed.transform(texts))
    features = sparse.csr_array(sparse.hstack([words, read]))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    model = LogisticRegression(max_iter=200, tol=1e-3)
    with threadpool_limits(1):  # sums in another order have other last digits
        found: Floats = cross_val_predict(model, features, codes, cv=folds, method="predict_proba")
    return found


def reversed_pairs(scores: Floats, codes: Codes) -> dict[Pair, float]:
    """Give by two classes the share of pairs in which the lesser's entry has the higher score.

    The statistic of Mann and Whitney (1947) as a share.

    Parameters
    ----------
    scores, codes
        Shape `(n_texts,)`; a code is the place of a label in `LABELS`.

    Examples
    --------
    >>> import numpy as np
    >>> found = reversed_pairs(np.array([0.2, 0.5, 0.5, 0.9]), np.array([0, 0, 1, 2]))
    >>> found["negative", "neutral"], found["negative", "positive"]
    (0.25, 0.0)
    """
    from scipy.stats import mannwhitneyu

    sides = [scores[codes == code] for code in range(len(LABELS))]
    return {
        (LABELS[low], LABELS[high]): float(mannwhitneyu(sides[low], sides[high]).statistic)
        / (len(sides[low]) * len(sides[high]))
        for low, high in combinations(range(len(LABELS)), 2)
    }


def swapped_pair(shares: Mapping[Pair, float], scores: Floats, codes: Codes) -> Pair | None:
    """Find two classes that are surely in the other order: the outer two, or else the worst.

    The standard error is that of chance for as many entries of both classes as have a score
    other than 0, halved: texts of unknown words say nothing.
    """
    import numpy as np

    for pair in sorted(shares, key=lambda pair: (pair != POLAR, -shares[pair])):
        both = np.isin(codes, [LABELS.index(label) for label in pair])
        known = int(np.count_nonzero(scores[both])) / 2
        if known < LEAST:
            continue
        error = math.sqrt((2 * known + 1) / (12 * known * known))
        if shares[pair] - 2 * error > (REVERSED if pair == POLAR else MISPLACED):
            return pair
    return None
