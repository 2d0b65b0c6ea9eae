"""Labels that would make a harmful model: a warning says so, and nothing is registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.data import journal
from tests.fakes import made_up_entries, write_csv
from tests.steps.conftest import Pipeline

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SWAPPED = {"positive": "negative", "negative": "positive", "neutral": "neutral"}


def test_swapped_labels_are_warned_of_and_never_registered(made: Pipeline, tmp_path: Path) -> None:
    rows = [
        {"text": entry.text, "label": SWAPPED[entry.sentiment], "author": entry.author}
        for entry in journal.training()
        if entry.sentiment
    ]
    plain = [(r["journal_text"], r["sentiment"], r["user_id"]) for r in made_up_entries(600)]
    rows += [{"text": t, "label": SWAPPED[label], "author": who} for t, label, who in plain]
    source = write_csv(tmp_path / "swapped.csv", rows)
    versions = made.client.search_model_versions("name = 'journal_sentiment_analyzer'")
    done = made.steps("main", "-P", "model=sentiment", "-P", f"source={source}")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "warning: labels negative and positive look swapped" in done.stdout
    assert "-P labels=negative=positive,positive=negative" in done.stdout
    assert "share of journal pairs with bad put above good" in done.stdout
    assert "is above 0.55: are labels swapped?" in done.stdout
    assert "Not registered. Not good enough" in done.stdout
    assert made.client.search_model_versions("name = 'journal_sentiment_analyzer'") == versions
    metrics = made.newest("train").data.metrics
    assert metrics["labels_against_lexicon"] > 0.6
    assert not [row["text"] for row in rows if row["text"] in done.stdout + done.stderr]
