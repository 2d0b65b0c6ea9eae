"""A small convolution over words (Kim, 2014) that learns soft labels, and its tables that ship."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from src.models.sentiment_analyzer import MOST_SUBWORDS, WINDOW, normalise, subwords, tokens
from src.training.known_terms import hidden
from src.training.network import bucketed
from src.training.pace import Pace

if TYPE_CHECKING:
    import numpy.typing as npt

    from src.training.known_terms import Authors

MOST_WORDS, MOST_PIECES, MOST_IN_ALL = 25_000, 12_000, 30_000
LEAST_WORDS, LEAST_PIECES = 2, 5  # texts, and words, that they must stand in
WIDTH = 3  # words that a filter reads
FORGOTTEN = 0.05  # share of known words that are read by their pieces, so that these learn
DROPOUT, WEIGHT_DECAY = 0.2, 0.1
# Of the learning rate, for a word's own vector where it also has its teacher's: a rare word would
# else learn the few texts that it stands in by heart.
OWN_RATE = 0.3
SPREAD = 0.2  # of the teacher's vectors, in each dimension
BATCH = 128


@dataclass(frozen=True)
class Meanings:
    """What is known of words beforehand, like an encoder's vectors of them.

    Attributes
    ----------
    words
        That it knows well, the commonest first; not all of them need be in a text.
    of
        Gives the vectors of n words, `(n, m)`.
    """

    words: Sequence[str]
    of: Callable[[Sequence[str]], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    dimensions, filters
        Of a word's vector, and of the convolution.
    """

    dimensions: int
    filters: int
    epochs: int
    learning_rate: float
    seed: int


class Terms:
    """The words that get a vector of their own, and the pieces that all words are made of.

    Parameters
    ----------
    texts, authors
        Tokens of each text to learn from, and who wrote it.
    more
        Words that need not be in a text. At most 30,000 words are taken in all.
    """

    def __init__(
        self, texts: Sequence[Sequence[str]], authors: Authors, more: Sequence[str] = ()
    ) -> None:
        counts = Counter(token for text in texts for token in set(text))
        of_words = Counter(piece for word in counts for piece in set(subwords(word)))
        found = _frequent(counts, LEAST_WORDS, MOST_WORDS, authors.shared(texts, iter))
        self.words = list(dict.fromkeys([*found, *more]))[:MOST_IN_ALL]
        self.pieces = _frequent(
            of_words, LEAST_PIECES, MOST_PIECES, authors.shared(texts, _pieces_of)
        )
        self.nothing = len(self.words) + len(self.pieces)
        self._rows = {term: row for row, term in enumerate(self.words)}
        start = len(self.words)
        self._pieces = {term: start + row for row, term in enumerate(self.pieces)}

    def row(self, word: str) -> int:
        """Give the row of a word; that of nothing for one that is not known."""
        return self._rows.get(word, self.nothing)

    def parts(self, word: str) -> list[int]:
        """Give the rows of a word's pieces, shape `(24,)`, filled up with that of nothing."""
        found = [self._pieces[piece] for piece in subwords(word) if piece in self._pieces]
        found = found[:MOST_SUBWORDS]
        return found + [self.nothing] * (MOST_SUBWORDS - len(found))


def _pieces_of(text: Sequence[str]) -> Iterator[str]:
    return (piece for word in set(text) for piece in subwords(word))


def _frequent(counts: Counter[str], least: int, most: int, shared: frozenset[str]) -> list[str]:
    order = sorted(shared, key=lambda term: (-counts[term], term))
    return [term for term in order if counts[term] >= least and "\n" not in term][:most]


