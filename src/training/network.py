"""An encoder whose answer for a text is the mean over its tokens, and reading texts in batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from src.errors import UserError
from src.pipeline.caller import cache_folder
from src.training.packing import Packed, first_position, means, moved, pack
from src.training.tokens import Tokens, gathered

if TYPE_CHECKING:
    import numpy.typing as npt
    from tokenizers import Tokenizer

    from src.training.backbone import Backbone

Rows = Sequence[Any]  # the token ids of each text: a list, or a row of `Tokens`
AT_ONCE = 10_000  # texts that are cut into tokens together
BUCKET = 50  # batches among whose entries neighbours of like length are sought


class Network(nn.Module):
    """A backbone, the mean of its last hidden states over the tokens, and a linear head if any.

    Parameters
    ----------
    backbone
        An encoder of transformers, with hidden states of length d.
    n_classes
        Outputs of the head; 0 for none.

    Attributes
    ----------
    packs
        Whether texts are read as one row without padding; None until it is known.
    first
        The position that a text's first token then has.
    """

    def __init__(self, backbone: Any, n_classes: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(0.1)
        size = backbone.config.hidden_size
        self.head = nn.Linear(size, n_classes) if n_classes else nn.Identity()
        self.packs: bool | None = None
        self.first = 0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Answer token ids and mask, both `(n, T)`, with `(n, d)` or `(n, n_classes)`."""
        found = self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        hidden = found.last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        return cast(torch.Tensor, self.head(self.dropout(pooled)))

    def packed(self, texts: Packed) -> torch.Tensor:
        """Answer n texts of one row as `forward` answers them padded."""
        found = self.backbone(
            input_ids=texts.ids,
            position_ids=texts.positions,
            cu_seq_lens_q=texts.starts,
            max_length_q=texts.longest,
        )
        pooled = means(found.last_hidden_state, texts.starts)
        return cast(torch.Tensor, self.head(self.dropout(pooled)))

    def take_head(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Take the linear head off: its weights, `(d, n_classes)`, and intercept, `(n_classes,)`.

        From then on the network answers with the vectors that the head read.
        """
        head = cast(nn.Linear, self.head)
        self.head = nn.Identity()
        with torch.inference_mode():
            parts = [value.double().cpu().numpy() for value in (head.weight.T, head.bias)]
        return np.ascontiguousarray(parts[0]), parts[1]


def load(backbone: Backbone) -> tuple[Any, Tokenizer, int]:
    """Load a backbone in full precision.

    Returns
    -------
    The encoder, its tokenizer without truncation or padding, and the id of padding.

    Raises
    ------
    UserError
        transformers cannot load it, or its tokenizer has no fast form or other tokens.
    """
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    again = "Write it with save_pretrained of the model and of its tokenizer."
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        encoder = AutoModel.from_pretrained(
            backbone.model, dtype=torch.float32, use_safetensors=True, **local
        )
        words = AutoTokenizer.from_pretrained(backbone.tokenizer, **local)
    except Exception as error:  # as many kinds as there are kinds of models
        raise UserError(
            f"the backbone in {backbone.model} cannot be loaded ({type(error).__name__}).", again
        ) from None
    tokenizer: Any = getattr(words, "backend_tokenizer", None)
    if not hasattr(tokenizer, "to_str"):
        raise UserError("the backbone's tokenizer has no fast form, which ships.", again)
    if tokenizer.get_vocab_size() > encoder.config.vocab_size:
        raise UserError("the backbone's tokenizer knows more tokens than its weights.", again)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # It is never used: some backbones come without its weights, which would be made up.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder, tokenizer, int(words.pad_token_id or 0)


def device_of(name: str) -> torch.device:
    """Choose where to compute: `auto` is a GPU where there is one.

    Raises
    ------
    UserError
        A GPU is asked for, and torch sees none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "device=cuda, but torch sees no GPU here.",
            "Use the processor: -P device=cpu, or run the step elsewhere: -P backend=train:<name>",
        )
    chosen = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(chosen if name == "auto" else name)


def encode(tokenizer: Tokenizer, texts: Sequence[str], max_tokens: int) -> Tokens:
    """Give the first `max_tokens` token ids of each text, those of its ends included."""
    tokenizer.enable_truncation(max_tokens)
    found = (
        cut.ids or [0]
        for start in range(0, len(texts), AT_ONCE)
        for cut in tokenizer.encode_batch(list(texts[start : start + AT_ONCE]))
    )
    try:
        return gathered(found, cache_folder() / "training")
    finally:
        tokenizer.no_truncation()


def bucketed(rows: Rows, batch_size: int, seed: str) -> list[list[int]]:
    """Part rows by chance into batches of like length, so that little of them is padding.

    Returns
    -------
    Places in `rows` by batch; each once. They depend on lengths and seed only.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    order = draw.sample(range(len(rows)), len(rows))
    size, batches = BUCKET * batch_size, list[list[int]]()
    for start in range(0, len(order), size):
        alike = sorted(order[start : start + size], key=lambda place: len(rows[place]))
        batches += [alike[i : i + batch_size] for i in range(0, len(alike), batch_size)]
    draw.shuffle(batches)
    return batches


def padded(rows: Rows, pad: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Give ids and mask of a batch, both `(n, longest)`, int64."""
    both = np.zeros((2, len(rows), max(map(len, rows))), np.int64)
    both[0] = pad
    for place, row in enumerate(rows):
        both[0, place, : len(row)], both[1, place, : len(row)] = row, 1
    ids, mask = moved(torch.from_numpy(both), device)
    return ids, mask


def packs(network: Network, pad: int) -> bool:
    """Tell whether texts are read as one row: on a GPU, where the backbone lets itself.

    On a processor it saves nothing: batches of like length hold little padding.
    """
    if network.packs is None:
        network.packs = next(network.parameters()).device.type == "cuda" and pack_it(network, pad)
    return network.packs


def pack_it(network: Network, pad: int) -> bool:
    """Have texts read as one row from now on, wherever that is; False where it cannot be."""
    first = first_position(network, pad)
    network.packs, network.first = first is not None, first or 0
    return network.packs


def answered(network: Network, rows: Rows, places: Sequence[int], pad: int) -> torch.Tensor:
    """Answer some of the rows, `(n, d)`."""
    device, some = next(network.parameters()).device, [rows[place] for place in places]
    if packs(network, pad):
        return network.packed(pack(some, network.first, pad, device))
    return cast(torch.Tensor, network(*padded(some, pad, device)))


def outputs(
    network: Network, rows: Rows, pad: int, batch_size: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Answer all rows, the longest first, in batches: their places and their outputs, `(n, d)`.

    A GPU already reads the next batch while one is given; where it has too little memory, batches
    become smaller.
    """
    device = next(network.parameters()).device
    order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
    network.eval()
    start, last = 0, None
    while start < len(order):
        places = order[start : start + batch_size]
        try:
            with torch.inference_mode(), half(device):
                found = answered(network, rows, places, pad)
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise
            batch_size = -(-batch_size // 2)
            continue
        if last:
            yield last[0], last[1].float().cpu()
        start, last = start + len(places), (places, found)
    if last:
        yield last[0], last[1].float().cpu()


def half(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 on a GPU, in full precision elsewhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
