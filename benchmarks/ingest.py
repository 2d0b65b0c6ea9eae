"""What ingest and split cost as entries grow, beside pandas and polars doing the same.

`make bench-ingest` makes entries of invented words (a twentieth of them copies of others, as they
are or with a word more), writes them to a parquet file, and lets each candidate read, clean,
deduplicate and part them in a process of its own. The table is written to `benchmarks/ingest.md`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RIVALS = ROOT / "benchmarks" / "rivals"
ROUNDS = {100_000: 3}  # larger sizes are run once
SIZES = (100_000, 1_000_000, 10_000_000)
SEED, VOCABULARY, CHUNK = 5, 50_000, 50_000
MEDIAN_WORDS, MOST_WORDS = 35, 400
COPIES, UNCHANGED = 0.05, 0.4
MOST_SECONDS = 5_400
NEAR_AT = 100_000  # entries at which rivals look for near-duplicates as well, with datasketch

# A package's own name is its environment's.
PACKAGES = {
    "pandas": ["pandas==3.0.1", "pyarrow>=18", "datasketch==2.0.0"],
    "polars": ["polars==2.1.0"],
}

HEAD = """# Ingest and split

Written by `make bench-ingest`: entries of invented words (median {words} words, a tenth as many
authors, a twentieth copies of others as they are or with a word more) in a parquet file. Ours is
`ingest` and `split` as the steps run them, without the tracking store: normalised text, checked
columns, exact and near-duplicates, whole authors on one side, parquet written and checked; with
`languages=any`, as invented words are of no language, and with `privacy=off`, as the others look
for nothing to hide, or `strict` where that is said. pandas and polars are scripts that do as much
of it as these have ready: white space, empty and equal texts, equal ids, labels from scores,
pseudonyms, whole authors on one side, parquet. They look for no near-duplicates; at {near:,}
entries datasketch's MinHash LSH is added to pandas. {where}.
A figure is of one run, at {near:,} entries the median of three. CPU seconds are user and system;
memory is the peak of the process.

| entries | candidate | CPU s | wall s | µs of CPU per entry | peak MB |
|---|---|---|---|---|---|
"""


def hexed(number: int) -> str:
    """Invent a word."""
    return f"w{number:x}"


def make(count: int, file: Path, word: Callable[[int], str] = hexed) -> None:
    """Write so many entries of invented words."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(SEED)
    words = np.array([word(number) for number in range(VOCABULARY)])
    chances = np.cumsum(1 / (np.arange(VOCABULARY) + 10))
    chances /= chances[-1]
    before, done = ["nothing was before"], 0
    names = ("id", "user_id", "journal_text", "mood_score", "created_at")
    kinds = (pa.int64(), pa.string(), pa.string(), pa.int64(), pa.string())
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while done < count:
            size = min(CHUNK, count - done)
            lengths = np.exp(rng.normal(np.log(MEDIAN_WORDS), 0.7, size)).astype(int)
            lengths = np.clip(lengths, 3, MOST_WORDS)
            drawn = words[np.searchsorted(chances, rng.random(lengths.sum()))]
            ends = np.cumsum(lengths)
            texts = [" ".join(drawn[e - n : e]) for e, n in zip(ends, lengths, strict=True)]
            for place in np.flatnonzero(rng.random(size) < COPIES):
                other = before[rng.integers(len(before))]
                texts[place] = other + " again" * bool(rng.random() > UNCHANGED)
            before = texts
            writer.write_table(
                pa.table(
                    {
                        "id": np.arange(done, done + size),
                        "user_id": [f"u{u}" for u in rng.integers(0, count // 10, size)],
                        "journal_text": texts,
                        "mood_score": rng.integers(1, 11, size),
                        "created_at": ["2024-01-02T10:00:00Z"] * size,
                    },
                    schema=schema,
                )
            )
            done += size


def ours(privacy: str, file: Path, folder: Path) -> None:
    """Ingest and split as the steps do."""
    from src.data.ingestion import ingest
    from src.data.schema import ENTRIES, SPLITS
    from src.data.sources.formats import FileParams
    from src.data.splitting import SplitParams, split

    os.environ["JOURNAL_PSEUDONYM_KEY"] = "a key for this benchmark"
    params = FileParams(source=str(file), privacy=privacy, languages="any")
    ingest(params, folder / "entries")
    read = partial(ENTRIES.batches, folder / "entries")
    p = SplitParams()
    batches, _ = split(read, valid=p.valid, test=p.test, split_by=p.split_by, seed=p.seed)
    SPLITS.write(folder / "splits", batches)


def main() -> None:
    """Measure every candidate at every size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--ours", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        privacy, file, folder = given.ours
        ours(privacy, Path(file), Path(folder))
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    where = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    table = HEAD.format(words=MEDIAN_WORDS, near=NEAR_AT, where=where)
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as made:
        pythons = {name: environment(Path(made) / name, name) for name in PACKAGES}
        for count in sizes:
            file = Path(made) / "entries.parquet"
            tell(f"making {count:,} entries")
            make(count, file)
            own = [sys.executable, "-m", "benchmarks.ingest", "--ours"]
            commands: dict[str, list[str | Path]] = {
                "ours": [*own, "off"],
                "ours, privacy=strict": [*own, "strict"],
                "pandas": [pythons["pandas"], RIVALS / "ingest_pandas.py"],
                "polars": [pythons["polars"], RIVALS / "ingest_polars.py"],
            }
            if count == NEAR_AT:
                commands["pandas and datasketch"] = [*commands["pandas"], "--near"]
            for name, command in commands.items():
                tell(f"{count:,} entries: {name}")
                rounds = [run(command, file) for _ in range(ROUNDS.get(count, 1))]
                table += f"| {count:,} | {name} | {line(rounds, count)} |\n"
                tell(table.splitlines()[-1])
    (ROOT / "benchmarks" / "ingest.md").write_text(table)


def environment(folder: Path, name: str) -> Path:
    """Build a rival's environment."""
    tell(f"environment {name}")
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, folder], check=True)
    python = folder / "bin/python"
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, *PACKAGES[name]], check=True)
    return python


def run(command: list[str | Path], file: Path) -> tuple[float, float, float] | None:
    """Run a candidate: CPU seconds, wall seconds, peak MB; None where it died or took too long."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-out-") as out:
        said = Path(out) / "usage.json"
        child = [sys.executable, RIVALS / "measured.py", said, *command, file, out]
        try:
            subprocess.run(child, cwd=ROOT, check=True, timeout=MOST_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return None
        found = json.loads(said.read_text())
        return found["cpu"], found["wall"], found["peak"]


def line(rounds: list[tuple[float, float, float] | None], count: int) -> str:
    """Write the median of rounds as cells."""
    done = sorted(figures for figures in rounds if figures)
    if len(done) < len(rounds):
        return "died, or out of memory, or too slow | | |"
    cpu, wall, peak = done[len(done) // 2]
    return f"{cpu:,.1f} | {wall:,.1f} | {cpu / count * 1e6:.1f} | {peak:,.0f}"


def tell(what: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    main()
