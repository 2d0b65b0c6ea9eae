"""A pretrained encoder (RoBERTa, BERT, MiniLM …), fine-tuned or as it is below a linear head."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from src.data import LABELS
from src.pipeline.caller import cache_folder
from src.pipeline.step import param
from src.training.backbone import Backbone, check, fingerprint, opened
from src.training.family import TASKS, Family
from src.training.known_terms import HIDDEN, authors_of, hidden, min_authors_param
from src.training.rows import (
    balance_param,
    class_weights,
    draw,
    from_journal,
    journal_param,
    labelled,
    labelled_for_training,
    source_weights,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

BLANKS = ("<mask>", "[MASK]", "<unk>", "[UNK]")  # what a tokenizer may have for it
PROBES = 16  # validation texts on which the exported graph is held against the network
CODE = tuple(
    f"{name}.py" for name in ("finetuning", "memory", "network", "packing", "together", "tokens")
)  # an edit there makes another training
# They say where, and how it fits there, not what.
PLACES = ("backbone", "download", "device", "micro_batch", "checkpointing")


@dataclass(frozen=True)
class RobertaParams:
    """Parameters of the roberta family."""

    mode: str = param(
        "finetune", "Train the whole encoder, or only a head", choices=("finetune", "frozen")
    )
    backbone: str = param(
        "roberta-base",
        "Pretrained encoder: a folder, a hub name, models:/<name>/<version>, or minilm",
        content=False,
    )
    download: bool = param(False, "Fetch a hub name that is not in the cache", content=False)
    device: str = param("auto", "Where to train", choices=("auto", "cpu", "cuda"), content=False)
    epochs: int = param(4, "Most passes over the training entries", low=1, high=1000)
    learning_rate: float = param(2e-5, "Highest learning rate", low=1e-8, high=1)
    batch_size: int = param(32, "Entries of a training step", low=1, high=4096)
    micro_batch: int = param(
        0, "Entries that are read at once; as many as fit if 0", low=0, high=4096, content=False
    )
    checkpointing: str = param(
        "auto",
        "Compute again instead of keeping, for less memory; auto if nothing fits else",
        choices=("auto", "true", "false"),
        content=False,
    )
    processes: int = param(
        1,
        "Processes that train together here; one for each GPU if 0",
        low=0,
        high=64,
        content=False,
    )
    max_tokens: int = param(128, "Tokens that are read at once", low=8, high=8192)
    patience: int = param(2, "Epochs without a better valid macro-F1 to stop after", low=1, high=99)
    balance: float = balance_param(searched=False)
    journal_weight: float = journal_param()
    most_entries: int = param(
        0, "Entries drawn to train on, beside the project's own journal; 0 for all", low=0
    )
    min_authors: int = min_authors_param()
    c: float = param(1.0, "Inverse strength of a frozen head's L2 penalty", low=1e-6, high=1e4)
    quantize: str = param(
        "auto",
        "Ship int8 weights, or half precision; auto takes int8 if it answers as well",
        choices=("auto", "true", "false", "fp16"),
    )


def fit(
    train: pa.Table,
    valid: pa.Table,
    params: RobertaParams,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit an encoder on the labelled training entries and write it as ONNX.

    An entry's features are the mean of the encoder's last hidden states over its tokens.
    `frozen` fits logistic regression on them, `finetune` trains encoder and head together, with
    classes weighted as in the linear family; a killed fine-tuning goes on from where it was
    some minutes before. From entries longer than `max_tokens` it learns what their first ones say.
    Words that fewer than `min_authors` used are hidden from it: weights, too, learn by heart what
    one person alone writes (Carlini et al., "The Secret Sharer", 2019).

    Raises
    ------
    UserError
        The backbone is not there or cannot be used, there is no such device, a class has too few
        labelled entries, or no word is of `min_authors` authors.
    """
    texts, labels = labelled_for_training(train)
    texts = hidden(texts, authors_of(train, params.min_authors, labelled_only=True))
    weights = source_weights(train, params.journal_weight).tolist()
    drawn = chosen(labels, from_journal(train), params.most_entries, seed)
    learned = [texts[i] for i in drawn], [labels[i] for i in drawn], [weights[i] for i in drawn]
    with opened(params.backbone, params.download, params.max_tokens) as found:
        import torch

        from src.training.network import device_of

        device = device_of(params.device)
        progress(f"roberta: loading the backbone, to train on {device.type}")
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            return _fit(learned, valid, params, found, device, folder, seed, progress)


