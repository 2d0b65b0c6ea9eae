"""What families start from, to test with: a tiny encoder of random weights, and a teacher."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.pipeline.step import fields_of
from src.training.family import Family, check_installed, families
from tests.fakes import made_up_entries
from tests.models.corpus import ENTRIES, HELD_OUT, TEXTS

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
QUICK = {"epochs": 5, "learning_rate": 5e-3, "device": "cpu"}


def usual(family: Family) -> dict[str, Any]:
    """Parameters to test a family with: its defaults, and a backbone or teacher that is here.

    Skips the test where what the family needs is not installed.
    """
    try:
        check_installed(family)
    except UserError as missing:
        pytest.skip(f"{missing.message} {missing.hint}")
    if "teacher" in fields_of(family.params):
        return {"teacher": str(teacher())}
    if "backbone" not in fields_of(family.params):
        return {}
    return {**QUICK, "backbone": str(tiny_backbone())}


@cache
def teacher() -> Path:
    """Fit the linear family on made-up entries: its plain files."""
    chosen = families("sentiment")["linear"]
    folder = Path(tempfile.mkdtemp(prefix="teacher-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    chosen.fit(ENTRIES, HELD_OUT, chosen.params(), folder, 7, lambda line: None)
    return folder


@cache
def tiny_backbone(kind: str = "roberta") -> Path:
    """Write a backbone of 2 layers with 32 features: config, weights and tokenizer."""
    import torch
    from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast, RobertaConfig
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder = Path(tempfile.mkdtemp(prefix="tiny-backbone-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer = trained_tokenizer()
    sizes = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "pad_token_id": 1,
    }
    config = (
        RobertaConfig(**sizes, max_position_embeddings=130, type_vocab_size=1)
        if kind == "roberta"
        else BertConfig(**sizes, max_position_embeddings=128)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(config).save_pretrained(folder)
    words = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )
    words.save_pretrained(folder)
    return folder


def trained_tokenizer() -> Any:
    """Train a byte-level BPE on made-up entries."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [row["journal_text"] for row in made_up_entries(300)]
    tokenizer.train_from_iterator([*texts, *TEXTS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer
