"""Runs a command and writes what it used to a file: CPU seconds, wall seconds, peak megabytes."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

start = time.perf_counter()
done = subprocess.run(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = {
    "cpu": used.ru_utime + used.ru_stime,
    "wall": time.perf_counter() - start,
    "peak": used.ru_maxrss / 1024,
}
Path(sys.argv[1]).write_text(json.dumps(found))
raise SystemExit(done.returncode)
