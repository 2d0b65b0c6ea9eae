"""What the models cost to serve, beside a scikit-learn pipeline saved with MLflow's own flavour.

`make bench-serve` measures in one run, each model in a process of its own: one row, 1,000 rows,
8 threads at once, loading once everything is imported, and size on disk. Figures are the median
of several rounds; the table is written to `benchmarks/serve.md`.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

ENTRIES, ROUNDS, THREADS, EACH = 20_000, 7, 8, 50
HEAD = """# Serving

Written by `make bench-serve`: the default families, fitted on {entries:,} texts of the corpus,
beside `TfidfVectorizer` + `LogisticRegression` saved with `mlflow.sklearn`. Each in a
process of its own, through `mlflow.pyfunc`. Medians of {rounds} rounds; {where}.

| model | on disk | load | one row | 1,000 rows | {threads} threads |
|---|---|---|---|---|---|
"""


def median(act: Callable[[], Any], times: int = 1) -> float:
    """Give the median of several rounds, in seconds a time."""
    act()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            act()
        rounds.append((time.perf_counter() - start) / times)
    return statistics.median(rounds)


def measure(path: Path, texts: list[str], form: str) -> dict[str, float]:
    """Load a saved model in this process and time it."""
    import mlflow.pyfunc
    import pandas as pd

    if form == "series":
        import sklearn.linear_model  # noqa: F401 - imports are not part of loading

    start = time.perf_counter()
    first = mlflow.pyfunc.load_model(str(path))
    cold = time.perf_counter() - start
    loads = median(lambda: mlflow.pyfunc.load_model(str(path)))

    def rows(some: list[str]) -> Any:
        frame = pd.DataFrame({"text": some})
        return first.predict(frame["text"] if form == "series" else frame)

    def threads() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda i: rows([texts[i % len(texts)]]), range(THREADS * EACH)))

    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {
        "size": size,
        "cold": cold,
        "load": loads,
        "one": median(lambda: rows(texts[:1]), 100),
        "thousand": median(lambda: rows(texts)),
        "threads": THREADS * EACH / median(threads),
    }


def save_all(folder: Path) -> list[str]:
    """Fit and save the models; give the texts to ask them."""
    import mlflow
    import pyarrow as pa
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from src.data.ingestion import ingest
    from src.data.schema import ENTRIES as TABLE
    from src.data.sources import IngestParams
    from src.training.family import TASKS, families
    from src.training.packaging import packed

    ingest(IngestParams(), folder / "entries")
    entries: pa.Table = TABLE.read(folder / "entries").slice(0, ENTRIES)
    cut = int(entries.num_rows * 0.9)
    train, valid = entries.slice(0, cut), entries.slice(cut)
    for task in TASKS.values():
        family = families(task.name)[task.default_family]
        data = folder / f"data-{task.name}"
        data.mkdir()
        family.fit(train, valid, family.params(), data, 7, lambda line: None)
        mlflow.pyfunc.save_model(folder / task.name, **packed(task, data))
    labelled = train.filter(pa.compute.is_valid(train["label"]))
    pipeline = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2),
        LogisticRegression(max_iter=500),
    ).fit(labelled["text"].to_pylist(), labelled["label"].to_pylist())
    mlflow.sklearn.save_model(
        pipeline,
        folder / "peer",
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    texts = [str(text) for text in valid["text"].to_pylist()]
    return (texts * (1000 // len(texts) + 1))[:1000]


def main() -> None:
    """Measure every model in a process of its own and write the table."""
    from src.training.family import TASKS

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        folder = Path(name)
        texts = save_all(folder)
        (folder / "texts.json").write_text(json.dumps(texts))
        titles = {n: f"{n}, family {task.default_family}" for n, task in TASKS.items()}
        titles["peer"] = "scikit-learn pipeline, MLflow's flavour"
        where = f"Python {platform.python_version()}, {platform.machine()}, "
        where += datetime.now(UTC).strftime("%Y-%m-%d")
        table = HEAD.format(entries=ENTRIES * 9 // 10, rounds=ROUNDS, where=where, threads=THREADS)
        for kind, title in titles.items():
            asked = [
                sys.executable,
                "-m",
                "benchmarks.serve",
                str(folder / kind),
                str(folder / "texts.json"),
            ]
            asked.append("series" if kind == "peer" else "frame")
            found = json.loads(subprocess.run(asked, check=True, stdout=subprocess.PIPE).stdout)
            table += (
                f"| {title} | {found['size'] / 1e6:.1f} MB | {found['load'] * 1000:.0f} ms "
                f"(first {found['cold'] * 1000:.0f} ms) | {found['one'] * 1000:.2f} ms | "
                f"{found['thousand'] * 1000:.0f} ms | {found['threads']:,.0f} rows/s |\n"
            )
    (ROOT / "benchmarks/serve.md").write_text(table)
    sys.stdout.write(table)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        warnings.simplefilter("ignore")
        path, given, form = sys.argv[1:]
        sys.stdout.write(json.dumps(measure(Path(path), json.loads(Path(given).read_text()), form)))
    else:
        main()
