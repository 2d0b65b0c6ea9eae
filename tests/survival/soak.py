"""Kills without end: `make soak`, or `make soak ROUNDS=10`; stops at the first fault."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

from tests.survival.lane import NOTHING_LEFT, Lane, lap
from tests.survival.test_kills import survive


def main(rounds: int) -> None:
    """Go through the pipeline with random kills, each round from a seed that is shown first."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        undisturbed = Lane(Path(folder) / "undisturbed")
        code, said = undisturbed.run("main")
        assert code == 0, said
        expected, done = undisturbed.results(), 0
        while not rounds or done < rounds:
            seed, start = random.SystemRandom().randrange(10**6), time.monotonic()
            kills = list(lap(random.Random(seed), per_step=5))
            sys.stdout.write(f"round {done + 1}, seed {seed}: {len(kills)} kills … ")
            sys.stdout.flush()
            lane = Lane(Path(folder) / f"round-{done}")
            try:
                survive(lane, kills)
                assert lane.results() == expected
                assert lane.left() == NOTHING_LEFT
            finally:
                lane.close()
            sys.stdout.write(f"survived in {time.monotonic() - start:.0f} s\n")
            done += 1


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
