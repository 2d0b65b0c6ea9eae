"""The same evaluation in another process, whatever its hash seed and number of threads."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import numpy as np, pyarrow as pa
from src.evaluation.evaluate import evaluate
from src.evaluation.tasks import Predictions

rng = np.random.default_rng(0)
n, words = 800, [f"w{letter}{other}" for letter in "abcdef" for other in "ghijk"]
texts = [" ".join(rng.choice(words, size=6)) for _ in range(n)]
labels = rng.choice(["negative", "neutral", "positive"], size=n).tolist()
gold = [rng.choice(["work", "sleep", "love"], size=2).tolist() for _ in range(n)]
held_out = pa.table({"id": texts, "text": texts, "label": labels, "topics": gold})
everyone = np.ones(n, bool)

def mood():
    names, rows = ["negative", "neutral", "positive"], []
    for scores in rng.dirichlet([1, 1, 1], size=n):
        all_scores = dict(zip(names, scores.tolist()))
        rows.append({"sentiment": max(names, key=all_scores.get), "all_scores": all_scores})
    return Predictions(rows, None, "m")

def themes():
    topics = [{"topic_id": i, "words": rng.choice(words, 10).tolist()} for i in range(6)]
    rows = [{"topic_details": [{"topic_id": int(i), "confidence": float(rng.random())}
                               for i in rng.permutation(6)[:2]]} for _ in range(n)]
    return Predictions(rows, topics, "m")

for task, model in (("sentiment", mood), ("topics", themes)):
    print(evaluate(task, held_out, held_out, model(), model(), everyone, 3, 100).to_json())
"""


def test_the_hash_seed_and_threads_change_nothing():
    root = Path(__file__).resolve().parents[2]
    answers = []
    for seed, threads in (("1", "1"), ("2", "2")):
        environment = {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "PYTHONPATH": str(root)}
        answers.append(
            subprocess.run(
                [sys.executable, "-c", PROGRAM],
                env=environment | {"OPENBLAS_NUM_THREADS": threads},
                capture_output=True,
                check=True,
            ).stdout
        )
    assert len(answers[0]) > 1000
    assert answers[0] == answers[1]
