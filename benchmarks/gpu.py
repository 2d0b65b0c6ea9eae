"""How fast encoders are fine-tuned and asked, beside the Trainer, and how fast they could be.

`make bench-gpu` takes some minutes on one GPU and writes `benchmarks/gpu.md` and the learning
curves `benchmarks/gpu-curves.svg`. Every row is a process of its own, so that none finds another's
memory taken. Without a GPU the same runs on the processor with a smaller encoder and fewer entries:
those figures compare with each other and say nothing of a GPU. The Trainer is Hugging Face's.

The entries to train on for speed are made up: token ids by chance, in numbers that are log-normal
with a median of 45, from 6 to 512. Learning curves are of MiniLM on the built-in corpus or, with
`DATA=<folder>`, on public tweets and comments (see `benchmarks/texts.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import gpu_report, texts
from src.data import LABELS
from src.training.checkpoint import Checkpoint
from src.training.finetuning import WARM_UP, WEIGHT_DECAY, finetune, macro_f1
from src.training.memory import Examples, Plan
from src.training.network import Network, device_of, encode, load, outputs, padded
from src.training.tokens import gathered

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("accelerate==1.15.0", "sentence-transformers==6.2.0")
MEDIAN, SPREAD, SHORTEST, LONGEST = 45, 0.8, 6, 512  # tokens of an entry; spread of their logarithm
VOCABULARY = 50_265  # RoBERTa's
EPOCHS = 3  # the first warms up and is not counted
RATE = 2e-5
ENCODE_AT_ONCE = 128  # texts; sentence-transformers' rows use the same
TIMED = 5  # repeats of which the median counts
GIVE_UP_SECONDS = 300.0


@dataclass(frozen=True)
class Size:
    """How large the work is: for a GPU, or smaller, for a processor.

    Attributes
    ----------
    encoder
        Sizes of a RoBERTa: RoBERTa-base's on a GPU.
    entries
        To train on, by size of a batch: the Trainer and ours, which are to take as long.
    curve, curve_epochs, seeds
        Entries of a learning curve, its epochs, and how often it is drawn.
    read
        Texts to encode.
    matrix, copied
        Rows of a square matrix, and bytes, by which the device's ceilings are measured.
    """

    encoder: dict[str, int]
    entries: dict[int, tuple[int, int]]
    curve: int
    curve_epochs: int
    seeds: int
    read: int
    matrix: int
    copied: int


SIZES = {
    "cuda": Size(
        {
            "hidden_size": 768,
            "num_attention_heads": 12,
            "num_hidden_layers": 12,
            "intermediate_size": 3072,
        },
        {8: (1_000, 8_000), 32: (4_000, 30_000), 128: (10_000, 60_000)},
        *(15_000, 3, 3, 40_000, 8_192, 1 << 30),
    ),
    "cpu": Size(
        {
            "hidden_size": 128,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "intermediate_size": 512,
        },
        dict.fromkeys((8, 32, 128), (512, 512)),
        *(1_500, 4, 2, 400, 1_024, 1 << 26),
    ),
    "tiny": Size(
        {
            "hidden_size": 32,
            "num_attention_heads": 1,
            "num_hidden_layers": 1,
            "intermediate_size": 64,
        },
        dict.fromkeys((8, 32, 128), (40, 40)),
        *(60, 2, 1, 8, 64, 1 << 16),
    ),
}
CURVE_BATCH, CURVE_RATE = 32, 1e-4
QUICK_BATCH, QUICK_RATE = 128, 2e-4  # of the row that is to reach the Trainer's metric sooner


class EpochEnds(Checkpoint):
    """Keeps nothing but when each epoch ended: its first argument is where nothing is."""

    def __init__(self) -> None:
        self.path, self.ends = Path(os.devnull), list[float]()

    def load(self) -> None:
        """Give nothing: no training goes on."""

    def save(self, state: dict[str, Any]) -> None:
        """Note the time; what an epoch kept has left the device by now."""
        if not state["course"]["batch"]:
            self.ends.append(time.perf_counter())


def made_up(n: int, seed: int) -> Examples:
    """Make entries up, and their labels by chance."""
    draw = np.random.default_rng(seed)
    lengths = np.exp(draw.normal(np.log(MEDIAN), SPREAD, n)).astype(int)
    lengths = lengths.clip(SHORTEST, LONGEST)
    rows = gathered(draw.integers(4, VOCABULARY, length).tolist() for length in lengths)
    return Examples(rows, draw.integers(0, len(LABELS), n).tolist(), [1.0] * n)


def base_sized(size: Size) -> Network:
    """Make a RoBERTa of random weights, with a head."""
    from transformers import AutoModel, RobertaConfig

    config = RobertaConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=LONGEST + 2,
        type_vocab_size=1,
        pad_token_id=1,
        **size.encoder,
    )
    torch.manual_seed(0)
    backbone = AutoModel.from_config(config)
    backbone.pooler = None
    return Network(backbone, len(LABELS))


def small(device: torch.device) -> tuple[Network, Any, int]:
    """Load MiniLM with a head; its tokenizer and the id of padding."""
    from src.training.backbone import opened
    from src.training.minilm import MAX_TOKENS

    with opened("minilm", False, MAX_TOKENS) as found:
        backbone, tokenizer, pad = load(found)
    return Network(backbone, len(LABELS)).to(device), tokenizer, pad


def planned(batch: int, seed: int, pad: int, epochs: int = EPOCHS, rate: float = RATE) -> Plan:
    """Plan a training that does not stop early."""
    return Plan(epochs, rate, batch, epochs, seed, [1.0] * len(LABELS), pad)


def ours(network: Network, train: Examples, valid: Examples, plan: Plan) -> dict[str, Any]:
    """Fine-tune as the project does: seconds at each epoch's end, loss and macro-F1."""
    torch.manual_seed(plan.seed)
    ends, began = EpochEnds(), time.perf_counter()
    facts = finetune(network, train, valid, plan, ends, lambda line: None)
    return {
        "ends": [end - began for end in ends.ends],
        "losses": [float(loss) for loss in str(facts["loss_by_epoch"]).split()],
        "f1s": [float(f1) for f1 in str(facts["f1_by_epoch"]).split()],
        "packed": facts["packed"],
        "micro_batch": facts["micro_batch"],
    }


