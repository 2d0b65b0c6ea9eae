"""Reads many texts as one row without padding: attention stays within each text.

A backbone of transformers asks an attention function by name; the one registered here knows where
each text begins. On a GPU it is PyTorch's attention for sequences of any length (FlashAttention-2:
Dao, 2023), which takes no dropout of its own: that on attention's weights is left out there. A
backbone whose answers differ this way, or that computes attention by itself, is read padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from src.training.network import Network

NAME = "packed"
ROUND = 64  # tokens of a row are filled up to a multiple, so that memory is used again
PROBES = (3, 1, 9, 5)  # lengths of texts by which a backbone is tried
ALIKE, ALIKE_IN_HALF = 1e-3, 0.1  # of the largest value of an answer, in 32 and in 16 bits


@dataclass(frozen=True)
class Packed:
    """Texts of a row, all on one device.

    Attributes
    ----------
    ids, positions
        Of each token, int64 `(1, T)`; those after the last text are a filler's.
    starts
        Where each of the n texts begins, where the filler does, and T: int32 `(n + 2,)`.
    longest
        At least the tokens of the longest text and of the filler.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    starts: torch.Tensor
    longest: int


def pack(rows: Sequence[Any], first: int, pad: int, device: torch.device) -> Packed:
    """Lay texts one after the other.

    Parameters
    ----------
    rows
        The token ids of each, at least one.
    first
        The position of a text's first token.
    pad
        The id that the filler repeats.
    """
    lengths = np.array([len(row) for row in rows])
    total = int(lengths.sum())
    filler = -total % ROUND
    starts = np.zeros(len(rows) + 2, np.int32)
    np.cumsum([*lengths, filler], out=starts[1:])
    both = np.full((2, 1, total + filler), pad, np.int64)
    np.concatenate(rows, out=both[0, 0, :total])
    begun = np.repeat(starts[:-1], [*lengths, filler])
    both[1, 0] = np.arange(total + filler) - begun + first
    tokens = moved(torch.from_numpy(both), device)
    longest = -(-int(lengths.max(initial=1)) // ROUND) * ROUND
    return Packed(tokens[0], tokens[1], moved(torch.from_numpy(starts), device), longest)


def moved(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Bring values to a device while it goes on computing."""
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def means(hidden: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Give the mean over each text's tokens.

    Sums are a product of matrices: scattered additions of a GPU end in other last digits each
    time.

    Parameters
    ----------
    hidden
        Of each token, `(1, T, d)`.
    starts
        As of `Packed`.

    Returns
    -------
    Without the filler's, `(n, d)`.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        tokens = torch.arange(hidden.shape[1], device=hidden.device)
        begin, end = starts[:-2, None], starts[1:-1, None]
        of = ((tokens >= begin) & (tokens < end)).to(torch.float32)
        return (of @ hidden[0].float()) / (end - begin)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Let each token of a row look at those of its own text; padded batches go the usual way.

    Parameters
    ----------
    query, key, value
        `(1, heads, T, d)`.
    more
        `cu_seq_lens_q` and `max_length_q`: starts and longest of `Packed`.

    Returns
    -------
    Sums `(1, T, heads, d)`, and nothing for the weights.

    Raises
    ------
    NotImplementedError
        The backbone wants more than tokens that look at each other.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    starts = more.get("cu_seq_lens_q")
    if starts is None:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            *(module, query, key, value, attention_mask), dropout, scaling, **more
        )
        return found
    if any(more.get(name) is not None for name in ("sliding_window", "position_bias", "softcap")):
        raise NotImplementedError("windows and biases")
    if getattr(module, "is_causal", False) or more.get("is_causal") or key.shape != query.shape:
        raise NotImplementedError("decoders")
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn

        longest = more["max_length_q"]
        q, k, v = (part[0].transpose(0, 1) for part in (query, key, value))
        out = varlen_attn(q, k, v, starts, starts, longest, longest, scale=scaling)
        return cast(torch.Tensor, out)[None], None
    return _by_length(query, key, value, starts.diff().tolist(), dropout, scaling), None


def _by_length(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: Sequence[int],
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Attend in neighbours of equal length at once."""
    found, at, text = list[torch.Tensor](), 0, 0
    rows = [part[0].transpose(0, 1) for part in (query, key, value)]
    while text < len(lengths):
        length, alike = lengths[text], 1
        while text + alike < len(lengths) and lengths[text + alike] == length:
            alike += 1
        if length:
            size = alike * length
            q, k, v = (
                row[at : at + size].reshape(alike, length, *row.shape[1:]).transpose(1, 2)
                for row in rows
            )
            sums = functional.scaled_dot_product_attention(q, k, v, None, dropout, scale=scaling)
            found.append(sums.transpose(1, 2).flatten(0, 1))
            at += size
        text += alike
    return torch.cat(found)[None]


def first_position(network: Network, pad: int) -> int | None:
    """Try how a backbone reads texts as one row, and leave it ready to do so.

    Returns
    -------
    The position of a text's first token: 0, or the one after padding's; None where answers or
    what they would teach are not those of padded texts.
    """
    from src.training.network import half

    backbone = network.backbone
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        before = backbone.config._attn_implementation
        if before not in ("sdpa", NAME) or not backbone._can_set_attn_implementation():
            return None
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        backbone.set_attn_implementation(NAME)
    except (ImportError, AttributeError, ValueError):
        return None
    device = next(network.parameters()).device
    training, own_pad = network.training, int(backbone.config.pad_token_id or 0)
    firsts = [0, own_pad + 1]
    if own_pad + 1 + max(PROBES) > (backbone.config.max_position_embeddings or 0):
        del firsts[1]
    network.eval()
    try:
        for first in firsts:
            if _alike(network, first, pad, ALIKE):
                if device.type == "cuda":  # and once more as it will be read
                    with half(device):
                        if not _alike(network, first, pad, ALIKE_IN_HALF):
                            continue
                return first
    finally:
        network.train(training)
    backbone.set_attn_implementation(before)
    return None


def _alike(network: Network, first: int, pad: int, most: float) -> bool:
    """Tell whether made-up texts are answered, and teach, the same in one row and padded."""
    from src.training.network import padded

    device = next(network.parameters()).device
    size = int(network.backbone.config.vocab_size)
    words = [i for i in range(size) if i not in (pad, network.backbone.config.pad_token_id)]
    rows = [[words[(7 * i + 31 * n) % len(words)] for i in range(n)] for n in PROBES]
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    answers = list[list[torch.Tensor]]()
    try:
        for packs in (False, True):
            with torch.inference_mode(False), torch.enable_grad():
                if packs:
                    found = network.packed(pack(rows, first, pad, device))
                else:
                    found = network(*padded(rows, pad, device))
                taught = torch.autograd.grad(
                    found.float().square().sum(), weights, allow_unused=True
                )
            answers.append([found.detach(), *(each for each in taught if each is not None)])
    except (RuntimeError, NotImplementedError, TypeError, IndexError):
        return False
    if len(answers[0]) != len(answers[1]):
        return False
    (answer, *one), (other, *two) = ([each.float() for each in side] for side in answers)
    apart = max((mine - its).abs().max() for mine, its in zip(one, two, strict=True))
    largest = max(each.abs().max() for each in one)
    return bool((answer - other).abs().max() <= most * answer.abs().max()) and bool(
        apart <= most * largest
    )
