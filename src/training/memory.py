"""Learns from batches of any size in the memory that a device has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from src.errors import UserError
from src.training.network import Network, Rows, answered, half
from src.training.together import WHOLE, Share


@dataclass(frozen=True)
class Examples:
    """Token ids of n texts, and for each the place of its class and how much it counts."""

    rows: Rows
    labels: Sequence[int]
    weights: Sequence[float]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    epochs, patience
        The most there may be, and after how many without a better macro-F1 to stop.
    class_weights
        By place of the class.
    pad
        The id of padding.
    micro_batch
        Texts that are read at once; the gradients of a batch add up. 0 for as many as fit.
    checkpointing
        Whether what layers made is computed again on the way back, for less memory: `true`,
        `false`, or `auto`, where not even one text fits otherwise.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    seed: int
    class_weights: Sequence[float]
    pad: int
    micro_batch: int = 0
    checkpointing: str = "auto"


class Memory:
    """Reads batches in pieces that fit into the device's memory: found by trying, once.

    Parameters
    ----------
    network, train, plan
        As of `finetune`.
    """

    def __init__(self, network: Network, train: Examples, plan: Plan) -> None:
        self.network, self.train, self.plan = network, train, plan
        self.most = min(plan.micro_batch or plan.batch_size, plan.batch_size)
        self.again = plan.checkpointing == "true"
        if self.again:
            self.compute_again()
        if next(network.parameters()).device.type == "cuda" and not plan.micro_batch:
            self.find()

    def find(self) -> None:
        """Try the longest texts, so that no batch fails later on; they teach nothing."""
        rows, chance_before = self.train.rows, chance()
        longest = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        device = next(self.network.parameters()).device
        weights = torch.ones(len(self.plan.class_weights), device=device)
        self.network.train()
        self.learn(longest[: self.plan.batch_size], weights)
        self.network.zero_grad()
        set_chance(chance_before)

    def learn(
        self, batch: Sequence[int], class_weights: torch.Tensor, share: Share = WHOLE
    ) -> torch.Tensor:
        """Add up the gradients of a share of a batch's loss, a piece at a time.

        Returns
        -------
        That share of the batch's weighted mean cross-entropy, a float64 scalar on the device.

        Raises
        ------
        UserError
            Not even one text fits.
        """
        device = class_weights.device
        labels, own = (
            torch.tensor([values[place] for place in batch], device=device)
            for values in (self.train.labels, self.train.weights)
        )
        total = (class_weights[labels] * own).sum()  # of the whole batch, whoever reads it
        mine = share.part(range(len(batch)))
        places = [batch[i] for i in mine]
        labels, counts = labels[list(mine)], own[list(mine)] / total
        state = chance()
        while True:
            lost = torch.zeros((), dtype=torch.float64, device=device)
            try:
                for start in range(0, len(places), self.most):
                    piece = slice(start, start + self.most)
                    lost += self.add(places[piece], labels[piece], counts[piece], class_weights)
                return lost
            except torch.OutOfMemoryError:
                self.network.zero_grad()
                set_chance(state)
                self.smaller(len(places))

    def add(
        self,
        places: Sequence[int],
        labels: torch.Tensor,
        counts: torch.Tensor,
        class_weights: torch.Tensor,
    ) -> torch.Tensor:
        """Add the gradients of some texts, and give their loss."""
        with half(class_weights.device):
            logits = answered(self.network, self.train.rows, places, self.plan.pad)
        losses = functional.cross_entropy(logits.float(), labels, class_weights, reduction="none")
        loss = (losses * counts).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def smaller(self, n_texts: int) -> None:
        """Halve the pieces; with one text alone, compute again what would be kept."""
        tried = min(self.most, n_texts)
        if tried > 1:
            self.most = -(-tried // 2)
        elif self.plan.checkpointing == "auto" and not self.again:
            self.compute_again()
        else:
            raise UserError(
                "the device has too little memory for the longest text alone.",
                "Read less of it: -P max_tokens=… (64, say), or use a smaller backbone."
                + ("" if self.again else " Or: -P checkpointing=auto"),
            ) from None

    def compute_again(self) -> None:
        """Keep only the inputs of layers, and compute the rest again on the way back."""
        self.again = True
        backbone = self.network.backbone
        if hasattr(backbone, "activation_checkpointing_enable"):
            backbone.activation_checkpointing_enable()
        else:  # its name before version 5 of transformers
            backbone.gradient_checkpointing_enable({"use_reentrant": False})


def chance() -> dict[str, Any]:
    """Give the state of torch's random numbers, on the processor and on GPUs."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_chance(state: Mapping[str, Any]) -> None:
    """Put the state of torch's random numbers back."""
    torch.set_rng_state(state["cpu"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
