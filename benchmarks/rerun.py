"""What it costs to find that nothing has to run: whole-process CPU seconds, beside rivals.

`make bench-rerun`. Five trivial steps, the same for each: copy 10,000 rows and change a column.
Every rival lives in an environment of its own that uv builds here. A figure is the median over
the rounds of user and system seconds of a process and all its children; on a shared machine they
compare, wall seconds do not.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.history import remember
from tools.serve import Postgres, mlflow_server, postgres_programs

ROOT = Path(__file__).resolve().parents[1]
RIVALS = Path(__file__).parent / "rivals"
STEPS = ("one", "two", "three", "four", "five")
OURS = ("MLproject", "python_env.yaml", "src", "steps")


@dataclass(frozen=True)
class Cost:
    """What a command cost."""

    cpu_seconds: float
    wall_seconds: float


def cost(command: list[str], folder: Path, env: dict[str, str]) -> Cost:
    """Run a command that has to succeed and measure it with all its children."""
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)}\n{said.read().decode()}")
    return Cost(used.ru_utime + used.ru_stime, wall)


def medians(commands: dict[str, Callable[[], Cost]], rounds: int) -> dict[str, Cost]:
    """Measure commands in turns, so that what else the machine does meets them all."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, run in commands.items():
            found[name].append(run())
    return {
        name: Cost(
            statistics.median(c.cpu_seconds for c in costs),
            statistics.median(c.wall_seconds for c in costs),
        )
        for name, costs in found.items()
    }


