"""A student answers as its teacher does, from whatever texts it was shown."""

import os
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from src.data import LABELS
from src.errors import UserError
from src.models.sentiment_analyzer import MODEL, normalise, tokens
from src.training.family import families
from src.training.known_terms import Authors
from tests.models.corpus import ENTRIES, TEXTS
from tests.training.test_fitting import digests, fit

FAMILY = families("sentiment")["distilled"]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch: extra roberta")


def probabilities(model, texts):
    rows = model.predict(None, pd.DataFrame({"text": texts}))
    return np.array([[row["all_scores"][label] for label in LABELS] for row in rows])


@needs_torch
@pytest.mark.slow
def test_it_learns_what_its_teacher_says_not_what_labels_say(tmp_path):
    from tests.tiny import teacher

    nameless = ENTRIES.set_column(2, "label", pa.nulls(ENTRIES.num_rows, pa.string()))
    facts = fit(FAMILY, tmp_path / "m", nameless, epochs=30)
    assert facts["n_learned"] == ENTRIES.num_rows
    student, master = MODEL.from_folder(tmp_path / "m"), MODEL.from_folder(teacher())
    said, meant = probabilities(student, TEXTS), probabilities(master, TEXTS)
    assert (said.argmax(axis=1) == meant.argmax(axis=1)).mean() > 0.9
    fit(FAMILY, tmp_path / "labelled", epochs=30)
    assert digests(tmp_path / "labelled") == digests(tmp_path / "m")


def by_letters(words):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return np.array([[word.count(letter) for letter in letters] for word in words], float)


@needs_torch
@pytest.mark.slow
@pytest.mark.parametrize("known", [False, True])
def test_the_shipped_tables_answer_as_the_network_does(known):
    import torch

    from src.models.sentiment_analyzer import Convolution
    from src.training.word_network import Meanings, Plan, filled, fit_words, tables

    targets = np.random.default_rng(0).dirichlet([1, 1, 1], len(TEXTS))
    meanings = Meanings(["zzzzqq", "garden", "and"], by_letters) if known else None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plan = Plan(16, 24, 2, 1e-2, 7)
        ones = [1.0] * len(TEXTS)
        anyone = Authors(np.arange(len(TEXTS)), least=1)
        terms, network = fit_words(TEXTS, targets, ones, anyone, plan, lambda line: None, meanings)
    assert ("zzzzqq" in terms.words) == known
    arrays = tables(terms, network)
    parts = (arrays[name] for name in ("table", "bias", "weights"))
    shipped = Convolution([*terms.words, *terms.pieces], len(terms.words), *parts)
    for text in (*TEXTS[:20], "tomatoes gardening", "tomato", "and and and zzzzqq and then"):
        single = tokens(normalise(text))
        rows = torch.tensor([terms.nothing, *map(terms.row, single)])
        pieces = torch.tensor([[terms.nothing] * 24, *map(terms.parts, single)])
        with torch.inference_mode():
            wanted = network(filled([range(1, len(single) + 1)]), rows, pieces)[0].numpy()
        found = shipped.logits(single) + arrays["intercept"]
        assert np.abs(found - wanted).max() < 5e-3  # half precision


@needs_torch
@pytest.mark.slow
def test_a_word_that_no_text_has_is_read_by_what_it_means():
    import torch

    from src.models.sentiment_analyzer import Convolution
    from src.training.word_network import Meanings, Plan, fit_words, tables

    good, bad = (f"{mood} day" for mood in ("wonderful", "terrible"))
    texts = [good, bad, "a day"] * 60
    targets = np.array([[0.05, 0.05, 0.9], [0.9, 0.05, 0.05], [0.05, 0.9, 0.05]] * 60)
    alike = {"wonderful": 1.0, "splendid": 1.0, "terrible": -1.0, "vile": -1.0}

    def of(words):
        return np.array([[alike.get(word, 0.0)] for word in words])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        plan, meanings = Plan(8, 8, 20, 1e-2, 7), Meanings(["splendid", "vile"], of)
        ones = [1.0] * len(texts)
        anyone = Authors(np.arange(len(texts)), least=1)
        terms, network = fit_words(texts, targets, ones, anyone, plan, lambda line: None, meanings)
    arrays = tables(terms, network)
    parts = (arrays[name] for name in ("table", "bias", "weights"))
    shipped = Convolution([*terms.words, *terms.pieces], len(terms.words), *parts)
    said = [shipped.logits([word, "day"]) + arrays["intercept"] for word in ("splendid", "vile")]
    assert [one.argmax() for one in said] == [2, 0]


