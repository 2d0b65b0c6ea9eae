"""Makes a card of every kind, in one process: `python -m tests.cards.store_of_cards <journal>`."""

from __future__ import annotations

import sys

from src.pipeline.cli import main

SENTIMENT = ("model=sentiment", "family=linear")
TOPICS = ("model=topics", "family=nmf", "n_topics=4")


def make(source: str) -> None:
    """Run each step in turn for both models, one that fails, and the driver over what is there."""

    def step(name: str, *words: str, code: int = 0) -> None:
        typed = [word for given in (f"source={source}", *words) for word in ("-P", given)]
        assert main([name, *typed]) == code, (name, words)

    step("ingest")
    step("split")
    for model in (SENTIMENT, TOPICS):
        step("train", *model)
        step("evaluate", *model, "n_resamples=100")
        step("register", *model, "n_resamples=100")
    champion = "models:/journal_sentiment_analyzer/1"
    step("evaluate", *SENTIMENT, "n_resamples=100", f"against={champion}")
    step("evaluate", "model=topics", f"candidate={champion}", code=2)
    # Only what is forced runs, as a process of its own.
    step("main", *TOPICS, "n_resamples=100", "force=register")


if __name__ == "__main__":
    make(sys.argv[1])