def chosen(labels: Sequence[str], own: Sequence[bool], most: int, seed: int) -> list[int]:
    """Choose what to train on: the project's own journal, and `most` other entries; 0 for all."""
    others = [place for place, journal in enumerate(own) if not journal]
    if most:
        others = [others[i] for i in draw([labels[place] for place in others], most, seed)]
    return sorted([*others, *(place for place, journal in enumerate(own) if journal)])


def _fit(
    learned: tuple[list[str], list[str], list[float]],
    valid: pa.Table,
    params: RobertaParams,
    found: Backbone,
    device: torch.device,
    folder: Path,
    seed: int,
    progress: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Fit on texts, labels and weights, once everything is there."""
    from src.models.sentiment_analyzer import readable
    from src.training.checkpoint import Checkpoint
    from src.training.encoder import write_encoder
    from src.training.export import check_alike, choose, to_onnx
    from src.training.finetuning import finetune
    from src.training.frozen import fit_head
    from src.training.memory import Examples, Plan
    from src.training.network import Network, encode, load
    from src.training.together import finetune_together, processes_of

    encoder, tokenizer, pad = load(found)
    (texts, labels, counts), (others, truth) = learned, labelled(valid)
    blank = next((name for name in BLANKS if tokenizer.token_to_id(name) is not None), "")
    rows, held_out = (
        encode(
            tokenizer, [readable(text).replace(HIDDEN, blank) for text in side], params.max_tokens
        )
        for side in (texts, others)
    )
    checkpoint = Checkpoint(
        cache_folder() / "training",
        digest((learned, others, truth), params, found, seed, device.type),
        progress,
    )
    facts: dict[str, float | int | str] = {
        "n_labelled": len(texts),
        "device": device.type,
        "encoder": str(encoder.config.model_type),
        "n_weights": sum(weight.numel() for weight in encoder.parameters()),
    }
    if params.mode == "frozen":
        network = Network(encoder).to(device)
        weights, intercept = fit_head(
            network, rows, labels, counts, params.c, params.balance, pad, progress
        )
    else:
        network = Network(encoder, len(LABELS)).to(device)
        weight = class_weights(labels, params.balance)
        plan = Plan(
            params.epochs,
            params.learning_rate,
            params.batch_size,
            params.patience,
            seed,
            [weight[label] for label in LABELS],
            pad,
            params.micro_batch,
            params.checkpointing,
        )
        examples = Examples(rows, [LABELS.index(label) for label in labels], counts)
        probes = Examples(held_out, [LABELS.index(label) for label in truth], [1.0] * len(truth))
        job = (network, examples, probes, plan, checkpoint, progress)
        processes = processes_of(params.processes, device)
        facts |= finetune(*job) if processes == 1 else finetune_together(processes, *job)
        weights, intercept = network.take_head()  # a student also learns from what it read
    progress("roberta: exporting to ONNX")
    onnx = to_onnx(network, params.max_tokens)
    check_alike(network, onnx, held_out[:PROBES] or rows[:PROBES], weights, intercept)
    progress("roberta: holding int8 weights against full precision")
    onnx, more = choose(onnx, params.quantize, held_out, truth, LABELS, weights, intercept)
    words = tokenizer.to_str()
    scale = write_encoder(
        *(folder, LABELS, onnx, words, params.max_tokens, weights, intercept),
        *(valid, params.journal_weight, progress),
    )
    checkpoint.remove()
    return {**facts, **more, "temperature": scale}


def digest(texts: object, params: RobertaParams, found: Backbone, seed: int, device: str) -> str:
    """Digest all that a training depends on: 32 hex digits that only the same training has."""
    counted = {name: value for name, value in asdict(params).items() if name not in PLACES}
    tools = [version(name) for name in ("torch", "transformers", "tokenizers")]
    code = [(Path(__file__).parent / name).read_text() for name in CODE]
    everything = [texts, counted, found.digest(), seed, device, tools, code]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:32]


FAMILY = Family(
    "roberta",
    TASKS["sentiment"],
    fit,
    RobertaParams,
    requires=("torch", "transformers", "onnx", "onnxscript", "onnxruntime", "scikit-learn"),
    extra="roberta",
    check=lambda params: check(params.backbone, params.download, params.max_tokens),
    outside=lambda params: {"backbone": fingerprint(params.backbone, params.download)},
)