@needs_torch
@pytest.mark.slow
def test_a_student_of_an_encoder_reads_its_vectors_of_words(tmp_path):
    from tests.tiny import QUICK, tiny_backbone

    quick = {**QUICK, "epochs": 1, "backbone": str(tiny_backbone())}
    fit(families("sentiment")["roberta"], tmp_path / "teacher", **quick)
    encoder = MODEL.from_folder(tmp_path / "teacher").encoder()
    assert encoder.vector("rain").shape == (32,)  # not the answers of its head
    for name in ("one", "two"):
        facts = fit(FAMILY, tmp_path / name, epochs=2, teacher=str(tmp_path / "teacher"))
    assert facts["n_words"] > len({word for text in TEXTS for word in tokens(normalise(text))})
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@needs_torch
@pytest.mark.slow
def test_a_logged_encoder_teaches_its_probabilities_over_entries_without_a_label(
    tmp_path, monkeypatch
):
    import mlflow

    from src.training.family import TASKS
    from src.training.packaging import log_model
    from tests.fakes import tracking
    from tests.tiny import QUICK, tiny_backbone

    given = {**QUICK, "backbone": str(tiny_backbone())}
    fit(families("sentiment")["roberta"], tmp_path / "teacher", **given)
    nameless = ENTRIES.set_column(2, "label", pa.nulls(ENTRIES.num_rows, pa.string()))
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts
    with tracking(f"sqlite:///{tmp_path / 'store.db'}"), mlflow.start_run():
        uri = log_model(TASKS["sentiment"], tmp_path / "teacher", {})
        FAMILY.check(FAMILY.params(teacher=uri))
        facts = fit(FAMILY, tmp_path / "m", nameless, epochs=12, teacher=uri)
    assert facts["n_learned"] == ENTRIES.num_rows
    student, master = (MODEL.from_folder(tmp_path / name) for name in ("m", "teacher"))
    said, meant = probabilities(student, TEXTS), probabilities(master, TEXTS)
    assert (said.argmax(axis=1) == meant.argmax(axis=1)).mean() > 0.9


@needs_torch
@pytest.mark.slow
def test_a_long_entry_is_read_to_its_end(tmp_path):
    fit(FAMILY, tmp_path / "m", epochs=30)
    model = MODEL.from_folder(tmp_path / "m")
    start = "the garden and the hedge " * 300
    good, bad = probabilities(
        model, [start + mood * 300 for mood in ("wonderful grateful ", "terrible lonely ")]
    )
    assert good[LABELS.index("positive")] > bad[LABELS.index("positive")] + 0.1


@pytest.mark.unit
@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("", "needs a teacher"),
        ("models:/journal_sentiment_analyzer@champion", "names no fixed version"),
        ("models:/journal_sentiment_analyzer/Production", "names no fixed version"),
        ("no/such/folder", "there is no model in the folder"),
        ("tests", "there is no model in the folder"),
    ],
)
def test_a_teacher_that_is_not_there_is_said_before_anything_else(teacher, said):
    with pytest.raises(UserError, match=said) as caught:
        FAMILY.check(FAMILY.params(teacher=teacher))
    assert "teacher=models:/journal_sentiment_analyzer/1" in caught.value.hint


@pytest.mark.unit
def test_a_fixed_version_is_a_teacher_before_the_store_is_asked():
    for name in ("models:/journal_sentiment_analyzer/3", "models:/m-0123abc"):
        FAMILY.check(FAMILY.params(teacher=name))
        assert FAMILY.outside(FAMILY.params(teacher=name)) == {"teacher": name}


@pytest.mark.integration
def test_what_is_no_model_of_this_project_teaches_nothing(tmp_path):
    from src.training.train_sentiment_analysis_distilled import read_teacher
    from tests.fakes import tracking

    (tmp_path / "manifest.json").write_text("{}")
    FAMILY.check(FAMILY.params(teacher=str(tmp_path)))
    with pytest.raises(UserError, match="is no sentiment model of this project"):
        read_teacher(str(tmp_path))
    with (
        tracking(f"sqlite:///{tmp_path / 'store.db'}"),
        pytest.raises(UserError, match="cannot be read from the store"),
    ):
        read_teacher("models:/journal_sentiment_analyzer/1")


@needs_torch
@pytest.mark.slow
def test_a_teacher_of_other_content_is_another_training(tmp_path):
    from tests.tiny import teacher

    digest = FAMILY.outside(FAMILY.params(teacher=str(teacher())))
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in teacher().iterdir():
        os.link(file, copy / file.name)
    assert FAMILY.outside(FAMILY.params(teacher=str(copy))) == digest
    (copy / "manifest.json").unlink()
    (copy / "manifest.json").write_text("{}")
    assert FAMILY.outside(FAMILY.params(teacher=str(copy))) != digest
