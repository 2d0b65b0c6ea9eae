"""What every family's fit promises: the same bytes again, and mistakes that people can mend."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from src.errors import UserError
from src.pipeline.step import ROOT
from src.training.family import families
from tests.models.corpus import ENTRIES, HELD_OUT, made_up
from tests.tiny import usual

FAMILIES = pytest.mark.parametrize("family", families().values(), ids=families().keys())
SENTIMENT = pytest.mark.parametrize(
    "family", families("sentiment").values(), ids=families("sentiment").keys()
)
LABELLED = pytest.mark.parametrize(  # a student learns from its teacher instead
    "family",
    [found for name, found in families("sentiment").items() if name != "distilled"],
    ids=lambda found: found.name,
)
WORDS = pytest.mark.parametrize("family", [families("topics")[name] for name in ("nmf", "lda")])
TOPICS = pytest.mark.parametrize(
    "family", families("topics").values(), ids=families("topics").keys()
)


def fit(family, folder, train=ENTRIES, valid=HELD_OUT, said=None, **params):
    params = {**usual(family), **params}
    folder.mkdir()
    say = (lambda line: None) if said is None else said.append
    return family.fit(train, valid, family.params(**params), folder, 7, say)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


@pytest.mark.unit
@FAMILIES
def test_the_order_of_rows_does_not_matter(family, tmp_path):
    fit(family, tmp_path / "a")
    order = np.random.default_rng(0).permutation(ENTRIES.num_rows)
    fit(family, tmp_path / "b", ENTRIES.take(order), HELD_OUT.take([*range(199, -1, -1)]))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


@pytest.mark.slow
def test_another_process_with_another_hash_seed_and_more_threads_writes_the_same_bytes(tmp_path):
    found = {key: family for key, family in families().items() if not family.extra}
    expected = {}
    for key, family in found.items():
        fit(family, tmp_path / key.replace("/", "-"))
        expected[key] = digests(tmp_path / key.replace("/", "-"))
    code = (
        "import json, pathlib, sys, warnings; warnings.simplefilter('ignore')\n"
        "from tests.training.test_fitting import digests, fit\n"
        "from src.training.family import families\n"
        "written = {}\n"
        "for key in sys.argv[2:]:\n"
        "    folder = pathlib.Path(sys.argv[1], key.replace('/', '+'))\n"
        "    fit(families()[key], folder)\n"
        "    written[key] = digests(folder)\n"
        "json.dump(written, sys.stdout)"
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "4")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *found],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "4321", **threads},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.unit
@FAMILIES
def test_what_a_fit_says_and_logs_holds_no_text_of_entries(family, tmp_path):
    said = []
    logged = fit(family, tmp_path / "m", said=said)
    assert said
    assert all(type(value) in (str, int, float) for value in logged.values())
    assert all(len(str(value)) < 100 for value in logged.values())
    spoken = " ".join([*said, *map(str, logged.values())]).lower()
    assert not [text for text in ENTRIES["text"].to_pylist() if text.lower() in spoken]


@pytest.mark.unit
@LABELLED
def test_a_missing_class_is_named_with_the_counts(family, tmp_path):
    labels = pa.array(["positive"] * 20 + ["negative"] * 10 + ["neutral"] * 4 + [None] * 566)
    train = ENTRIES.set_column(ENTRIES.schema.get_field_index("label"), "label", labels)
    with pytest.raises(UserError) as caught:
        fit(family, tmp_path / "m", train)
    assert "at least 5 labelled entries of each class" in caught.value.message
    assert "10 negative, 4 neutral, 20 positive" in caught.value.message


@pytest.mark.unit
@LABELLED
def test_entries_without_labels_do_not_count(family, tmp_path):
    fit(family, tmp_path / "with")
    labelled = ENTRIES.filter(ENTRIES["label"].is_valid())
    assert labelled.num_rows < ENTRIES.num_rows
    fit(family, tmp_path / "without", labelled)
    assert digests(tmp_path / "with") == digests(tmp_path / "without")


@pytest.mark.unit
@pytest.mark.parametrize("family", [families("sentiment")[name] for name in ("linear", "example")])
def test_texts_that_share_no_term_are_a_mistake_of_the_user(family, tmp_path):
    texts = pa.array([chr(0x4E00 + i) for i in range(ENTRIES.num_rows)])
    train = ENTRIES.set_column(ENTRIES.schema.get_field_index("text"), "text", texts)
    with pytest.raises(UserError, match="no term of the 570 training entries was used by 5"):
        fit(family, tmp_path / "m", train)


@pytest.mark.unit
@SENTIMENT
def test_without_held_out_labels_the_confidence_is_left_as_it_is(family, tmp_path):
    assert fit(family, tmp_path / "m", valid=HELD_OUT.slice(0, 0))["temperature"] == 1


@pytest.mark.unit
def test_weight_of_rare_classes_moves_answers_to_them(tmp_path):
    from src.models.sentiment_analyzer import SentimentAnalyzer

    linear = families("sentiment")["linear"]
    labels = ENTRIES["label"].to_pylist()
    rare = ["negative" if label == "neutral" and i % 8 else label for i, label in enumerate(labels)]
    train = ENTRIES.set_column(2, "label", pa.array(rare))
    said = {}
    for balance in (0.0, 1.0):
        folder = tmp_path / str(balance)
        fit(linear, folder, train, HELD_OUT.slice(0, 0), balance=balance, c=0.01)
        answers = SentimentAnalyzer.from_folder(folder).predict(
            None, {"text": HELD_OUT["text"].to_pylist()}
        )
        said[balance] = sum(answer["all_scores"]["neutral"] for answer in answers)
    assert said[1.0] > 2 * said[0.0]


@pytest.mark.unit
@WORDS
def test_too_few_words_for_the_topics_asked_for(family, tmp_path):
    with pytest.raises(UserError, match="20 topics need 100 words") as caught:
        fit(family, tmp_path / "m", made_up(40))
    assert "40 entries have only" in caught.value.message
    assert "-P " in caught.value.hint


@pytest.mark.unit
@pytest.mark.parametrize("n", [0, 1, 19])
def test_too_few_entries_for_topics_by_meaning(tmp_path, n):
    with pytest.raises(UserError, match=f"2 topics need 20 training entries or more; {n} are"):
        fit(families("topics")["semantic"], tmp_path / "m", made_up(n))


@pytest.mark.unit
@TOPICS
def test_the_hint_for_fewer_topics_holds(family, tmp_path):
    with pytest.raises(UserError) as caught:
        fit(family, tmp_path / "m", made_up(90), n_topics=60)
    fewer = int(caught.value.hint.rpartition("=")[2])
    assert 2 <= fewer < 60
    found = fit(family, tmp_path / "n", made_up(90), n_topics=fewer)
    assert found["n_topics"] + found.get("n_generic", 0) == fewer
