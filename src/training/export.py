"""Turns a fitted network into ONNX, in full or half precision or int8, and proves its answers."""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src.errors import UserError
from src.training.network import Network, Rows, padded

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

OPSET = 18
TOLERANCE = 1e-4  # on probabilities, between torch and ONNX in full precision
HALF_TOLERANCE = 5e-3  # on probabilities, between ONNX in full and in half precision
MOST_LOST, LEAST_ALIKE = 0.005, 0.99  # macro-F1 and share of answers, between fp32 and int8
LEAST_PROBES, MOST_PROBES = 30, 1000


def to_onnx(network: Network, max_tokens: int) -> bytes:
    """Export a network for one text of any length up to `max_tokens`.

    The graph reads `input_ids` and `attention_mask`, int64 `(1, T)`, and gives what the network
    does. The same weights give the same bytes: the exporter's notes, which hold paths, are taken
    out.
    """
    network.cpu().eval()
    length = {1: torch.export.Dim("tokens", min=2, max=max_tokens)}
    example = torch.arange(8).reshape(1, 8) % 5 + 2
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example, torch.ones_like(example)),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["pooled"],
            dynamic_shapes=(length, length),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None  # noqa: S101 - the older exporter gives nothing
    model = program.model_proto
    graph = model.graph
    for noted in (*graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    graph.ClearField("metadata_props")
    return bytes(model.SerializeToString(deterministic=True))


def to_int8(onnx: bytes) -> bytes:
    """Quantise the weights of a graph to 7 of 8 bits, by channel.

    The eighth bit overflows on processors that multiply int8 into int16 (before AVX-512 VNNI),
    which would let answers depend on the machine.
    """
    import onnx as onnx_format

    quantization, _ = converters()
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantization.quantize_dynamic(
            onnx_format.load_model_from_string(onnx),
            path,
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return path.read_bytes()


def to_fp16(onnx: bytes) -> bytes:
    """Keep and compute a graph in half precision; it reads and gives what it did.

    onnxruntime's own converter. Where a processor has no such arithmetic, onnxruntime widens the
    weights once it loads them and computes in full precision.
    """
    import onnx as onnx_format

    _, float16 = converters()
    with quiet():
        half = float16.convert_float_to_float16(
            onnx_format.load_model_from_string(onnx), keep_io_types=True
        )
    return bytes(half.SerializeToString(deterministic=True))


def converters() -> tuple[Any, Any]:
    """Import onnxruntime's `quantization` and `float16`, and leave the search path as it was.

    Its `transformers` puts its own folder there, in which both find modules: either must come
    before the path is put back.
    """
    path = list(sys.path)
    from onnxruntime import quantization
    from onnxruntime.transformers import float16

    sys.path[:] = path
    return quantization, float16


def answers(onnx: bytes, rows: Rows) -> Floats:
    """Run a graph on each row by itself, on one thread: `(n, d)`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    found = []
    for row in rows:
        ids = np.array([row], np.int64)
        found.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0])
    return np.concatenate(found).astype(np.float64)


def check_alike(
    network: Network, onnx: bytes, rows: Rows, weights: Floats, intercept: Floats
) -> None:
    """Make sure that a graph in full precision answers as the network does.

    Parameters
    ----------
    weights, intercept
        Shapes `(d, n_classes)` and `(n_classes,)`: what leads from outputs to logits.

    Raises
    ------
    UserError
        A probability differs by more than 1e-4.
    """
    there = softmax(answers(onnx, rows) @ weights + intercept)
    with torch.inference_mode():
        found = [network(*padded([row], 0, torch.device("cpu"))).double().numpy() for row in rows]
    here = softmax(np.concatenate(found) @ weights + intercept)
    worst = float(np.abs(there - here).max())
    if worst > TOLERANCE:
        raise UserError(
            f"the backbone answers differently once exported, by {worst:.1e} in a probability.",
            "Name another one: -P backbone=…",
        )


def choose(
    onnx: bytes,
    quantize: str,
    rows: Rows,
    labels: Sequence[str],
    classes: Sequence[str],
    weights: Floats,
    intercept: Floats,
) -> tuple[bytes, dict[str, float | int | str]]:
    """Choose between a graph and a smaller form of it, by what validation texts say.

    Parameters
    ----------
    quantize
        `true` for int8, `fp16` for half precision, `false`, or `auto`: int8 where macro-F1 loses
        at most half a point and 99 % of the answers stay. With fewer than 30 labelled texts `auto`
        stays with full precision.
    rows, labels
        Token ids and labels of validation texts; the first 1000 are asked.
    classes, weights, intercept
        What leads from the graph's outputs to an answer.

    Returns
    -------
    The graph to ship, and what to log: `precision`, and where both were asked the share of equal
    answers and what macro-F1 gains, as `int8_agreement` and `int8_f1_change`, or `fp16_…`.

    Raises
    ------
    UserError
        In half precision a probability differs by more than 0.005, or is none.
    """
    from sklearn.metrics import f1_score

    rows, labels = rows[:MOST_PROBES], labels[:MOST_PROBES]
    if quantize == "false" or (quantize == "auto" and len(rows) < LEAST_PROBES):
        return onnx, {"precision": "fp32"}
    name = "fp16" if quantize == "fp16" else "int8"
    small = to_fp16(onnx) if name == "fp16" else to_int8(onnx)
    if not rows:
        return small, {"precision": name}
    logits = [answers(graph, rows) @ weights + intercept for graph in (onnx, small)]
    if name == "fp16":
        check_half(*logits)
    before, after = (found.argmax(axis=1) for found in logits)
    truth, places = [classes.index(label) for label in labels], list(range(len(classes)))
    change = float(
        f1_score(truth, after, labels=places, average="macro", zero_division=0)
        - f1_score(truth, before, labels=places, average="macro", zero_division=0)
    )
    alike = float((before == after).mean())
    facts = {f"{name}_agreement": alike, f"{name}_f1_change": change}
    if quantize != "auto" or (alike >= LEAST_ALIKE and change >= -MOST_LOST):
        return small, {"precision": name, **facts}
    return onnx, {"precision": "fp32", **facts}


def check_half(full: Floats, half: Floats) -> None:
    """Make sure that logits `(n, k)` stayed what they were: what half precision cannot hold shows.

    Raises
    ------
    UserError
        A probability differs by more than 0.005, or is none.
    """
    finite = np.isfinite(half).all()  # it is not where something overflowed
    worst = float(np.abs(softmax(full) - softmax(half)).max()) if finite else 1.0
    if worst > HALF_TOLERANCE:
        raise UserError(
            f"in half precision the backbone answers differently, by {worst:.1e} in a probability.",
            "Ship full precision: -P quantize=false",
        )


def softmax(logits: Floats) -> Floats:
    """Turn logits `(n, k)` into probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@contextmanager
def quiet() -> Iterator[None]:
    """Leave the exporter's advice to those who write exporters."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(before)