def show(title: str, found: dict[str, Cost], against: str) -> None:
    """Print a table; the last column is CPU relative to one of the rows."""
    base = found[against].cpu_seconds
    lines = [f"\n### {title}\n", f"| what | CPU s | wall s | × {against} |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {c.cpu_seconds:.2f} | {c.wall_seconds:.2f} | {c.cpu_seconds / base:.2f} |"
        for name, c in found.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def uv(*words: str) -> None:
    """Run uv."""
    subprocess.run(["uv", *words, "--quiet"], check=True)


def environment(folder: Path, *requirements: str) -> Path:
    """Build an environment with bytecode, as one that was used before has it; give its `bin`."""
    uv("venv", "--python", sys.executable, str(folder))
    python = str(folder / "bin/python")
    uv("pip", "install", "--compile-bytecode", "--python", python, *requirements)
    return folder / "bin"


def clean(bin_folder: Path, **more: str) -> dict[str, str]:
    """Make the environment variables of a rival: its own commands first, bytecode kept."""
    dropped = ("MLFLOW", "PIPELINE", "JOURNAL", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(dropped)}
    quiet = {"DVC_NO_ANALYTICS": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**kept, **quiet, "PATH": f"{bin_folder}{os.pathsep}{kept['PATH']}", **more}


def commit(folder: Path) -> None:
    """Make a folder a git repository with one commit: DVC and MLflow's pattern want one."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "A project")):
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def write_rows(path: Path) -> Path:
    """Write the rows that the first step reads."""
    path.write_text("id,value\n" + "".join(f"{n},{n * 7 % 1000}\n" for n in range(10_000)))
    return path


def our_project(folder: Path) -> Path:
    """Copy the project with five trivial steps in place of its own."""
    for name in OURS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    for name in ("ingest", "split", "train", "evaluate", "register"):
        (folder / f"steps/{name}.py").unlink()
    template = (RIVALS / "our_step.py").read_text()
    for before, name in zip(("", *STEPS), STEPS, strict=False):
        reads = f'("rows_{before}",)' if before else "()"
        text = template.replace('"STEP"', f'"{name}"').replace("READS", reads)
        (folder / f"steps/{name}.py").write_text(text)
    env = clean(Path(sys.executable).parent)
    write = "from src.pipeline import project as p\n"
    write += "(p.ROOT / 'MLproject').write_text(p.render_mlproject())"
    subprocess.run([sys.executable, "-c", write], cwd=folder, env=env, check=True)
    write_rows(folder / "rows.csv")
    commit(folder)
    return folder


def dvc_project(folder: Path) -> Path:
    """Make the same five steps for DVC."""
    shutil.copy(RIVALS / "work.py", folder)
    before, text = "rows.csv", "stages:\n"
    for name in STEPS:
        after = f"{name}.csv"
        text += f"  {name}:\n    cmd: python work.py {before} {after}\n"
        text += f"    deps: [work.py, {before}]\n    outs: [{after}]\n"
        before = after
    (folder / "dvc.yaml").write_text(text)
    write_rows(folder / "rows.csv")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def pattern_project(folder: Path) -> Path:
    """Make the same five steps after MLflow's multistep pattern."""
    shutil.copy(RIVALS / "work.py", folder)
    shutil.copy(RIVALS / "pattern.py", folder / "main.py")
    text = "name: pattern\nentry_points:\n  main:\n    command: python main.py\n"
    for name in STEPS:
        text += f"  {name}:\n    parameters:\n      rows: string\n"
        text += f"    command: python work.py {{rows}} {name}.csv --log\n"
    (folder / "MLproject").write_text(text)
    write_rows(folder / "rows.csv")
    commit(folder)
    return folder


def empty_project(folder: Path) -> Path:
    """Make a project whose entry point does nothing, and a script that logs one metric."""
    (folder / "MLproject").write_text('name: empty\nentry_points:\n  main:\n    command: "true"\n')
    (folder / "log.py").write_text(
        "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('value', 1.0)\n"
    )
    commit(folder)
    return folder


@contextmanager
def folders(*names: str) -> Iterator[list[Path]]:
    """Make folders that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-rerun-") as top:
        made = [Path(top) / name for name in names]
        for folder in made:
            folder.mkdir()
        yield made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a rerun costs, beside rivals.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured")
    parser.add_argument("--history", default="10,1000,20000", help="numbers of past runs")
    parser.add_argument("--postgres", action="store_true", help="history on PostgreSQL only")
    given = parser.parse_args()
    counts = [int(count) for count in given.history.split(",")]
    with ExitStack() as stack:
        names = ("ours", "dvc", "pattern", "empty", "stores", "environments")
        ours, dvc, pattern, empty, stores, built = stack.enter_context(folders(*names))
        our_project(ours), empty_project(empty)
        requirements = ("-r", str(ROOT / "pyproject.toml"), "-c", str(ROOT / "requirements.txt"))
        own = environment(built / "ours", *requirements)

        def store(name: str) -> str:
            return f"sqlite:///{stores}/{name}.db"

        def here(uri: str) -> dict[str, str]:
            return clean(
                own, MLFLOW_TRACKING_URI=uri, JOURNAL_CACHE=str(stores / "cache"), MODEL="topics"
            )

        python, mlflow = str(own / "python"), str(own / "mlflow")
        noop = [python, "-m", "steps", "main"]
        nothing = [mlflow, "run", ".", "--env-manager", "local"]
        launched = [*nothing, "-e", "main"]
        if not given.postgres:
            dvc_project(dvc), pattern_project(pattern)
            of_dvc = clean(environment(built / "dvc", "dvc>=3.67,<4"))
            subprocess.run(["dvc", "init", "-q"], cwd=dvc, env=of_dvc, check=True)
            # The pattern is given the same MLflow, in an environment of nothing else.
            version = subprocess.run(
                [python, "-c", "import importlib.metadata as m; print(m.version('mlflow'))"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            bare = environment(built / "pattern", f"mlflow=={version}")
            of_pattern = clean(bare, MLFLOW_TRACKING_URI=store("pattern"))
            cost([mlflow, "experiments", "search"], empty, here(store("ours")))  # tables are made
            cost([mlflow, "experiments", "search"], empty, here(store("pattern")))
            cold = {
                "plain Python, one process": cost(
                    [python, str(RIVALS / "work.py"), "rows.csv", "all.csv", "--times", "5"],
                    ours,
                    here(store("ours")),
                ),
                "this project": cost(noop, ours, here(store("ours"))),
                "dvc repro": cost(["dvc", "repro"], dvc, of_dvc),
                "MLflow's pattern": cost(["python", "main.py"], pattern, of_pattern),
            }
            script = [python, str(empty / "log.py")]
            logs = medians({"log": lambda: cost(script, empty, here(store("ours")))}, given.rounds)
            cold["five empty scripts that log one metric"] = Cost(
                5 * logs["log"].cpu_seconds, 5 * logs["log"].wall_seconds
            )
            show("Nothing done yet: five steps", cold, "five empty scripts that log one metric")
            found = medians(
                {
                    "this project": lambda: cost(noop, ours, here(store("ours"))),
                    "dvc repro": lambda: cost(["dvc", "repro"], dvc, of_dvc),
                    "MLflow's pattern": lambda: cost(["python", "main.py"], pattern, of_pattern),
                },
                given.rounds,
            )
            show("Nothing to do", found, "dvc repro")
            found = medians(
                {
                    "empty entry point": lambda: cost(nothing, empty, here(store("ours"))),
                    "this project": lambda: cost(launched, ours, here(store("ours"))),
                    "MLflow's pattern": lambda: cost(
                        ["mlflow", "run", ".", "--env-manager", "local"], pattern, of_pattern
                    ),
                },
                given.rounds,
            )
            show("Nothing to do, through mlflow run on sqlite", found, "empty entry point")
            with mlflow_server(stores, store("served")) as uri:
                cost(noop, ours, here(uri))
                found = medians(
                    {
                        "empty entry point": lambda: cost(nothing, empty, here(uri)),
                        "this project": lambda: cost(launched, ours, here(uri)),
                        "this project, directly": lambda: cost(noop, ours, here(uri)),
                    },
                    given.rounds,
                )
            show("Nothing to do, through mlflow run on a server", found, "empty entry point")
        kinds: dict[str, Callable[[int], str]] = {"sqlite": lambda count: store(f"past{count}")}
        if postgres_programs():
            stores.parent.chmod(0o755)
            server = stack.enter_context(Postgres(stores / "postgres").running("fsync=off"))
            kinds["PostgreSQL"] = lambda count: server.create(f"past{count}")
        else:
            sys.stdout.write("\nPostgreSQL is not installed: its history is not measured.\n")
        if given.postgres:
            del kinds["sqlite"]
        for kind, uri_of in kinds.items():
            measured: dict[str, Callable[[], Cost]] = {}
            for count in counts:
                env = here(uri_of(count))
                cost(noop, ours, env)
                remember(python, env, count)
                measured[f"{count:,} past runs"] = partial(cost, noop, ours, env)
            found = medians(measured, given.rounds)
            show(f"Nothing to do, by past runs on {kind}", found, f"{counts[0]:,} past runs")


if __name__ == "__main__":
    main()
