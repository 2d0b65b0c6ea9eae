"""What each step costs as entries grow, and what a thousand million of them would.

`make bench-scale` makes entries of invented words, lets each step run on them in a process of its
own, with each engine that is installed, and a plain loop of pandas and the same model beside
`score`. What was measured is kept in a file after each process, so that a stopped benchmark goes
on with `--keep FILE` and a cell is measured by itself:
`--keep FILE --folder HERE --only "score step" --sizes 1000000 --rounds 3`.
`benchmarks/scale.md` is written from it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
MOST_SECONDS = 600
PLAN = 10**9
FAMILIES = (
    "topics/nmf", "topics/lda", "topics/semantic",
    "sentiment/linear", "sentiment/lexicon", "sentiment/semantic",
)  # fmt: skip
LOCAL = ("ingest local", "split local", *(f"train {name}" for name in FAMILIES))
STEPS = ("score step 1", "score step 2")
SCORES = ("score bare", *STEPS, "score local 1", "score local 2")
SPARK = ("ingest spark", "split spark", "score spark 2", "score plain-spark")
DASK = ("score plain-dask",)
MASTER = "local[2]"
KEY = {"JOURNAL_PSEUDONYM_KEY": "a key for this benchmark"}
AT_ONCE = 32_768
RATIO_AT, RATIO, SPEEDUP, MEGABYTES = 1_000_000, 1.3, 1.8, 1_536.0  # the bars

SUBREAPER = 36  # of prctl(2): who is left behind by its parent becomes ours
LINGER = 60.0  # seconds for processes to end after the one they worked for

Figures = dict[str, float]
Cells = dict[str, dict[int, Figures]]


def spelled(number: int) -> str:
    """Invent a word of letters alone, as models know no others."""
    return "x" + f"{number:x}".translate(str.maketrans("0123456789", "ghijklmnop"))


def child(what: str, home: Path) -> None:
    """Do one thing in this process; `home` has the entries and what earlier steps made of them."""
    os.environ |= KEY
    step, *more = what.split()
    if step == "train":
        train(more[0], home)
    elif step == "model":
        package(home, Path(more[0]))
    elif step == "register":
        register(home)
    elif what == "score bare":
        bare(home)
    elif what == "score plain-spark":
        plain_spark(home)
    elif what == "score plain-dask":
        plain_dask(home)
    else:
        from src.engines import opened

        engine = more[0]
        master = MASTER if engine == "spark" else ""
        with opened(SimpleNamespace(engine=engine, spark_master=master)) as found:
            if step == "ingest":
                ingested(home, found)
            elif step == "split":
                parted(home, found)
            else:
                scored(home, found, int(more[1]))


def params_of(home: Path) -> Any:
    """Say where the entries are."""
    from src.data.sources.formats import FileParams

    return FileParams(source=str(home / "e.parquet"), privacy="off", languages="any")


def ingested(home: Path, engine: Any) -> None:
    """Ingest as the step does."""
    from src.data.ingestion import ingest

    ingest(params_of(home), home / "entries", engine=engine)


def parted(home: Path, engine: Any) -> None:
    """Split as the step does."""
    from src.data.schema import ENTRIES, SPLITS
    from src.data.splitting import SplitParams, split

    read, p = partial(ENTRIES.batches, home / "entries"), SplitParams()
    batches, _ = split(
        read, valid=p.valid, test=p.test, split_by=p.split_by, seed=p.seed, engine=engine
    )
    SPLITS.write(home / "splits", batches)


def train(name: str, home: Path) -> None:
    """Fit a family with its defaults."""
    from src.data.schema import SPLITS
    from src.training.family import family

    chosen = family(*name.split("/"))
    folder = home / "fitted"
    folder.mkdir()
    fitted, valid = (SPLITS.read(home / "splits", side) for side in ("train", "valid"))
    chosen.fit(fitted, valid, chosen.params(), folder, 7, lambda line: None)


def package(home: Path, folder: Path) -> None:
    """Put the topics of one size into the model that scores all sizes."""
    import mlflow.pyfunc

    from src.training.family import TASKS
    from src.training.packaging import packed

    train("topics/nmf", home)
    said = packed(TASKS["topics"], home / "fitted")
    mlflow.pyfunc.save_model(str(folder), metadata={"task": "topics"}, **said)


def register(home: Path) -> None:
    """Register the model in a tracking store of its own, as `score` finds it."""
    import mlflow

    from src.training.family import TASKS

    (home / "store").mkdir()
    os.chdir(home / "store")
    mlflow.set_tracking_uri(store_of(home))
    name = TASKS["topics"].registered_name
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(home / "model"), "model")
    client = mlflow.MlflowClient()
    client.create_registered_model(name)
    client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)


def store_of(home: Path) -> str:
    """Say where the store of one size lies."""
    return f"sqlite:///{home}/store/mlflow.db"


def scored(home: Path, engine: Any, workers: int) -> None:
    """Score as the step does, without the tracking store."""
    from src.data import sources
    from src.data.privacy import key_for
    from src.scoring.answering import Answering
    from src.scoring.entries import in_parts
    from src.scoring.parts import Work
    from src.scoring.score import score
    from steps.score import to_score

    params = params_of(home)
    source = sources.find(params.source)
    stream = in_parts(to_score(source, params, None).read(source.read(params)))
    with Work(home / "work", "one", home / "parts") as work:
        key = key_for("text")
        answering = Answering(home / "model", "topics", "models:/made/1", key, work.folder, engine)
        records, _ = score(stream, answering, work, workers)
        work.hand_over(records, home / "scores")
        work.remove()


def table_of(frame: Any, rows: list[dict[str, Any]]) -> Any:
    """Put answers beside ids, as anybody would."""
    import pandas as pd

    details = [row["topic_details"] for row in rows]
    return pd.DataFrame(
        {
            "id": frame["id"].to_numpy(),
            "topics": [[topic["topic_name"] for topic in some] for some in details],
            "topic_ids": [[topic["topic_id"] for topic in some] for some in details],
            "confidences": [[topic["confidence"] for topic in some] for some in details],
        }
    )


def bare(home: Path) -> None:
    """Read, ask the model and write, batch by batch; nothing else."""
    import mlflow.pyfunc
    import pyarrow as pa
    import pyarrow.parquet as pq

    model = mlflow.pyfunc.load_model(str(home / "model"))
    (home / "scores").mkdir()
    writer: pq.ParquetWriter | None = None
    file = pq.ParquetFile(home / "e.parquet")
    for batch in file.iter_batches(AT_ONCE, columns=["id", "journal_text"]):
        frame = batch.to_pandas().rename(columns={"journal_text": "text"})
        found = pa.Table.from_pandas(table_of(frame, model.predict(frame[["text"]])))
        writer = writer or pq.ParquetWriter(home / "scores/s.parquet", found.schema)
        writer.write_table(found)
    if writer:
        writer.close()


def plain_spark(home: Path) -> None:
    """Let Spark read, ask the model and write, with nothing of ours."""
    from pyspark.sql import SparkSession

    model = str(home / "model")

    def ask(frames: Iterator[Any]) -> Iterator[Any]:
        import mlflow.pyfunc

        loaded = mlflow.pyfunc.load_model(model)
        for frame in frames:
            yield table_of(frame, loaded.predict(frame[["text"]]))

    session = SparkSession.builder.master(MASTER).getOrCreate()
    rows = session.read.parquet(str(home / "e.parquet"))
    kinds = "id long, topics array<string>, topic_ids array<long>, confidences array<double>"
    named = rows.selectExpr("id", "journal_text as text")
    named.mapInPandas(ask, kinds).write.parquet(str(home / "scores"))


def plain_dask(home: Path) -> None:
    """Let two processes of Dask read, ask the model and write, with nothing of ours."""
    import dask.dataframe as dd
    import pyarrow as pa

    model = str(home / "model")

    def ask(frame: Any) -> Any:
        import mlflow.pyfunc

        loaded = mlflow.pyfunc.load_model(model)
        return table_of(frame, loaded.predict(frame[["text"]]))

    strings, numbers = pa.list_(pa.string()), pa.list_(pa.float64())
    kinds = {"id": pa.int64(), "topics": strings, "topic_ids": pa.list_(pa.int64())}
    meta = {"id": "int64", "topics": object, "topic_ids": object, "confidences": object}
    rows = dd.read_parquet(
        home / "e.parquet", columns=["id", "journal_text"], split_row_groups=True
    )
    named = rows.rename(columns={"journal_text": "text"}).map_partitions(ask, meta=meta)
    named.to_parquet(
        home / "scores",
        write_index=False,
        schema=pa.schema({**kinds, "confidences": numbers}),
        compute_kwargs={"scheduler": "processes", "num_workers": 2},
    )


MADE = {
    "ingest": "entries",
    "split": "splits",
    "train": "fitted",
    "model": "fitted",
    "score": "scores",
}


def command_of(what: str, home: Path) -> list[str]:
    """Write the command that does one thing."""
    if what not in STEPS:
        module = ["benchmarks.scale", "--child", what, str(home)]
        return [sys.executable, "-W", "ignore", "-m", *module]
    given = vars(params_of(home)) | {"model": "topics", "workers": what.split()[-1]}
    words = [f"{name}={value}" for name, value in given.items() if value]
    return [sys.executable, "-m", "steps", "score", *(w for word in words for w in ("-P", word))]


def run(what: str, home: Path) -> Figures | None:
    """Run a child in a session of its own; None where it takes too long or dies.

    Returns
    -------
    Of it and all processes below it, whether or not these ended before it or after: CPU seconds,
    peak megabytes; wall seconds; megabytes written. A parent that ignores SIGCHLD, as that of
    Spark's Python workers, hides the CPU seconds of those below it.
    """
    made = home / ("store" if what in STEPS else MADE.get(what.split()[0], "none"))
    for folder in (made, home / "work", home / "parts"):
        shutil.rmtree(folder, ignore_errors=True)
    if what in STEPS:
        run("register", home)
    # As many threads as processes are asked for.
    env = os.environ | KEY | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    env |= {"MLFLOW_TRACKING_URI": store_of(home), "JOURNAL_CACHE": str(home / "work")}
    env |= {"PYSPARK_PYTHON": sys.executable}
    adopt_left_behind()
    before, start, peak = cpu_of_children(), time.perf_counter(), 0.0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command_of(what, home), cwd=ROOT, env=env, start_new_session=True,
            stdout=said, stderr=said,
        )  # fmt: skip
        while process.poll() is None:
            peak = max(peak, resident())
            if time.perf_counter() - start > MOST_SECONDS:
                end_all()
            time.sleep(0.2)
        wall = time.perf_counter() - start
        wait_for_left_behind()
        if process.returncode:
            said.seek(0)
            tell(said.read().decode(errors="replace")[-600:] if wall < MOST_SECONDS else "too long")
            return None
    cpu = cpu_of_children() - before
    files = [file for file in made.rglob("*") if file.is_file()]
    tables = [file for file in files if file.suffix == ".parquet"]
    written = sum(file.stat().st_size for file in tables or files)
    load = os.getloadavg()[0]
    return {"cpu": cpu, "wall": wall, "peak": peak, "written": written / 2**20, "load": load}


def adopt_left_behind() -> None:
    """Become the parent of processes that are left behind, so that they are counted as well."""
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # Linux alone has it
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def cpu_of_children() -> float:
    """Add up the CPU seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def wait_for_left_behind() -> None:
    """Wait until nothing is below this process, and end what does not by itself."""
    until = time.monotonic() + LINGER
    with contextlib.suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                if time.monotonic() > until:
                    end_all()
                time.sleep(0.05)