class ForTrainer(nn.Module):
    """A network that also gives its loss, as the Trainer wants it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Answer a padded batch, and give its mean cross-entropy."""
        logits = self.network(input_ids, attention_mask)
        return {"loss": functional.cross_entropy(logits.float(), labels), "logits": logits}


def trainer(network: Network, train: Examples, valid: Examples, plan: Plan) -> dict[str, Any]:
    """Fine-tune with Hugging Face's Trainer: the same network, schedule, decay, clip and seed.

    Its batches are drawn as it draws them, and padded to their longest.
    """
    from transformers import Trainer, TrainerCallback, TrainingArguments
    from transformers.trainer_callback import PrinterCallback
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    device = next(network.parameters()).device
    gpu = device.type == "cuda"
    ends, f1s, losses = list[float](), list[float](), list[float]()

    def collate(places: Sequence[int]) -> dict[str, torch.Tensor]:
        ids, mask = padded([train.rows[place] for place in places], plan.pad, torch.device("cpu"))
        labels = torch.tensor([train.labels[place] for place in places])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    class Ends(TrainerCallback):  # type: ignore[misc, no-untyped-call, unused-ignore]
        def on_epoch_end(self, *args: Any, **more: Any) -> None:
            if gpu:
                torch.cuda.synchronize()
            ends.append(time.perf_counter())
            if valid.rows:
                f1s.append(macro_f1(network, valid, plan))
                network.train()

        def on_log(self, *args: Any, logs: dict[str, float] | None = None, **more: Any) -> None:
            if logs and "loss" in logs:
                losses.append(logs["loss"])

    torch.manual_seed(plan.seed)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=plan.batch_size,
            num_train_epochs=plan.epochs,
            learning_rate=plan.learning_rate,
            weight_decay=WEIGHT_DECAY,
            warmup_steps=WARM_UP,
            lr_scheduler_type="linear",
            optim="adamw_torch_fused" if gpu else "adamw_torch",
            bf16=gpu,
            use_cpu=not gpu,
            seed=plan.seed,
            logging_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        began = time.perf_counter()
        job = Trainer(
            model=ForTrainer(network),
            args=arguments,
            train_dataset=range(len(train.rows)),  # type: ignore[arg-type]
            data_collator=collate,  # type: ignore[arg-type]
            callbacks=[Ends()],
        )
        job.remove_callback(PrinterCallback)
        job.train()
    return {"ends": [end - began for end in ends], "losses": losses, "f1s": f1s}


FITS: dict[str, Callable[..., dict[str, Any]]] = {"ours": ours, "Trainer": trainer}


