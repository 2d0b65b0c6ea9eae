"""What may be handed to a model through MLflow: a great many rows, odd texts, wrong frames."""

import hashlib
import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
import pandas as pd
import pytest

from src.evaluation.service import HARD_TEXTS, conforms
from src.training.family import families
from src.training.packaging import packed
from tests.models.conftest import model_class
from tests.models.corpus import TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.integration]

SECRET = "my secret diary"
ODD = [text for text in HARD_TEXTS.values() if isinstance(text, str) and len(text) < 10_000]
IN_ANOTHER_PROCESS = """
import hashlib, json, sys, warnings
warnings.simplefilter("ignore")
import mlflow, pandas
texts = json.load(sys.stdin)
said = mlflow.pyfunc.load_model(sys.argv[1]).predict(pandas.DataFrame({"text": texts}))
print(hashlib.sha256(json.dumps(said).encode()).hexdigest())
"""


@pytest.fixture(scope="module", params=families().values(), ids=families().keys())
def saved(request, folder_of, tmp_path_factory):
    """A family's model as MLflow saves and loads it."""
    family, path = request.param, tmp_path_factory.mktemp("saved") / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(path, **packed(family.task, folder_of(family)))
    return family, path, mlflow.pyfunc.load_model(str(path))


def digest(answers):
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()


def frame(texts):
    return pd.DataFrame({"text": pd.Series(texts, dtype=object)})


def test_hard_texts_are_answered_alike_alone_and_together(saved):
    family, _, model = saved
    texts = list(HARD_TEXTS.values())
    together = model.predict(frame(texts))
    assert all(conforms(family.task.name, answer) for answer in together)
    assert together == [model.predict(frame([text]))[0] for text in texts]
    assert together[::-1] == model.predict(frame(texts[::-1]))


def test_a_hundred_thousand_rows(saved):
    _, _, model = saved
    answers = model.predict(frame([TEXTS[i % 5] for i in range(100_000)]))
    assert len(answers) == 100_000
    assert answers[:5] * 20_000 == answers
    assert answers[0] is not answers[5]  # nothing is shared between answers


def test_no_rows(saved):
    assert saved[2].predict(frame([])) == []


def test_the_same_bytes_in_threads_and_in_another_process(saved):
    _, path, model = saved
    texts = TEXTS[:60] + ODD
    expected = digest(model.predict(frame(texts)))
    with ThreadPoolExecutor(8) as threads:
        said = threads.map(lambda _: digest(model.predict(frame(texts))), range(16))
        assert set(said) == {expected}
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS, str(path)],
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": hash_seed, "PATH": "", "OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"body": [SECRET]}),
        pd.DataFrame([[SECRET, SECRET]], columns=["text", "text"]),
        pd.DataFrame([[SECRET]]),
        [SECRET],
        {"body": [SECRET]},
        np.array([SECRET]),
        [{"body": SECRET}],
    ],
    ids=["another column", "twice", "no names", "list", "mapping", "array", "records"],
)
def test_no_error_of_mlflow_around_it_quotes_a_text(saved, data):
    with pytest.raises(Exception, match="column 'text'") as caught:
        saved[2].predict(data)
    seen, error = [], caught.value
    while error is not None:
        seen.append(f"{error!r}")
        error = error.__cause__ or error.__context__
    assert not any(SECRET in text for text in seen)


def test_an_unknown_parameter_is_no_way_to_see_a_text(saved):
    try:
        saved[2].predict(frame([SECRET]), params={"unknown": SECRET})
    except Exception as error:
        assert SECRET not in repr(error)
    assert model_class(saved[0])