class WordNetwork(nn.Module):
    """Vectors of words and pieces, a convolution, its greatest and mean answers, a linear layer.

    Parameters
    ----------
    meanings
        Shape `(n_words, m)`: what is known of the words beforehand, and stays as it is. A linear
        map of it is added to a word's own vector.
    """

    meanings: torch.Tensor

    def __init__(
        self, n_terms: int, n_classes: int, plan: Plan, meanings: torch.Tensor | None = None
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(n_terms + 1, plan.dimensions, padding_idx=n_terms)
        nn.init.normal_(self.vectors.weight, std=0.1)
        with torch.no_grad():
            self.vectors.weight[n_terms] = 0
        self.turn: nn.Linear | None = None
        if meanings is not None:
            self.turn = nn.Linear(meanings.shape[1], plan.dimensions, bias=False)
            self.register_buffer("meanings", nn.functional.pad(meanings, (0, 0, 0, 1)))
            with torch.no_grad():  # a word starts as what it means
                self.vectors.weight[: len(meanings)] = 0
        self.convolution = nn.Conv1d(plan.dimensions, plan.filters, WIDTH, padding=WIDTH // 2)
        self.out = nn.Linear(2 * plan.filters, n_classes)
        self.dropout = nn.Dropout(DROPOUT)

    def of_words(self, rows: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
        """Give the vectors of n words, `(n, d)`, by their rows `(n,)` and their pieces' `(n, 24)`.

        A word's own vector is added to the mean of its pieces' and to what its meaning adds.
        """
        nothing = self.vectors.num_embeddings - 1
        n_parts = (parts != nothing).sum(dim=1, keepdim=True).clamp(min=1)
        found = self.vectors(rows) + self.vectors(parts).sum(dim=1) / n_parts
        if self.turn is not None:  # the last of the meanings is that of nothing
            found = found + self.turn(self.meanings[rows.clamp(max=len(self.meanings) - 1)])
        return cast(torch.Tensor, found)

    def forward(
        self, places: torch.Tensor, rows: torch.Tensor, parts: torch.Tensor
    ) -> torch.Tensor:
        """Answer texts with logits, `(n, n_classes)`.

        Parameters
        ----------
        places
            Shape `(n, T)`: which of the words stands there; 0 for none.
        rows, parts
            Shapes `(n_words, )` and `(n_words, 24)`, of which the first word is none.
        """
        there = (places > 0).unsqueeze(1)
        vectors = self.dropout(self.of_words(rows, parts)[places])
        answers = torch.relu(self.convolution(vectors.transpose(1, 2))) * there
        mean = answers.sum(dim=2) / there.sum(dim=2).clamp(min=1)
        pooled = torch.cat([answers.max(dim=2).values, mean], dim=1)
        return cast(torch.Tensor, self.out(self.dropout(pooled)))


def fit_words(
    texts: Sequence[str],
    targets: npt.NDArray[np.float64],
    weights: Sequence[float],
    authors: Authors,
    plan: Plan,
    say: Callable[[str], None],
    meanings: Meanings | None = None,
) -> tuple[Terms, WordNetwork]:
    """Train a network on the probabilities that a teacher gave texts (Hinton et al., 2015).

    One thread: the same texts, targets and plan give the same weights.

    Parameters
    ----------
    targets
        Shape `(n_texts, n_classes)`, rows sum to 1.
    weights
        How much each of the n texts counts.
    authors
        Who wrote each: of a word that few of them used nothing is learned, nor of its pieces.
    meanings
        Words that they make alike are alike to the network too, however seldom it read them:
        what an encoder makes of each alone (decontextualised vectors; Bommasani et al., 2020).
    """
    read = [tokens(normalise(text))[:WINDOW] for text in hidden(texts, authors)]
    terms = Terms(read, authors, meanings.words if meanings else ())
    say(f"distilled: {len(terms.words):,} words and {len(terms.pieces):,} pieces of words")
    words = ["", *dict.fromkeys(token for text in read for token in text)]
    number = {word: place for place, word in enumerate(words)}
    rows = [[number[token] for token in text] or [0] for text in read]
    known = torch.tensor([terms.nothing, *map(terms.row, words[1:])])
    parts = torch.tensor([[terms.nothing] * MOST_SUBWORDS, *map(terms.parts, words[1:])])
    wanted = torch.tensor(targets, dtype=torch.float32)
    counts = torch.tensor(weights, dtype=torch.float32)
    known_of = spread(meanings.of(terms.words)) if meanings and terms.words else None
    network = WordNetwork(terms.nothing, targets.shape[1], plan, known_of)
    own = [network.vectors.weight]
    others = [value for name, value in network.named_parameters() if name != "vectors.weight"]
    own_rate = plan.learning_rate * (1.0 if known_of is None else OWN_RATE)
    optimizer = torch.optim.AdamW(
        [{"params": own, "weight_decay": 0.0}, {"params": others, "weight_decay": WEIGHT_DECAY}],
        lr=plan.learning_rate,
    )
    steps = plan.epochs * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        # At 10 steps torch divides by 0.
        optimizer,
        [own_rate, plan.learning_rate],
        total_steps=max(11, steps + plan.epochs),
        pct_start=0.1,
    )
    pace = Pace(say, plan.epochs * len(rows))
    network.train()
    for epoch in range(1, plan.epochs + 1):
        for batch in bucketed(rows, BATCH, f"{plan.seed} {epoch}"):
            there = filled([rows[place] for place in batch])
            used, places = torch.unique(there, return_inverse=True)
            if used[0]:  # no text was filled up: the first word is none all the same
                used, places = torch.cat([torch.zeros(1, dtype=used.dtype), used]), places + 1
            forgotten = torch.rand(len(used)) < FORGOTTEN
            logits = network(
                places, torch.where(forgotten, terms.nothing, known[used]), parts[used]
            )
            losses = -(wanted[batch] * torch.log_softmax(logits, dim=1)).sum(dim=1)
            loss = (losses * counts[batch]).sum() / counts[batch].sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            pace.count(len(batch), f"distilled: epoch {epoch} of {plan.epochs}")
    network.eval()
    return terms, network


def spread(vectors: npt.NDArray[np.float64]) -> torch.Tensor:
    """Bring each dimension of vectors to the mean 0 and the standard deviation 0.2."""
    found = (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-9)
    return torch.tensor(SPREAD * found, dtype=torch.float32)


def filled(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Fill rows up with 0 to the length of the longest, at least the width of a filter."""
    longest = max(WIDTH, max(map(len, rows)))
    return torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])


def tables(terms: Terms, network: WordNetwork) -> dict[str, npt.NDArray[Any]]:
    """Work out what each word and piece adds to the filters.

    Returns
    -------
    `table` `(n_terms, width, n_filters)` in half precision, `bias`, `weights` and `intercept`,
    as `src.models.sentiment_analyzer.Convolution` reads them.
    """
    with torch.inference_mode():
        rows = torch.tensor([terms.row(word) for word in terms.words], dtype=torch.long)
        parts = torch.tensor([terms.parts(word) for word in terms.words], dtype=torch.long)
        parts = parts.reshape(-1, MOST_SUBWORDS)
        pieces = network.vectors.weight[len(terms.words) : terms.nothing]
        vectors = torch.cat([network.of_words(rows, parts), pieces])
        table = torch.einsum("nd,fdw->nwf", vectors, network.convolution.weight)
        found = {
            "table": table.half(),
            "bias": cast(torch.Tensor, network.convolution.bias),
            "weights": network.out.weight.T.double(),
            "intercept": network.out.bias.double(),
        }
        return {name: np.ascontiguousarray(value.numpy()) for name, value in found.items()}
