"""Fine-tuning: what it learns, when it stops, and that a kill costs an epoch and nothing else."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest

from src.errors import UserError
from src.models.sentiment_analyzer import MODEL
from src.pipeline.step import ROOT
from src.training.family import families
from tests.models.corpus import ENTRIES, HELD_OUT, TEXTS
from tests.tiny import QUICK, tiny_backbone
from tests.training.test_fitting import digests, fit

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cache")]
if find_spec("torch") is None:
    pytest.skip("needs torch: the extra roberta", allow_module_level=True)
FAMILY = families("sentiment")["roberta"]


@pytest.mark.parametrize("kind", ["roberta", "bert"])
@pytest.mark.parametrize("mode", ["finetune", "frozen"])
def test_any_encoder_learns_the_labels(tmp_path, mode, kind):
    said = []
    backbone = str(tiny_backbone(kind))
    facts = fit(FAMILY, tmp_path / "m", said=said, mode=mode, backbone=backbone, quantize="true")
    assert facts["encoder"] == kind
    assert facts["precision"] == "int8"
    assert facts["int8_agreement"] > 0.95
    if mode == "finetune":
        assert facts["best_f1"] > 0.9
        assert any(re.search(r"epoch 2 of 5, .*texts/s, .* left", line) for line in said)


def test_the_packaged_backbone_reads_as_its_graph_in_8_bits_does():
    import torch

    from src.models.sentiment_analyzer import Encoder
    from src.training.backbone import opened
    from src.training.minilm import MAX_TOKENS, read_encoder
    from src.training.network import Network, encode, load, outputs

    texts = ["I walked home in the rain.", "She made me laugh until I cried!"]
    with opened("minilm", False, MAX_TOKENS) as found, torch.random.fork_rng():
        backbone, tokenizer, pad = load(found)
    rows = encode(tokenizer, texts, MAX_TOKENS)
    network = Network(backbone)
    files = read_encoder()
    small = Encoder(files["encoder.onnx"], files["tokenizer.json"], MAX_TOKENS)
    for (place,), pooled in outputs(network, rows, pad, 1):
        cosine = np.corrcoef(pooled[0].double().numpy(), small.vector(texts[place]))[0, 1]
        assert cosine > 0.98


@pytest.mark.parametrize("mode", ["finetune", "frozen"])
def test_the_projects_own_journal_counts_for_more(tmp_path, mode):
    both = pa.concat_tables([ENTRIES.slice(0, 300)] * 2).select(["text", "label"])
    turned = {"positive": "negative", "negative": "positive", "neutral": "neutral", None: None}
    labels = both["label"].to_pylist()
    rows = pa.table(
        {
            "id": [f"{i:04d}" for i in range(600)],
            "text": both["text"],
            "label": labels[:300] + [turned[label] for label in labels[300:]],
            "source": ["journal"] * 300 + ["other"] * 300,
        }
    )
    facts = fit(FAMILY, tmp_path / "m", rows, mode=mode)
    assert facts["n_labelled"] == 570
    answers = MODEL.from_folder(tmp_path / "m").predict(None, {"text": TEXTS})
    truth = HELD_OUT["label"].to_pylist()
    pairs = [(a["sentiment"], b) for a, b in zip(answers, truth, strict=True) if b]
    right = np.mean([said == label for said, label in pairs])
    assert right > np.mean([said == turned[label] for said, label in pairs]) + 0.1
    fewer = fit(FAMILY, tmp_path / "few", rows, mode=mode, most_entries=40)
    assert fewer["n_labelled"] == 285 + 40


def test_it_stops_once_validation_gets_no_better(tmp_path):
    facts = fit(FAMILY, tmp_path / "m", epochs=40, patience=3)
    assert facts["epochs"] == facts["best_epoch"] + 3 < 40
    curve, losses = (
        [float(value) for value in str(facts[f"{name}_by_epoch"]).split()]
        for name in ("f1", "loss")
    )
    assert len(losses) == len(curve)
    assert losses[-1] < losses[0] / 2
    assert len(curve) == facts["epochs"]
    assert max(curve) == curve[facts["best_epoch"] - 1] == pytest.approx(facts["best_f1"], abs=1e-4)


KILLED = """
import sys
from pathlib import Path
from src.training.family import families
from tests.models.corpus import ENTRIES, HELD_OUT, TEXTS
from src.training import finetuning
from src.training.checkpoint import Checkpoint
from tests.tiny import QUICK
if sys.argv[3] == "inside":
    finetuning.KEEP_SECONDS, finetuning.LOOK_EVERY = 0.0, 3
    save = Checkpoint.save
    def told(self, state):
        save(self, state)
        course = state["course"]
        print(f"kept {course['epoch']} {course['batch']}", flush=True)
    Checkpoint.save = told
