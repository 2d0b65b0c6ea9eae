"""What runs in a service's own process: nothing of this project is importable here.

`python foreign.py <folder of the service> <model URI or path> …`, texts as JSON on stdin; the
answers by URI as JSON on stdout, with what the process saw.
"""

import json
import socket
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import models
import src
import steps

OWN = (src, models, steps)
assert all(package.WHOSE == "the service's" for package in OWN)


def online() -> bool:
    """Whether anything but loopback can be reached."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("192.0.2.1", 80)) not in (101, 113)  # unreachable


import mlflow  # noqa: E402
import pandas  # noqa: E402

texts = json.load(sys.stdin)
answers = {}
for uri in sys.argv[2:]:
    model = mlflow.pyfunc.load_model(uri)
    answers[uri] = model.predict(pandas.DataFrame({"text": texts}))

assert [sys.modules[name] for name in ("src", "models", "steps")] == list(OWN)
assert all(package.WHOSE == "the service's" for package in OWN)
seen = {
    "answers": answers,
    "mlflow": mlflow.__version__,
    "python": ".".join(map(str, sys.version_info[:2])),
    "files": sorted(path.name for path in Path().iterdir()),
    "packages": sorted(m for m in ("sklearn", "torch", "transformers") if m in sys.modules),
    "online": online(),
}
json.dump(seen, sys.stdout)