def end_all() -> None:
    """End all processes below this one."""
    import psutil

    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            one.kill()


def resident() -> float:
    """Add up the megabytes of all processes below this one; pages they share count once."""
    import psutil

    total = 0
    for one in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            known = one.memory_full_info()
            total += getattr(known, "pss", known.rss)
    return total / 2**20


def slope(found: dict[int, Figures], what: str = "cpu") -> float | None:
    """Fit the power of the number of entries with which a cost grows: least squares of logs.

    >>> round(slope({10: {"cpu": 2.0}, 100: {"cpu": 20.0}}), 2)
    1.0
    """
    if len(found) < 2:
        return None
    xs = [math.log(size) for size in found]
    ys = [math.log(max(figures[what], 1e-9)) for figures in found.values()]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    return above / sum((a - x) ** 2 for a in xs)


def beyond(found: dict[int, Figures], size: int, what: str = "cpu") -> float:
    """Go on from the largest size with the slope of the last two, for cost at least 1.

    What starting costs makes the slopes of small sizes too flat.
    """
    last = dict(sorted(found.items())[-2:])
    power = slope(last, what) or 1.0
    power = max(power, 1.0 if what != "peak" else 0.0)
    largest = max(last)
    return float(last[largest][what] * (size / largest) ** power)


def medians(found: dict[str, dict[str, list[Figures | None]]]) -> Cells:
    """Give the median of each figure of a cell, and the number of rounds behind it."""
    cells = Cells()
    for what, sizes in found.items():
        cells[what] = {}
        for size, rounds in sizes.items():
            if done := [figures for figures in rounds if figures]:
                middle = {name: median(one[name] for one in done) for name in done[0]}
                cells[what][int(size)] = middle | {"rounds": len(done)}
    return cells


