"""What is on disk: files that stand alone, plain data without pickle, nothing tampered with."""

import ast
import json
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import mlflow
import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from src.pipeline.step import ROOT
from src.training.family import TASKS, families
from src.training.packaging import packed
from tests.models.conftest import model_class
from tests.models.corpus import NOTHING_KNOWN, TEXTS

FAMILIES = pytest.mark.parametrize("family", families().values(), ids=families().keys())
KNOWN = {"settings.json", "weights.npz", "manifest.json", "encoder.onnx", "tokenizer.json"}
INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
MODEL_FILES = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())


@pytest.mark.unit
@MODEL_FILES
def test_a_model_file_imports_only_what_its_requirements_name(task):
    tree = ast.parse((ROOT / task.model_file).read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or "."] if isinstance(node, ast.ImportFrom) else names_of(node))
    }
    module = sys.modules[model_class(families(task.name)[task.default_family]).__module__]
    required = {Requirement(line).name for line in module.REQUIREMENTS}
    optional = getattr(module, "ENCODER_REQUIREMENTS", ())
    named = required | {Requirement(line).name for line in optional}
    assert imported - sys.stdlib_module_names == named
    assert required == {"mlflow", "numpy", "pandas"}
    mlflow_range = next(Requirement(line) for line in module.REQUIREMENTS if "mlflow" in line)
    assert [v for v in ("3.3.0", "3.3.1", "3.99", "4.0") if v in mlflow_range.specifier] == [
        "3.3.1",
        "3.99",
    ]


def names_of(node):
    return [alias.name for alias in node.names]


@pytest.mark.unit
@FAMILIES
def test_a_model_folder_holds_plain_data_only(folder_of, family):
    files = sorted(folder_of(family).rglob("*"))
    assert {path.name for path in files} <= KNOWN
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix == ".onnx":  # a graph of known operators: more would need a library
            onnxruntime = pytest.importorskip("onnxruntime")
            graph = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            assert {given.name for given in graph.get_inputs()} <= INPUTS
        else:
            with np.load(path, allow_pickle=False) as arrays:
                assert all(arrays[name].dtype != object for name in arrays)
                assert all(np.isfinite(arrays[name]).all() for name in arrays)


@pytest.mark.unit
@FAMILIES
def test_a_changed_or_incomplete_folder_is_refused(folder_of, family, tmp_path):
    whole = folder_of(family)
    for path in whole.iterdir():
        content = path.read_bytes()
        for damage in (None, b"", content[:-7], content[:40] + b"x" + content[41:]):
            shutil.rmtree(tmp_path / "m", ignore_errors=True)
            shutil.copytree(whole, tmp_path / "m")
            broken = tmp_path / "m" / path.name
            broken.unlink()
            if damage is not None:
                broken.write_bytes(damage)
            with pytest.raises(ValueError, match="model folder"):
                model_class(family).from_folder(tmp_path / "m")


@pytest.mark.unit
@FAMILIES
def test_a_folder_of_another_schema_is_refused_by_its_number(folder_of, family, tmp_path):
    shutil.copytree(folder_of(family), tmp_path / "m")
    path = tmp_path / "m" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(ValueError, match="schema 99, not 1"):
        model_class(family).from_folder(tmp_path / "m")


@pytest.mark.unit
@FAMILIES
def test_threads_share_a_model_without_harm(model_of, family):
    model = model_of(family)
    batches = [pd.DataFrame({"text": TEXTS[i::7]}) for i in range(7)] * 6
    expected = [model.predict(None, batch) for batch in batches]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda batch: model.predict(None, batch), batches)) == expected


FOREIGN = """
import json, sys
sys.modules.update(sklearn=None, scipy=None, torch=None)  # importing them fails
import src, models, steps
assert src.WHOSE == models.WHOSE == steps.WHOSE == "the service's"
import mlflow, pandas
answers = {}
texts = pandas.DataFrame({"text": json.load(sys.stdin)})
for folder in sys.argv[1:]:
    answers[folder] = mlflow.pyfunc.load_model(folder).predict(texts)
assert src.WHOSE == "the service's"
json.dump(answers, sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.integration
def test_a_service_with_its_own_src_loads_and_answers_alike(folder_of, tmp_path):
    texts = TEXTS[:20] + [value for value in NOTHING_KNOWN.values() if isinstance(value, str)]
    expected = {}
    for key, family in families().items():
        try:
            folder_of(family)
        except pytest.skip.Exception:  # what it needs is not installed
            continue
        saved = tmp_path / key.replace("/", "-")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it asks for an input example
            mlflow.pyfunc.save_model(saved, **packed(family.task, folder_of(family)))
        model = model_class(family).from_folder(folder_of(family))
        expected[str(saved)] = model.predict(None, pd.DataFrame({"text": texts}))
    service = tmp_path / "service"
    for package in ("src", "models", "steps"):
        (service / package).mkdir(parents=True)
        (service / package / "__init__.py").write_text('WHOSE = "the service\'s"\n')
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, *expected],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=service,
        env={"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
    assert "type hint" not in done.stderr.replace("Any type hint is inferred", "")
