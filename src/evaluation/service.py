"""What a service needs of a model besides being right: any text is answered, and soon."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from src.evaluation.gates import Gate, Verdict

Predict = Callable[[Sequence[Any]], Any]

# By name, so that a verdict can say which it was without quoting a text.
HARD_TEXTS: dict[str, Any] = {
    "empty": "",
    "white space": " \t\r\n\u00a0\u2028 ",
    "one emoji": "🦕",
    "joined emoji": "👩‍👩‍👧‍👦" * 50,
    "control characters": "\x00\x07\x1b[31m\x7f",
    "right to left": "היום היה יום טוב \u202eאבל עייף",
    "mixed scripts": "Today 今日は сегодня اليوم happy",
    "lone surrogate": "a \ud83d b \udc00",
    "combining marks": "e" + "\u0301\u0327" * 20_000,
    "a megabyte of one word": "a" * 1_000_000,
    "a megabyte of words": "happy work " * 90_000,
    "signs": "?!" * 5_000,
    "NaN": math.nan,
    "None": None,
    "a number": 42,
    "plain": "Went to the store, then work. It was a good day with my sister.",
}
LATENCY_ROWS, LATENCY_TRIES = 64, 3
STEPS = (1, 2, 5, 10)  # a figure is rounded up to these times a power of ten

# Judged like the gates of a task, but on what the loaded model does, not on how right it is.
CONTRACT = Gate("contract", "hard_texts", 1.0, "any text gets an answer as documented")
LATENCY = Gate("latency", "cpu_ms_per_row", 250.0, "people wait for the answer", at_least=False)
SERVICE_GATES = (CONTRACT, LATENCY)


def check_service(task: str, predict: Predict, texts: Sequence[str]) -> dict[str, Verdict]:
    """Let a loaded model answer hard texts, and measure what a row of real ones costs."""
    return {
        CONTRACT.code: contract(task, predict),
        LATENCY.code: latency(predict, texts),
    }


def contract(task: str, predict: Predict) -> Verdict:
    """Check that every hard text is answered as documented, alone as among others.

    The sentence names texts and never quotes them; of an error it names the type.
    """
    names, texts = list(HARD_TEXTS), list(HARD_TEXTS.values())
    try:
        together = predict(texts)
        if not isinstance(together, list) or len(together) != len(texts):
            return Verdict(False, f"{len(texts)} hard texts do not get one answer each")
        alone = [predict([text])[0] for text in texts]
    except Exception as error:
        return Verdict(False, f"hard texts make it fail with {type(error).__name__}")
    wrong = [n for n, row in zip(names, together, strict=True) if not conforms(task, row)]
    if wrong:
        return Verdict(False, f"it does not answer as documented: {', '.join(wrong)}")
    moody = [n for n, a, b in zip(names, together, alone, strict=True) if a != b]
    if moody:
        return Verdict(False, f"answers depend on the other rows: {', '.join(moody)}")
    return Verdict(True, f"{len(texts)} hard texts are answered as documented")


def latency(predict: Predict, texts: Sequence[str]) -> Verdict:
    """Measure CPU time, which does not depend on what else the machine does.

    The figure is rounded up to 1, 2 or 5 times a power of ten: an evaluation that runs again
    says the same.
    """
    some = list(texts[:LATENCY_ROWS])
    predict(some)
    costs = []
    for _ in range(LATENCY_TRIES):
        start = time.process_time()
        predict(some)
        costs.append((time.process_time() - start) * 1000 / len(some))
    figure, bound = rounded_up(min(costs)), LATENCY.bound
    sentence = f"a row takes under {figure:g} ms of CPU time, at most {bound:g} are allowed"
    return Verdict(figure <= bound, sentence)


def rounded_up(figure: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten, at least 0.1.

    >>> [rounded_up(figure) for figure in (0.003, 0.13, 0.2, 3.0, 70.0)]
    [0.1, 0.2, 0.2, 5.0, 100.0]
    """
    figure = max(figure, 0.1)
    power = 10.0 ** math.floor(math.log10(figure) + 1e-9)
    return next(step * power for step in STEPS if figure <= step * power * (1 + 1e-9))


def conforms(task: str, answer: Any) -> bool:
    """Tell whether an answer is as the service reads it: plain values, documented keys."""
    try:
        return json.loads(json.dumps(answer)) == answer and CONFORMS[task](answer)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _sentiment(answer: dict[str, Any]) -> bool:
    scores, confidence = answer["all_scores"], answer["confidence"]
    level = "high" if confidence >= 0.7 else "medium" if confidence >= 0.5 else "low"
    return (
        {"sentiment", "confidence", "confidence_level", "all_scores"} <= answer.keys()
        and answer.keys() <= {*SENTIMENT_KEYS}
        and scores.keys() == {"positive", "negative", "neutral"}
        and all(isinstance(s, float) and 0 <= s <= 1 for s in scores.values())
        and abs(sum(scores.values()) - 1) < 1e-6
        and confidence == scores[answer["sentiment"]]
        and answer["confidence_level"] in (level, "low")  # a doubtful answer may say so
    )


def _topics(answer: dict[str, Any]) -> bool:
    details = answer["topic_details"]
    confidences = [topic["confidence"] for topic in details]
    names = [topic["topic_name"] for topic in details]
    return (
        answer.keys() == {"topics", "topic_details"}
        and answer["topics"] in (names, details)
        and all(t.keys() == {"topic_id", "topic_name", "confidence"} for t in details)
        and all(isinstance(t["topic_id"], int) for t in details)
        and all(isinstance(name, str) and 1 <= len(name) <= 100 for name in names)
        and all(isinstance(c, float) and 0 <= c <= 1 for c in confidences)
        and confidences == sorted(confidences, reverse=True)
    )


SENTIMENT_KEYS = (
    "sentiment",
    "confidence",
    "confidence_level",
    "all_scores",
    "mixed",
    "sentences",
)
CONFORMS = {"sentiment": _sentiment, "topics": _topics}
