"""LDA by Gibbs sampling as tomotopy has it; C_V for all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tomotopy
from child import Fitted, Given


def lda(
    given: Given, alpha: float = 0.1, eta: float = 0.01, min_df: int = 5, rounds: int = 1000
) -> Fitted:
    """Fit LDA, its priors' parameters learned on the way as usual."""
    model = tomotopy.LDAModel(k=given.k, alpha=alpha, eta=eta, seed=given.seed, min_df=min_df)
    for words in given.words(given.texts):
        if words:
            model.add_doc(words)
    model.train(rounds, workers=1)
    topics = [[word for word, _ in model.get_topic_words(i, top_n=10)] for i in range(given.k)]

    def ask(texts: list[str], vectors: Any) -> Any:
        known = set(model.used_vocabs)
        scores = np.zeros((len(texts), given.k))
        rows = [
            (row, [word for word in words if word in known])
            for row, words in enumerate(given.words(texts))
        ]
        rows = [(row, words) for row, words in rows if words]  # infer takes no empty text
        if rows:
            found, _ = model.infer([model.make_doc(words) for _, words in rows], workers=1)
            scores[[row for row, _ in rows]] = found
        return scores

    return Fitted(topics, ask)


def c_v(topic_words: list[list[str]], texts: list[list[str]]) -> float:
    """Measure C_V (Röder et al., 2015): a topic with words that no text holds has them left out."""
    corpus = tomotopy.utils.Corpus()
    for words in texts:
        corpus.add_doc(words)
    held = {word for words in texts for word in words}
    targets = sorted({word for words in topic_words for word in words} & held)
    measure = tomotopy.coherence.Coherence(corpus, coherence="c_v", targets=targets)
    values = []
    for words in topic_words:
        known = [word for word in dict.fromkeys(words) if word in held]
        values.append(measure.get_score(words=known) if len(known) > 1 else 0.0)
    return float(np.mean(values))


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text())
    json.dump(c_v(job["topic_words"], job["texts"]), sys.stdout)