family = families("sentiment")["roberta"]
params = family.params(**{**QUICK, "backbone": sys.argv[1]})
family.fit(ENTRIES, HELD_OUT, params, Path(sys.argv[2]), 7, lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize(
    ("when", "killed_at", "on"),
    [
        ("after", "epoch 3 of 5", r"going on after epoch [23] of 5"),
        ("inside", "kept 2 6", r"going on after epoch 2 of 5 and \d+ batches"),
    ],
)
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    tmp_path, cache, when, killed_at, on
):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tiny_backbone()), str(tmp_path), when],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if killed_at in line:
                process.kill()
    assert process.returncode < 0
    assert len(list(cache.glob("*.pt"))) == 1
    said = []
    facts = fit(FAMILY, tmp_path / "again", said=said)
    assert any(re.search(on, line) for line in said)
    assert not list(cache.iterdir())
    said.clear()
    assert fit(FAMILY, tmp_path / "undisturbed", said=said) == facts
    assert not any("going on" in line for line in said)
    assert digests(tmp_path / "again") == digests(tmp_path / "undisturbed")


def test_checkpoints_are_whole_or_not_there(tmp_path):
    import torch

    from src.training.checkpoint import Checkpoint

    said = []
    checkpoint = Checkpoint(tmp_path / "c", "abc", said.append)
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 1, "w": torch.ones(3)})
    assert checkpoint.load()["w"].tolist() == [1, 1, 1]
    whole = checkpoint.path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-50]):
        checkpoint.path.write_bytes(damaged)
        assert checkpoint.load() is None
    (tmp_path / "c" / "abc.999999999.part").write_bytes(whole)
    old = tmp_path / "c" / "old.pt"
    old.write_bytes(whole)
    os.utime(old, (0, 0))
    Checkpoint(tmp_path / "c", "abc", said.append)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["abc.pt"]
    checkpoint.remove()
    checkpoint.remove()
    (tmp_path / "file").write_text("")
    assert not said
    Checkpoint(tmp_path / "file" / "c", "abc", said.append).save({})
    assert "no checkpoint in" in said[0]


def test_a_training_on_other_words_is_another_one(tmp_path):
    from src.training.backbone import Backbone
    from src.training.rows import labelled
    from src.training.train_sentiment_analysis_roberta import digest

    backbone = Backbone(tiny_backbone(), tiny_backbone())
    both = labelled(ENTRIES), labelled(HELD_OUT)
    other = (both[0][0], both[0][1][::-1]), both[1]
    params = FAMILY.params(**QUICK)
    somewhere = FAMILY.params(**QUICK, backbone="elsewhere", download=True)
    first = digest(both, params, backbone, 7, "cpu")
    assert first == digest(both, somewhere, backbone, 7, "cpu")
    found = {
        first,
        digest(other, params, backbone, 7, "cpu"),
        digest(both, params, backbone, 8, ""),
    }
    found.add(digest(both, FAMILY.params(), backbone, 7, "cpu"))
    assert len(found) == 4


def test_a_gpu_that_is_not_there_is_said_before_training(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = []
    with pytest.raises(UserError, match="torch sees no GPU") as caught:
        fit(FAMILY, tmp_path / "m", said=said, device="cuda")
    assert "device=cpu" in caught.value.hint
    assert not said


def test_a_missing_backbone_is_said_before_training(tmp_path):
    said = []
    with pytest.raises(UserError, match="neither a folder"):
        fit(FAMILY, tmp_path / "m", said=said, backbone=str(tmp_path / "none"))
    assert not said


def test_weights_that_cannot_be_loaded_are_a_mistake_of_the_user(tmp_path):
    import shutil

    shutil.copytree(tiny_backbone(), tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be loaded"):
        fit(FAMILY, tmp_path / "m", backbone=str(tmp_path / "b"))


def test_batches_hold_each_row_once_and_rows_of_like_length():
    from src.training.network import bucketed

    rows = [[0] * (1 + i * 7 % 40) for i in range(400)]
    batches = bucketed(rows, 8, "7 1")
    assert sorted(place for batch in batches for place in batch) == list(range(400))
    padding = sum(
        max(len(rows[p]) for p in batch) - len(rows[q]) for batch in batches for q in batch
    )
    assert padding < 0.05 * sum(map(len, rows))
    assert batches == bucketed(rows, 8, "7 1") != bucketed(rows, 8, "7 2")


def test_a_logged_model_of_transformers_serves_as_a_backbone(tmp_path, monkeypatch):
    import warnings

    import mlflow
    from transformers import AutoModel, AutoTokenizer

    from tests.fakes import tracking

    parts = {
        "model": AutoModel.from_pretrained(tiny_backbone()),
        "tokenizer": AutoTokenizer.from_pretrained(tiny_backbone()),
    }
    with tracking(f"sqlite:///{tmp_path / 'store.db'}"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.chdir(tmp_path)
        with mlflow.start_run():
            logged = mlflow.transformers.log_model(
                parts, name="base", task="feature-extraction", pip_requirements=["transformers"]
            )
        uri = f"models:/{logged.model_id}"
        facts = fit(FAMILY, tmp_path / "logged", mode="frozen", backbone=uri)
        with pytest.raises(UserError, match="cannot be read from the store"):
            fit(FAMILY, tmp_path / "none", backbone="models:/nothing/1")
    assert fit(FAMILY, tmp_path / "folder", mode="frozen") == facts
    assert digests(tmp_path / "logged") == digests(tmp_path / "folder")
