"""What it costs to ingest a million entries out of PostgreSQL: at first, unchanged, and later.

`python -m benchmarks.ingest_postgresql [--rows 1000000]`. A PostgreSQL of its own is made with the
application's table; one entry in a hundred then changes. Each figure is one process: CPU seconds
are its own, user and system, without the server's; the peak is of its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tools.serve import HOST, Postgres

ROOT = Path(__file__).resolve().parents[1]
TABLE = """
    CREATE SCHEMA source;
    CREATE TABLE source.journals (
        id serial PRIMARY KEY, user_id uuid, journal_text text, mood_score integer,
        created_at timestamptz, modified_at timestamptz DEFAULT now());
    INSERT INTO source.journals (user_id, journal_text, mood_score, created_at)
    SELECT md5((g % 5000)::text)::uuid, 'Entry ' || g || ' ' || repeat(md5(g::text) || ' ', 12),
        1 + g % 10, timestamptz '2020-01-01' + g * interval '1 minute'
    FROM generate_series(1, ROWS) g;
"""
CHANGE = """
    UPDATE source.journals SET journal_text = journal_text || ' more', modified_at = now()
    WHERE id % 100 = 0;
    DELETE FROM source.journals WHERE id % 1000 = 7;
"""
# Alone in its process, so that its memory is its own. The first word says what to do.
CHILD = """
import json, resource, sys, time
from pathlib import Path
from src.data.sources import Reading, find
from src.data.sources.postgresql import PostgresParams
what, address, folder, before = sys.argv[1:]
params = PostgresParams(source=address, table="source.journals", privacy="off", languages="any")
folder = Path(folder)
start, texts = time.monotonic(), 0
if what == "plan":
    find(address).fingerprint(params)
else:
    names = ("entries", "versions") if before else ()
    reading = Reading(lambda: {n: Path(before) / n for n in names}, folder / "versions")
    if what == "read":
        for table in find(address).read_on(params, reading):
            pass
    else:
        from src.data.ingestion import ingest
        ingest(params, folder / "entries", lambda *_: None, reading)
    texts = reading.texts
wall = time.monotonic() - start
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss / 1024
print(json.dumps([texts, used.ru_utime + used.ru_stime, wall, peak]))
"""


@dataclass(frozen=True)
class Cost:
    """What a process cost, and how many texts it asked the server for."""

    texts: int
    cpu_seconds: float
    wall_seconds: float
    peak_megabytes: float


def cost(what: str, address: str, folder: Path, before: Path | None = None) -> Cost:
    """Measure a plan, a reading alone, or an ingest in a process of its own."""
    words = [sys.executable, "-c", CHILD, what, address, str(folder), str(before or "")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return Cost(*json.loads(done.stdout))


def measure(rows: int, folder: Path) -> dict[str, Cost]:
    """Make the database and measure; `folder` must be one that other users may enter."""
    import psycopg2

    database = Postgres(folder / "postgres")
    with database.running("fsync=off"):
        os.environ["PGPASSWORD"] = database.password
        address = f"postgresql://journal@{HOST}:{database.port}/postgres"
        with closing(psycopg2.connect(address)) as connection:
            connection.autocommit = True
            connection.cursor().execute(TABLE.replace("ROWS", str(rows)))
            connection.cursor().execute("VACUUM ANALYZE source.journals")
            first, later = folder / "first", folder / "later"
            found = {"first ingest": cost("ingest", address, first)}
            found["of it, reading alone"] = cost("read", address, folder / "read")
            found["plan, unchanged"] = cost("plan", address, folder)
            connection.cursor().execute(CHANGE)
            found["later ingest, 1 % changed"] = cost("ingest", address, later, first)
            found["of it, reading alone again"] = cost("read", address, folder / "read", first)
    return found


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        found = measure(rows, Path(made))
    said = f"| {rows:,} entries | texts read | CPU s | wall s | peak MB |\n|---|---|---|---|---|\n"
    for name, c in found.items():
        said += f"| {name} | {c.texts:,} | {c.cpu_seconds:.1f} | {c.wall_seconds:.1f} "
        said += f"| {c.peak_megabytes:.0f} |\n"
    sys.stdout.write(said)


if __name__ == "__main__":
    main()
