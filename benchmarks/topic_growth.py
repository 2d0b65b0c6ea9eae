"""What more entries cost our topic models, and whether topics keep their ids when fitted anew.

`make bench-topics ARGS=--growth` and `ARGS=--identity`.
"""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.texts import to_table

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST_SECONDS = 600  # for one fit
MOST_SENTENCES = 4  # of an entry put together anew
CHUNK = 50_000  # entries that are put together at once
K, SEED = 20, 7


def grown(texts: Sequence[str], count: int, seed: int) -> pa.Table:
    """Make so many entries of a few: every second drawn as it is, the others of drawn sentences."""
    from src.models.sentiment_analyzer import sentences

    pool = [text[start:end] for text in texts for start, end in sentences(text)]
    chance = np.random.default_rng(seed)
    parts = []
    for start in range(0, count, CHUNK):
        places = range(start, min(start + CHUNK, count))
        whole = chance.integers(len(texts), size=len(places))
        numbers = chance.integers(1, MOST_SENTENCES + 1, size=len(places))
        drawn = chance.integers(len(pool), size=(len(places), MOST_SENTENCES))
        made = [
            texts[whole[i]] if i % 2 else " ".join(pool[p] for p in drawn[i, : numbers[i]])
            for i in range(len(places))
        ]
        parts.append(entries(made, start))
    return pa.concat_tables(parts)


def entries(texts: Sequence[str], start: int = 0) -> pa.Table:
    """Give texts the columns that families read, their places for ids."""
    ids = [f"{place:09d}" for place in range(start, start + len(texts))]
    rows = pd.DataFrame({"id": ids, "text": list(texts), "label": None, "source": "bench"})
    return to_table(rows)


def growth(
    names: Sequence[str], texts: list[str], env: dict[str, str], tell: Callable[[str], None]
) -> str:
    """Fit each family on more and more entries, in a process each, and write the table."""
    lines = [
        "# What more entries cost topic models\n",
        f"Written by `make bench-topics ARGS=--growth`: {K} topics, one thread. Half of the "
        "entries are drawn from the built-in corpus, half are put together of its sentences. "
        "The exponent is that of the number of entries in CPU seconds since the row before: 1 is "
        "linear. Memory is the peak of the whole process, and what it held before the fit.\n",
        "| family | entries | fit, CPU s | exponent | peak memory, MB | before, MB |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(prefix="bench-topics-") as kept:
        pool = Path(kept) / "texts.json"
        pool.write_text(json.dumps(texts))
        for name in names:
            before: tuple[int, float] | None = None
            for count in SIZES:
                tell(f"{name}: {count:,} entries")
                command = [sys.executable, "-m", "benchmarks.topic_growth", name, str(count), pool]
                try:
                    done = subprocess.run(
                        command, env=env, capture_output=True, timeout=MOST_SECONDS, check=True
                    )
                except subprocess.TimeoutExpired:
                    minutes = MOST_SECONDS // 60
                    lines.append(f"| {name} | {count:,} | not done after {minutes} minutes | | | |")
                    break
                found = json.loads(done.stdout)
                slope = exponent(before, (count, found["seconds"]))
                before = count, found["seconds"]
                lines.append(
                    f"| {name} | {count:,} | {found['seconds']:.1f} | {slope} "
                    f"| {found['peak']:,.0f} | {found['held']:,.0f} |"
                )
    return "\n".join(lines) + "\n"


def exponent(before: tuple[int, float] | None, now: tuple[int, float]) -> str:
    """Say with what power of the number of entries seconds grow.

    >>> exponent((1_000, 2.0), (10_000, 20.0)), exponent(None, (1_000, 2.0))
    ('1.00', '')
    """
    if before is None:
        return ""
    return f"{math.log(now[1] / before[1]) / math.log(now[0] / before[0]):.2f}"


def refit(family: Any, older: Any, train: pa.Table, folder: Path, seed: int) -> None:
    """Fit a newer version of a model, which follows the older one as in the pipeline."""
    from src.training.topic_identity import Start, carry_over

    params, start, empty = family.params(n_topics=K), Start(older), train.slice(0, 0)
    if family.fit_from:
        family.fit_from(train, empty, params, folder, seed, lambda line: None, start)
    else:
        family.fit(train, empty, params, folder, seed, lambda line: None)
    carry_over(folder, start, train["text"].to_pylist())


def identity(name: str, train: Sequence[str], asked: Sequence[str]) -> dict[str, dict[str, float]]:
    """Measure how many entries keep their topic's id in the next version.

    Returns
    -------
    By what is new (20 % more entries, another seed, another order of the same): `same`, the share
    of entries with a topic in either version whose first one has the same id in both, and
    `matched`, that share if ids were matched as well as they can be.
    """
    from src.training.family import families

    family = families("topics")[name]
    every = entries(train)
    part = every.slice(0, len(train) * 5 // 6)
    order = np.random.default_rng(SEED).permutation(len(part))
    changes = {
        "20 % more entries": (every, SEED),
        "another seed": (part, SEED + 1),
        "another order": (part.take(order), SEED),
    }
    load = importlib.import_module(family.task.module).MODEL.from_folder
    rows = pd.DataFrame({"text": list(asked)})
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-topics-") as kept:
        first = Path(kept) / "first"
        first.mkdir()
        params = family.params(n_topics=K)
        family.fit(part, part.slice(0, 0), params, first, SEED, lambda line: None)
        older = load(first)
        for what, (data, seed) in changes.items():
            folder = Path(kept) / what
            folder.mkdir()
            refit(family, older, data, folder, seed)
            found[what] = agreement(older.predict(None, rows), load(folder).predict(None, rows))
    return found


def agreement(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, float]:
    """Compare the first topics of two answers to the same entries."""
    from scipy.optimize import linear_sum_assignment

    firsts = [
        [own["topic_details"][0]["topic_id"] + 1 if own["topic_details"] else 0 for own in answer]
        for answer in (before, after)
    ]
    pairs = [(one, other) for one, other in zip(*firsts, strict=True) if one or other]
    size = 1 + max(max(pair) for pair in pairs)
    together = np.zeros((size, size))
    np.add.at(together, tuple(np.array(pairs).T), 1)
    best = together[1:, 1:][linear_sum_assignment(-together[1:, 1:])].sum()
    return {"same": float(np.trace(together) / len(pairs)), "matched": float(best / len(pairs))}


def main(name: str, count: int, pool: Path) -> None:
    """Fit one family on so many entries, and print what it cost."""
    from benchmarks.rivals.topics.child import cpu_seconds, peak_memory
    from src.training.family import families

    family = families("topics")[name]
    train = grown(json.loads(pool.read_text()), count, SEED)
    held, start = peak_memory(), cpu_seconds()
    with tempfile.TemporaryDirectory(prefix="bench-topics-") as folder:
        params, empty = family.params(n_topics=K), train.slice(0, 0)
        family.fit(train, empty, params, Path(folder), SEED, lambda line: None)
    json.dump({"seconds": cpu_seconds() - start, "held": held, "peak": peak_memory()}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