def speed(who: str, batch: int, device: torch.device, size: Size) -> dict[str, Any]:
    """Time the fine-tuning of a base-sized encoder, its first epoch apart."""
    train = made_up(size.entries[batch][who == "ours"], 1)
    network = base_sized(size).to(device)
    nothing = Examples([], [], [])
    found = FITS[who](network, train, nothing, planned(batch, 7, 1))
    seconds = (found["ends"][-1] - found["ends"][0]) / (EPOCHS - 1)
    tokens = sum(map(len, train.rows))
    inside = [w for name, w in network.named_parameters() if "embeddings" not in name]
    return {
        "entries": len(train.rows),
        "seconds": seconds,
        "tokens": tokens,
        "weights": sum(w.numel() for w in network.parameters()),
        "flop": 6 * sum(w.numel() for w in inside) * tokens,
        "steps": -(-len(train.rows) // batch),
        "memory": torch.cuda.max_memory_allocated() if device.type == "cuda" else 0,
        **{name: found[name] for name in ("packed", "micro_batch") if name in found},
    }


def curve(who: str, seed: int, device: torch.device, size: Size, quick: bool) -> dict[str, Any]:
    """Draw a learning curve of MiniLM on real texts."""
    torch.manual_seed(seed)
    network, tokenizer, pad = small(device)
    train, valid = (real(tokenizer, table) for table in labelled_entries(size.curve))
    batch, rate = (QUICK_BATCH, QUICK_RATE) if quick else (CURVE_BATCH, CURVE_RATE)
    found = FITS[who](network, train, valid, planned(batch, seed, pad, size.curve_epochs, rate))
    return found | {"entries": len(train.rows), "held_out": len(valid.rows)}


def labelled_entries(n: int) -> tuple[Any, Any]:
    """Gather labelled entries to train on, and to validate on."""
    import pyarrow as pa

    public = os.environ.get("DATA", "")
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder:
        parts = texts.built_in(Path(folder))
    if public:
        parts = texts.public(public, pa.concat_tables(parts), texts.held_out(public))
    found = []
    for table, most in zip(parts, (n, n // 4), strict=True):
        known = table.filter(table["label"].is_valid())
        some = np.random.default_rng(5).permutation(known.num_rows)[:most]
        found.append(known.take(some))
    return found[0], found[1]


def real(tokenizer: Any, table: Any) -> Examples:
    """Cut entries into tokens, as the project does."""
    from src.models.sentiment_analyzer import readable
    from src.training.minilm import MAX_TOKENS

    rows = encode(tokenizer, [readable(text) for text in table["text"].to_pylist()], MAX_TOKENS)
    labels = [LABELS.index(label) for label in table["label"].to_pylist()]
    return Examples(rows, labels, [1.0] * len(labels))


def reading(who: str, device: torch.device, size: Size) -> dict[str, Any]:
    """Time how texts are encoded by MiniLM, cutting into tokens included."""
    from src.training import minilm

    some = labelled_entries(size.read)[0]["text"].to_pylist()
    if who == "ours":
        network, tokenizer, pad = small(device)
        network.head = nn.Identity()

        def read() -> Any:
            rows = encode(tokenizer, some, minilm.MAX_TOKENS)
            found = [np.empty(0)] * len(rows)
            for places, pooled in outputs(network, rows, pad, ENCODE_AT_ONCE):
                for place, vector in zip(places, pooled.numpy(), strict=True):
                    found[place] = vector
            return np.stack(found)
    else:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.models import Pooling, Transformer

        with tempfile.TemporaryDirectory() as folder:
            minilm.unpack_weights(Path(folder))
            words = Transformer(folder, max_seq_length=minilm.MAX_TOKENS)
            model = SentenceTransformer(modules=[words, Pooling(384, "mean")], device=device.type)

        def read() -> Any:
            half = (
                torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
            )
            with half:
                return model.encode(some, batch_size=ENCODE_AT_ONCE, show_progress_bar=False)

    read()
    walls = []
    for _ in range(TIMED if device.type == "cuda" else 1):
        began = time.perf_counter()
        vectors = np.asarray(read(), np.float64)
        walls.append(time.perf_counter() - began)
    unit = vectors[:200] / np.linalg.norm(vectors[:200], axis=1, keepdims=True)
    return {"texts": len(some), "seconds": statistics.median(walls), "probe": unit.tolist()}


def exports(device: torch.device, size: Size) -> dict[str, Any]:
    """Export MiniLM in three precisions: how alike they answer, and how fast, on one thread."""
    from src.training.export import answers, to_fp16, to_int8, to_onnx
    from src.training.minilm import MAX_TOKENS

    network, tokenizer, _ = small(torch.device("cpu"))
    network.head = nn.Identity()
    some = labelled_entries(size.read)[0]["text"].to_pylist()[:400]
    rows = encode(tokenizer, some, MAX_TOKENS)
    full = to_onnx(network, MAX_TOKENS)
    graphs = {"fp32": full, "fp16": to_fp16(full), "int8": to_int8(full)}
    found, first = {}, None
    for name, graph in graphs.items():
        began = time.process_time()
        vectors = answers(graph, rows)
        seconds = time.process_time() - began
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        first = unit if first is None else first
        alike = float((unit * first).sum(axis=1).min())
        found[name] = {"size": len(graph), "per_second": len(rows) / seconds, "alike": alike}
        if device.type == "cuda":
            found[name]["gpu"] = on_gpu(graph, rows)
    return found


def on_gpu(graph: bytes, rows: Sequence[Any]) -> float | None:
    """Time a graph in onnxruntime on the GPU, texts per second; None without its GPU build."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return None
    session = onnxruntime.InferenceSession(graph, providers=["CUDAExecutionProvider"])
    feeds = [{"input_ids": np.array([r], np.int64)} for r in rows]
    for feed in feeds:
        feed["attention_mask"] = np.ones_like(feed["input_ids"])
    walls = []
    for _ in range(2):
        began = time.perf_counter()
        for feed in feeds:
            session.run(None, feed)
        walls.append(time.perf_counter() - began)
    return len(rows) / walls[-1]


def ceilings(device: torch.device, size: Size) -> dict[str, Any]:
    """Measure the rates of a matrix product in bfloat16 (float32 on a processor), and of a copy."""
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    n, flat = size.matrix, torch.zeros(size.copied // 4, device=device)
    one, other, goal = torch.randn(n, n, device=device).to(kind), flat, torch.empty_like(flat)

    def median(work: Callable[[], Any], repeats: int) -> float:
        walls = []
        for _ in range(TIMED):
            wait(device)
            began = time.perf_counter()
            for _ in range(repeats):
                work()
            wait(device)
            walls.append((time.perf_counter() - began) / repeats)
        return statistics.median(walls)

    median(lambda: one @ one, 3)
    return {
        "matrix": 2 * n**3 / median(lambda: one @ one, 10),
        "copy": 2 * size.copied / median(lambda: goal.copy_(other), 10),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "a processor",
        "torch": torch.__version__,
    }


def wait(device: torch.device) -> None:
    """Wait until a device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def cells(size: Size) -> list[list[str]]:
    """List what is measured, as words that `cell` understands."""
    found = [["ceilings"]]
    found += [["speed", who, str(batch)] for batch in size.entries for who in ("Trainer", "ours")]
    found += [["curve", who, str(7 + i)] for i in range(size.seeds) for who in ("Trainer", "ours")]
    found += [["quick", "ours", "7"], ["reading", "sentence-transformers"], ["reading", "ours"]]
    return [*found, ["exports"]]


def cell(words: Sequence[str], device: torch.device, size: Size) -> dict[str, Any]:
    """Measure one."""
    what, *more = words
    if what == "speed":
        return speed(more[0], int(more[1]), device, size)
    if what in ("curve", "quick"):
        return curve(more[0], int(more[1]), device, size, what == "quick")
    if what == "reading":
        return reading(more[0], device, size)
    return (exports if what == "exports" else ceilings)(device, size)


def apart(words: Sequence[str], typed: argparse.Namespace, peers: Path) -> dict[str, Any]:
    """Measure in a process of its own; `error` where it failed or took too long."""
    told = [sys.executable, "-m", "benchmarks.gpu", "--device", typed.device, "--size", typed.size]
    path = os.pathsep.join([str(ROOT), str(peers)])
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [*told, "--cell", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"},
            timeout=GIVE_UP_SECONDS if typed.device == "cuda" else None,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"gave up after {GIVE_UP_SECONDS:.0f} s"}
    sys.stderr.write(f"{' '.join(words)}: {time.perf_counter() - began:.0f} s\n")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        sys.stderr.write(f"  failed: {last}\n")
        return {"error": last}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument(
        "--size", default="", choices=("", *SIZES), help="as the device, if left out"
    )
    parser.add_argument(
        "--peers", type=Path, help="folder with accelerate and sentence-transformers"
    )
    parser.add_argument("--only", default="", help="what to measure, like speed,ceilings")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks", help="where to write")
    parser.add_argument("--cell", nargs="+", help=argparse.SUPPRESS)
    typed = parser.parse_args()
    device = device_of(typed.device)
    typed.device, typed.size = device.type, typed.size or device.type
    size = SIZES[typed.size]
    if typed.cell:
        warnings.simplefilter("ignore")
        sys.stdout.write("\n" + json.dumps(cell(typed.cell, device, size)) + "\n")
        return
    wanted = [words for words in cells(size) if not typed.only or words[0] in typed.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="bench-gpu-peers-") as kept:
        peers = typed.peers or Path(kept)
        if not typed.peers:
            # Beside torch and transformers that are here: a second torch would be gigabytes.
            install = ["uv", "pip", "install", "-q", "--python", sys.executable, "--no-deps"]
            subprocess.run([*install, "--target", str(peers), *PEERS], check=True)
        found = {" ".join(words): apart(words, typed, peers) for words in wanted}
    typed.out.mkdir(parents=True, exist_ok=True)
    table = gpu_report.report(found, typed.device)
    (typed.out / "gpu.md").write_text(table)
    gpu_report.picture(found, typed.out / "gpu-curves.svg")
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
