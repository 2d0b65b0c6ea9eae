"""The graph that ships answers as the network did, for any length, and says nothing more."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from src.data import LABELS
from src.errors import UserError
from src.training.rows import labelled
from tests.fakes import PROJECT
from tests.models.corpus import HELD_OUT
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.slow
if find_spec("torch") is None:
    pytest.skip("needs torch: the extra roberta", allow_module_level=True)
TEXTS, TRUTH = labelled(HELD_OUT)


@pytest.fixture(scope="module", params=["roberta", "bert"])
def made(request):
    """A network that was not trained, its graph, and the rows of the held-out entries."""
    import torch

    from src.training.backbone import Backbone
    from src.training.export import to_onnx
    from src.training.network import Network, encode, load

    folder = tiny_backbone(request.param)
    encoder, tokenizer, _ = load(Backbone(folder, folder))
    torch.manual_seed(1)
    network = Network(encoder, 3).eval()
    network.head.weight.data *= 20
    return network, to_onnx(network, 128), encode(tokenizer, TEXTS, 128)


def test_onnx_equals_torch_at_every_length(made):
    import torch

    from src.training.export import TOLERANCE, answers, check_alike, softmax

    network, onnx, rows = made
    check_alike(network, onnx, rows, np.eye(3), np.zeros(3))
    lengths = [list(range(4, 4 + n)) for n in (2, 3, 64, 127, 128)] + [[5]]
    with torch.inference_mode():
        here = [
            network(torch.tensor([row]), torch.ones(1, len(row), dtype=torch.long)).numpy()
            for row in lengths
        ]
    there = answers(onnx, lengths)
    assert np.abs(softmax(np.concatenate(here)) - softmax(there)).max() < TOLERANCE


def test_padding_in_a_batch_changes_nothing(made):
    from src.training.export import answers
    from src.training.network import outputs

    network, onnx, rows = made
    alone = answers(onnx, rows)
    for places, found in outputs(network, rows, 1, 16):
        np.testing.assert_allclose(found.numpy(), alone[places], atol=1e-4)


def test_another_graph_is_refused(made):
    from src.training.export import check_alike

    network, onnx, rows = made
    bias = network.head.bias.data.clone()
    network.head.bias.data[0] += 1
    with pytest.raises(UserError, match="answers differently once exported"):
        check_alike(network, onnx, rows[:4], np.eye(3), np.zeros(3))
    network.head.bias.data = bias


def test_a_graph_holds_no_path_and_declares_two_inputs_of_any_length(made):
    import onnx as onnx_format

    graph = onnx_format.load_model_from_string(made[1])
    assert not graph.functions
    assert b"site-packages" not in made[1]
    assert b".py" not in made[1]
    assert [found.name for found in graph.graph.input] == ["input_ids", "attention_mask"]
    for found in graph.graph.input:
        shape = found.type.tensor_type.shape.dim
        assert (shape[0].dim_value, shape[1].dim_value) == (1, 0)
        assert found.type.tensor_type.elem_type == onnx_format.TensorProto.INT64


def test_int8_is_smaller_and_the_same_bytes_again(made):
    from src.training.export import to_int8

    small = to_int8(made[1])
    assert small == to_int8(made[1])
    assert len(small) < 0.6 * len(made[1])


def test_half_precision_is_half_the_size_and_answers_alike(made):
    import sys

    import onnx as onnx_format

    from src.training.export import HALF_TOLERANCE, answers, softmax, to_fp16

    _, onnx, rows = made
    path = list(sys.path)
    half = to_fp16(onnx)
    assert half == to_fp16(onnx)
    assert sys.path == path
    weights = [
        sum(
            len(one.raw_data) for one in onnx_format.load_model_from_string(graph).graph.initializer
        )
        for graph in (onnx, half)
    ]
    assert weights[1] < 0.51 * weights[0]
    graph = onnx_format.load_model_from_string(half).graph
    assert [found.name for found in graph.input] == ["input_ids", "attention_mask"]
    assert graph.output[0].type.tensor_type.elem_type == onnx_format.TensorProto.FLOAT
    lengths = [list(range(4, 4 + n)) for n in (1, 2, 64, 128)]
    here, there = (softmax(answers(graph, [*rows, *lengths])) for graph in (onnx, half))
    assert 0 < np.abs(here - there).max() < HALF_TOLERANCE


def test_half_precision_ships_when_it_is_asked_for(made):
    from src.training import export

    _, onnx, rows = made
    eye, zero = np.eye(3), np.zeros(3)
    truth = [LABELS[place] for place in export.answers(onnx, rows).argmax(axis=1)]
    half, facts = export.choose(onnx, "fp16", rows, truth, LABELS, eye, zero)
    assert half == export.to_fp16(onnx)
    assert facts["precision"] == "fp16"
    assert facts["fp16_agreement"] > 0.99
    assert abs(facts["fp16_f1_change"]) < 0.01
    assert export.choose(onnx, "fp16", [], [], LABELS, eye, zero)[1] == {"precision": "fp16"}


@pytest.mark.parametrize("outgrown", [np.inf, 0.05])
def test_what_half_precision_cannot_hold_is_not_shipped(outgrown):
    from src.training.export import check_half

    full = np.zeros((2, 3))
    check_half(full, full + 1e-3)
    with pytest.raises(UserError, match="in half precision") as caught:
        check_half(full, full + np.array([outgrown, 0, 0]))
    assert "quantize=false" in caught.value.hint


def test_the_choice_follows_what_validation_says(made, monkeypatch):
    from src.training import export

    _, onnx, rows = made
    eye, zero = np.eye(3), np.zeros(3)
    truth = [LABELS[place] for place in export.answers(onnx, rows).argmax(axis=1)]

    def chosen(quantize, rows=rows, truth=truth):
        graph, facts = export.choose(onnx, quantize, rows, truth, LABELS, eye, zero)
        assert (graph == onnx) == (facts["precision"] == "fp32")
        return facts

    assert chosen("false") == {"precision": "fp32"}
    assert chosen("auto", rows[:29], truth[:29]) == {"precision": "fp32"}
    assert chosen("true", [], []) == {"precision": "int8"}
    facts = chosen("auto")
    fine = facts["int8_agreement"] >= 0.99 and facts["int8_f1_change"] >= -0.005
    assert facts["precision"] == ("int8" if fine else "fp32")
    monkeypatch.setattr(export, "LEAST_ALIKE", 0.0)
    monkeypatch.setattr(export, "MOST_LOST", 1.0)
    assert chosen("auto")["precision"] == "int8"
    monkeypatch.setattr(export, "LEAST_ALIKE", 1.1)
    assert chosen("auto")["precision"] == "fp32"
    assert chosen("true")["precision"] == "int8"


BOTH_WAYS = """
import sys
from onnx import TensorProto, helper, numpy_helper
import numpy as np
from src.training.export import to_fp16, to_int8

weights = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
shape = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("MatMul", ["x", "w"], ["y"])],
    "product",
    [shape("x", TensorProto.FLOAT, [1, 64])],
    [shape("y", TensorProto.FLOAT, [1, 64])],
    [weights],
)
full = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()
path = list(sys.path)
for convert in {"fp16": (to_fp16, to_int8), "int8": (to_int8, to_fp16)}[sys.argv[1]]:
    assert len(convert(full)) < len(full)
assert sys.path == path
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["fp16", "int8"])
def test_one_process_makes_both_smaller_in_either_order(first: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BOTH_WAYS, first], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
