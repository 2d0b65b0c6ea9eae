"""Fits and asks one topic model in the environment it lives in, and says what that cost.

`python child.py FOLDER` reads `job.json`, the texts and their vectors, and writes `answer.json` and
`answer.npz`. It needs NumPy alone; the model's own file, beside this one, imports the rest.
"""

from __future__ import annotations

import importlib
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LATENCY_TEXTS = 50
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
Vectors = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Given:
    """What a model is fitted on.

    Attributes
    ----------
    vectors
        The texts' sentence embeddings of length 1, shape `(n_texts, d)`.
    encoder
        The folder of the encoder that made them.
    """

    texts: list[str]
    vectors: Vectors
    k: int
    seed: int
    stop_words: frozenset[str]
    encoder: str

    def words(self, texts: Iterable[str]) -> list[list[str]]:
        """Cut texts into lower-case words of two letters or more that are no stop words."""
        plain = (text.lower().replace("’", "'") for text in texts)
        return [
            [word for word in WORD.findall(text) if len(word) > 1 and word not in self.stop_words]
            for text in plain
        ]

    def frequent(self, words: Sequence[Sequence[str]], min_df: int) -> set[str]:
        """Find the words that so many texts hold."""
        counts = Counter(word for own in words for word in set(own))
        return {word for word, count in counts.items() if count >= min_df}


class Fitted(NamedTuple):
    """A model to ask.

    `ask` takes texts and their vectors, and is timed. `read` makes of what it gave the scores of
    all topics, shape `(n_texts, n_topics)`, and each text's first topic, -1 for none; None stands
    for the topic of the highest score, or none where all scores are 0. `read` is not timed.
    `encoding` are CPU seconds that fitting spent on encoding entries.
    """

    topic_words: list[list[str]]
    ask: Callable[[list[str], Vectors], Any]
    read: Callable[[list[str], Any], tuple[Any, Any]] = lambda texts, answer: (answer, None)
    encoding: float = 0.0


def cpu_seconds() -> float:
    """Give CPU seconds of this process and its children so far, user and system."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def peak_memory() -> float:
    """Give the most memory this process ever held, in MB.

    Where Linux tells, of this program alone: `ru_maxrss` has that of the process it came of too.
    """
    status = Path("/proc/self/status")
    if status.exists() and (held := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(held[1]) / 1e3
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (1e6 if sys.platform == "darwin" else 1e3)


def main(folder: Path) -> None:
    """Do the job in a folder."""
    job = json.loads((folder / "job.json").read_text())
    fit = getattr(importlib.import_module(job["file"]), job["model"])
    train, test = (json.loads(Path(job[side]).read_text()) for side in ("train", "test"))
    own, others = (np.load(job[f"{side}_vectors"]) for side in ("train", "test"))
    stop_words = frozenset(job["stop_words"])
    given = Given(train, own, job["k"], job["seed"], stop_words, job["encoder"])
    start = cpu_seconds()
    fitted = fit(given, **job["settings"])
    seconds, memory = cpu_seconds() - start, peak_memory()
    waits = []
    for place in range(min(LATENCY_TEXTS, len(test))):
        began = time.perf_counter()
        fitted.ask(test[place : place + 1], others[place : place + 1])
        waits.append(time.perf_counter() - began)
    start = cpu_seconds()
    answer = fitted.ask(test, others)
    asked = cpu_seconds() - start
    scores, first = fitted.read(test, answer)
    scores = np.asarray(scores, float)
    if first is None:
        first = np.where(scores.any(axis=1), scores.argmax(axis=1), -1)
    np.savez(folder / "answer.npz", scores=scores, first=np.asarray(first, np.int64))
    said = {
        "topic_words": [[str(word) for word in words] for words in fitted.topic_words],
        "fit_seconds": seconds - fitted.encoding,
        "ask_seconds": asked,
        "latency": float(np.median(waits)) if waits else 0.0,
        "memory": memory,
    }
    (folder / "answer.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
