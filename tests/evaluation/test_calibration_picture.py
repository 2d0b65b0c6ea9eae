"""The picture of calibration: the same bytes for the same answers, whatever the answers."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.evaluation.bootstrap import bootstrap_weights
from src.evaluation.cards import calibration
from src.evaluation.cards.calibration import picture, wilson
from src.evaluation.selective import Judged
from src.evaluation.sentiment import CLASSES, sentiment_metrics
from src.evaluation.tasks import Predictions, judged

pytestmark = [pytest.mark.unit, pytest.mark.slow]

PNG = b"\x89PNG\r\n\x1a\n"


def simulated(n=80, seed=0):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.34, 1.0, n)
    return Judged(confidence, rng.random(n) < confidence, confidence < 0.5)


PROGRAM = """
import sys, numpy as np
from src.evaluation.cards.calibration import picture
from src.evaluation.selective import Judged
sure = np.linspace(0.35, 1, 50)
sys.stdout.buffer.write(picture({"Test": Judged(sure, sure > 0.6, sure < 0.5)}))
assert "matplotlib.pyplot" not in sys.modules
"""


def test_the_same_answers_give_the_same_bytes_in_any_process_and_style(tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nbackend: svg\n")
    root, sure = Path(__file__).resolve().parents[2], np.linspace(0.35, 1, 50)
    expected = picture({"Test": Judged(sure, sure > 0.6, sure < 0.5)})
    assert expected.startswith(PNG)
    assert b"Software" not in expected
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(root), "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path)}
        | {"HOME": str(Path.home())},
        capture_output=True,
        check=True,
    )
    assert found.stdout == expected


def test_the_titles_say_the_figures_of_the_evaluation(monkeypatch):
    from matplotlib.axes import Axes

    titles, plain = [], Axes.set_title
    monkeypatch.setattr(
        Axes, "set_title", lambda axes, text, **more: titles.append(text) or plain(axes, text)
    )
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([1, 1, 1], 200)
    truth = rng.choice(CLASSES, 200).tolist()
    rows = [
        {"sentiment": CLASSES[s.argmax()], "all_scores": dict(zip(CLASSES, s, strict=True))}
        | {"confidence_level": "low" if s.max() < 0.5 else "high"}
        for s in scores
    ]
    of = judged(truth, Predictions(rows, None, "m"))
    picture({"Test split": of, "Held-out journal": simulated()})
    wanted = sentiment_metrics(truth, scores, bootstrap_weights(200, 0, 0))
    assert titles[0].startswith("Test split (n = 200)")
    ece, accuracy = wanted["ece"][0], wanted["accuracy"][0]
    assert f"accuracy {accuracy:.3f}, calibration error (ECE) {ece:.3f}" in titles[0]
    assert re.search(r"not flagged low: coverage 0\.\d{3}, accuracy 0\.\d{3}", titles[1])
    assert titles[2].startswith("Held-out journal (n = 80)")


@pytest.mark.parametrize(
    "of",
    [
        Judged(np.array([0.9]), np.array([True])),
        Judged(np.array([0.0, 1.0]), np.array([False, True]), np.array([True, True])),
        Judged(np.full(30, 1.0), np.ones(30, bool), np.zeros(30, bool)),
        Judged(np.full(30, 0.34), np.zeros(30, bool), np.ones(30, bool)),
    ],
    ids=["one answer", "all flagged", "all right", "all wrong"],
)
def test_few_answers_one_class_and_one_set_are_drawn_too(of):
    assert picture({"Test split": of}).startswith(PNG)


def test_a_share_of_none_and_of_all_has_an_interval_inside_0_to_1():
    low, high = wilson(np.array([0.0, 1.0]), np.array([10.0, 10.0]))
    assert (low[0], high[1]) == (0.0, 1.0)
    assert high[0] == pytest.approx(1 - low[1]) == pytest.approx(0.2775, abs=1e-4)
    assert calibration.CALIBRATION_BINS == 15
