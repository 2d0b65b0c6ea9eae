"""`mlflow models serve --env-manager local`: every form of input, many clients, plain errors."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import pytest

from src.training.family import TASKS, families
from src.training.packaging import packed
from tests.fakes import environment
from tests.models.conftest import model_class
from tests.models.corpus import TEXTS
from tests.models.test_foreign_environments import free_port, stop, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.integration]

SECRET = "my secret diary"
CLIENTS, TURNS = 8, 100
FORMS: dict[str, Any] = {
    "dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS[:3]]},
    "dataframe_records": [{"text": text} for text in TEXTS[:3]],
    "inputs": {"text": TEXTS[:3]},
    "instances": [{"text": text} for text in TEXTS[:3]],
}


@pytest.fixture(scope="module", params=TASKS)
def served(
    request: pytest.FixtureRequest, folder_of: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Any]]:
    """A task's usual family behind MLflow's own scoring server."""
    task = TASKS[request.param]
    family = families(task.name)[task.default_family]
    folder = tmp_path_factory.mktemp("serve")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(folder / "model", **packed(task, folder_of(family)))
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model")),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=folder,
        env=environment(folder, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false"),
        start_new_session=True,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", process)
        model = model_class(family).from_folder(folder_of(family))
        yield f"http://127.0.0.1:{port}/invocations", model
        assert not any(text in (folder / "log").read_text() for text in (SECRET, *TEXTS))
    finally:
        stop(process)


def post(url: str, content: Any) -> tuple[int, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_input_is_answered_alike(served: tuple[str, Any], form: str) -> None:
    url, model = served
    status, said = post(url, {form: FORMS[form]})
    assert status == 200, said
    assert said["predictions"] == model.predict(None, {"text": TEXTS[:3]})


def test_the_form_of_topics_can_be_asked_for(served: tuple[str, Any]) -> None:
    url, model = served
    asked = {"dataframe_records": [{"text": text} for text in TEXTS]}
    status, said = post(url, asked | {"params": {"topics_as": "records"}})
    if "topics" not in model.predict(None, {"text": TEXTS[:1]})[0]:
        assert said["predictions"] == model.predict(None, {"text": TEXTS})
        return
    assert status == 200, said
    assert said["predictions"] == model.predict(None, {"text": TEXTS}, {"topics_as": "records"})
    assert any(answer["topics"] for answer in said["predictions"])
    for answer in said["predictions"]:
        assert answer["topics"] == answer["topic_details"]
    status, said = post(url, asked | {"params": {"topics_as": "poems"}})
    assert status == 400
    assert "records" in said


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_split": {"columns": ["body"], "data": [[SECRET]]}},
        {"dataframe_records": [{"body": SECRET}]},
        {"inputs": {"body": [SECRET]}},
        {"instances": [{"body": SECRET}]},
    ],
    ids=lambda content: next(iter(content)),
)
def test_a_wrong_column_is_a_400_that_names_it_and_quotes_no_row(
    served: tuple[str, Any], content: Any
) -> None:
    status, said = post(served[0], content)
    assert status == 400, said
    assert "body" in said
    assert "'text'" in said
    assert SECRET not in said


def test_many_clients_at_once_get_their_own_answers(served: tuple[str, Any]) -> None:
    url, model = served
    expected = [model.predict(None, {"text": [text]}) for text in TEXTS]
    wrong = list[Any]()

    def client(number: int) -> None:
        for asked in range(TURNS):
            turn = (number + asked * CLIENTS) % len(TEXTS)
            status, said = post(url, {"dataframe_records": [{"text": TEXTS[turn]}]})
            if status != 200 or said["predictions"] != expected[turn]:
                wrong.append((status, turn))

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(client, range(CLIENTS)))  # raises what a client raised
    assert wrong == []