def in_order(cells: tuple[str, Any]) -> int:
    """Say where a row stands: as it is measured in, others last."""
    names = (*LOCAL, *SCORES, *SPARK)
    return names.index(cells[0]) if cells[0] in names else len(names)


def page(kept: dict[str, Any]) -> str:
    """Write what was measured, the bars and the plan."""
    found = dict(sorted(medians(kept["found"]).items(), key=in_order))
    stopped = {
        what: {int(size) for size, rounds in sizes.items() if None in rounds}
        for what, sizes in kept["found"].items()
    }
    lines = [
        "# What more entries cost\n",
        f"Written by `make bench-scale`: entries of invented words in a parquet file, "
        f"{kept['where']}. Steps run as in the pipeline, without the tracking store, each in a "
        "process of its own, with one thread a process; `privacy=off`, `languages=any`. `score` "
        "asks a topics model (family nmf); `score step` is the whole command, with a tracking "
        "store (SQLite), start to end, by so many processes, and `score local` its scoring alone; "
        "`bare` is a loop of pandas and that model: read, predict, write, no ids, pseudonyms, "
        "marks, checks or resuming; `plain-spark` is the same by `mapInPandas`, `plain-dask` by "
        "`map_partitions` of two processes, where Dask is installed; Spark has "
        f"`{MASTER}`. A figure is of one run, or the median of so many as are in brackets behind "
        "the number of entries. CPU is that of all processes, Spark's Java too, whenever they "
        "ended: whoever loses its parent becomes a child of the benchmark (Linux's "
        "`PR_SET_CHILD_SUBREAPER`), which waits for all and takes the kernel's count of them. "
        "Only Spark's Python workers are missing in it: their parent ignores SIGCHLD, and the "
        "kernel then forgets what they took. CPU seconds of Spark, their slopes and what goes on "
        "from them are too low by that. "
        "Memory is the highest sum over all of them, looked at five times a second; pages that "
        "several share count once. Slope is the power of the number of entries in CPU seconds "
        "(log-log fit over all sizes). A row marked ~ was not run, as it would have passed "
        f"{MOST_SECONDS // 60} minutes, or was stopped after them: its figures go on from the "
        "largest size measured, with the slope of the last two sizes, but at least 1 for time.\n",
        *([kept["note"] + "\n"] if kept.get("note") else []),
        "| step | entries | CPU s | wall s | entries/s | peak MB | slope |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, sizes in found.items():
        if not sizes:
            lines.append(f"| {what} | | not measured | | | | |")
            continue
        power = slope(sizes)
        shown = "" if power is None else f"{power:.2f}"
        for size in sorted({*kept["sizes"], *sizes}):
            here, mark = sizes.get(size), ""
            if here is None:
                if size < max(sizes) or len(sizes) < 2:
                    continue
                here = {name: beyond(sizes, size, name) for name in ("cpu", "wall", "peak")}
                mark = "~" + (" (stopped)" if size in stopped[what] else "")
            rounds = f" ({here['rounds']:.0f})" if here.get("rounds", 1) > 1 else ""
            lines.append(
                f"| {what} {mark} | {size:,}{rounds} | {here['cpu']:,.1f} | {here['wall']:,.1f} "
                f"| {size / here['wall']:,.0f} | {here['peak']:,.0f} | {shown} |"
            )
    return "\n".join([*lines, "", *bars(found, kept["found"]), "", *plan(found, kept)]) + "\n"


def bars(found: Cells, rounds: dict[str, dict[str, list[Figures | None]]]) -> list[str]:
    """Hold what was measured against what it is to be.

    How much faster two processes are is the median over rounds, in each of which one process and
    two took turns.
    """
    loop = found.get("score bare", {})
    lines = ["## Bars\n", "| bar | measured | |", "|---|---|---|"]
    for kind in ("step", "local"):
        one, two = (found.get(f"score {kind} {workers}", {}) for workers in (1, 2))
        name = "the whole step" if kind == "step" else "scoring alone"
        if both := sorted(set(one) & set(loop)):
            size = RATIO_AT if RATIO_AT in both else both[-1]
            ratio = one[size]["cpu"] / loop[size]["cpu"]
            met = "met" if ratio <= RATIO else "missed"
            lines.append(f"| {name}: CPU at most {RATIO} times the bare loop's, {RATIO_AT:,} "
                         f"entries | {ratio:.2f} at {size:,} | {met} |")  # fmt: skip
        if both := sorted(set(one) & set(two)):
            size = RATIO_AT if RATIO_AT in both else both[-1]
            turns = zip(*(rounds[f"score {kind} {n}"][str(size)] for n in (1, 2)), strict=False)
            gains = [a["wall"] / b["wall"] for a, b in turns if a and b]
            gain, each = median(gains), ", ".join(f"{each:.2f}" for each in gains)
            met = "met" if gain >= SPEEDUP else "not shown"
            load = max(one[size].get("load", 0.0), two[size].get("load", 0.0))
            lines.append(f"| {name}: two processes at least {SPEEDUP} times as fast as one "
                         f"| {gain:.2f} at {size:,} ({each}), load {load:.1f} "
                         f"| {met} |")  # fmt: skip
    for what, sizes in found.items():
        if sizes and what in ("ingest local", "split local", *STEPS):
            most = max(sizes)
            met = "met" if sizes[most]["peak"] <= MEGABYTES else "missed"
            met += "" if most >= max(SIZES) else f", not yet shown at {max(SIZES):,}"
            lines.append(f"| {what} under {MEGABYTES:,.0f} MB "
                         f"| {sizes[most]['peak']:,.0f} MB at {most:,} | {met} |")  # fmt: skip
    return lines


def plan(found: Cells, kept: dict[str, Any]) -> list[str]:
    """Say what a thousand million entries would cost."""
    lines = [
        f"## On paper: {PLAN:,} entries\n",
        "Nothing here was run. CPU hours go on from the largest size measured, with the slope of "
        "the last two (at least 1); disk is bytes per entry written at the largest size. It is "
        "assumed that entries are as long as these, that one disk takes what all write, and that "
        "Spark's share of starting and shuffling stays what it was on this machine. Memory of the "
        "usual engine: `score` keeps 12 bytes of known ids for each entry, 12 GB in all, on one "
        "machine; `ingest` keeps those and as much for texts; `split` some 100 bytes, 100 GB; "
        "training reads a whole side into memory, and would be given a sample.\n",
        "| step | CPU hours | at measured slope from | disk, GB |",
        "|---|---|---|---|",
    ]
    for what, sizes in found.items():
        if len(sizes) < 2:
            continue
        most = max(sizes)
        disk = sizes[most].get("written", 0.0) / most * PLAN / 1024
        disk_shown = "a model" if what.startswith("train") else f"{disk:,.0f}"
        hours = beyond(sizes, PLAN) / 3600
        lines.append(f"| {what} | {hours:,.0f} | {most:,} | {disk_shown} |")
    if kept.get("input"):
        lines.append(f"| what is read | | | {kept['input'] * PLAN / 2**30:,.0f} |")
    return lines


def main() -> None:
    """Measure what is not measured yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", default="", help="what starts so, words between commas")
    parser.add_argument("--keep", help="a file of what was measured, to go on from")
    parser.add_argument("--folder", help="where entries are made, and found again")
    parser.add_argument("--rounds", type=int, default=1, help="how often, in turns with the others")
    parser.add_argument("--note", help="what is to be known of these figures; kept until changed")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child[0], Path(given.child[1]))
        return
    sizes = [int(size) for size in given.sizes.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as made:
        folder = Path(given.folder or made)
        keep = Path(given.keep or folder / "kept.json")
        kept: dict[str, Any] = {"found": {}}
        if keep.exists():
            kept = json.loads(keep.read_text())
        kept["where"] = (
            f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        kept["sizes"] = sorted({*kept.get("sizes", []), *sizes})
        names = [*LOCAL, *SCORES]
        if find_spec("pyspark") and shutil.which("java"):
            names += SPARK
        if find_spec("dask"):
            names += DASK
        if given.note is not None:
            kept["note"] = given.note
        for size in sizes:
            home = prepared(folder, size)
            kept["input"] = (home / "e.parquet").stat().st_size / size
            wanted = [name for name in names if name.startswith(tuple(given.only.split(",")))]
            for turn in range(given.rounds):
                for what in wanted:
                    cells = kept["found"].setdefault(what, {})
                    if len(cells.get(str(size), ())) > turn or too_long(kept["found"], what, size):
                        continue
                    tell(f"{size:,} entries: {what}")
                    cells.setdefault(str(size), []).append(run(what, home))
                    tell(str(cells[str(size)][-1]))
                    keep.write_text(json.dumps(kept, indent=1))
                    (ROOT / "benchmarks" / "scale.md").write_text(page(kept))
            if not given.folder:
                shutil.rmtree(home)
        keep.write_text(json.dumps(kept, indent=1))
        (ROOT / "benchmarks" / "scale.md").write_text(page(kept))


def too_long(found: dict[str, dict[str, list[Figures | None]]], what: str, size: int) -> bool:
    """Tell whether a cell would pass the time that one is given, by those that are smaller."""
    if any(None in rounds for rounds in found[what].values()):
        return True
    smaller = {n: one for n, one in medians(found)[what].items() if n < size}
    return bool(smaller) and beyond(smaller, size, "wall") > MOST_SECONDS


def prepared(folder: Path, size: int) -> Path:
    """Make the entries of a size, and at first the model that scores all of them."""
    from benchmarks.ingest import make

    home, model = folder / str(size), folder / "model"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "e.parquet").exists():
        tell(f"making {size:,} entries")
        make(size, home / "e.parquet", spelled)
    if not model.exists():
        for what in ("ingest local", "split local", f"model {model}"):
            if run(what, home) is None:
                raise SystemExit("no model can be made to score with.")
    if not (home / "model").exists():
        shutil.copytree(model, home / "model")
    return home


def tell(what: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{what}\n")


if __name__ == "__main__":
    main()
