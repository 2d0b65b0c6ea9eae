"""A model that a service cannot use fails a gate, and the sentence quotes no text."""

import pytest

from src.evaluation import service
from src.evaluation.service import HARD_TEXTS, check_service, contract, latency

pytestmark = pytest.mark.unit

GOOD = {
    "sentiment": "neutral",
    "confidence": 0.34,
    "confidence_level": "low",
    "all_scores": {"positive": 0.33, "negative": 0.33, "neutral": 0.34},
}
TOPIC = {"topic_id": 1, "topic_name": "sleep", "confidence": 0.5}


def always(answer):
    return lambda texts: [dict(answer) for _ in texts]


def test_what_answers_as_documented_passes():
    verdicts = check_service("sentiment", always(GOOD), ["a day"] * 5)
    assert list(verdicts) == ["contract", "latency"]
    assert all(verdict.passed for verdict in verdicts.values())
    assert (
        verdicts["contract"].sentence == f"{len(HARD_TEXTS)} hard texts are answered as documented"
    )
    assert verdicts["latency"].sentence.endswith("ms of CPU time, at most 250 are allowed")
    assert contract("topics", always({"topics": ["sleep"], "topic_details": [TOPIC]})).passed
    assert contract("topics", always({"topics": [dict(TOPIC)], "topic_details": [TOPIC]})).passed


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 0.9},
        {"confidence_level": "high"},
        {"all_scores": {"positive": 0.5, "negative": 0.5, "neutral": 0.34}},
        {"sentiment": "mixed"},
        {"more": 1},
        {"confidence": float("nan")},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_does_not_is_named(wrong):
    verdict = contract("sentiment", always(GOOD | wrong))
    assert not verdict.passed
    assert "one emoji" in verdict.sentence


@pytest.mark.parametrize(
    "answer",
    [
        {"topics": ["other"], "topic_details": [TOPIC]},
        {"topics": ["x" * 101], "topic_details": [TOPIC | {"topic_name": "x" * 101}]},
        {"topics": ["sleep"]},
        {"topics": ["sleep"], "topic_details": [TOPIC | {"confidence": 2.0}]},
    ],
)
def test_wrong_topics_fail(answer):
    assert not contract("topics", always(answer)).passed


def test_an_error_is_named_by_its_kind_only():
    def fail(texts):
        raise ValueError(f"cannot read {texts!r}")

    verdict = contract("sentiment", fail)
    assert (verdict.passed, verdict.sentence) == (False, "hard texts make it fail with ValueError")


def test_too_few_answers_and_answers_that_depend_on_others_fail():
    assert "one answer each" in contract("sentiment", lambda texts: []).sentence
    other = GOOD | {
        "sentiment": "positive",
        "all_scores": {"positive": 0.34, "negative": 0.33, "neutral": 0.33},
    }
    moody = contract("sentiment", lambda texts: [GOOD if len(texts) > 1 else other] * len(texts))
    assert "depend on the other rows" in moody.sentence


def test_a_slow_model_fails_with_its_figure(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(service.time, "process_time", lambda: next(clock))
    verdict = latency(always(GOOD), ["a day"] * 2)
    assert not verdict.passed
    assert verdict.sentence == "a row takes under 500 ms of CPU time, at most 250 are allowed"
