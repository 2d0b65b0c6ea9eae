"""Trains a backbone and its head together, epoch by epoch, so that a kill costs one epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from src.errors import UserError
from src.training.checkpoint import Checkpoint
from src.training.network import Network, Rows, bucketed, half, outputs, padded
from src.training.pace import Pace

WARM_UP = (
    0.06  # share of all steps in which the rate rises, as RoBERTa was tuned (Liu et al., 2019)
)
WEIGHT_DECAY = 0.01
LONGEST_GRADIENT = 1.0


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
    """

    epochs: int
    learning_rate: float
    batch_size: int
    patience: int
    seed: int
    class_weights: Sequence[float]
    pad: int


def finetune(
    network: Network,
    train: Examples,
    valid: Examples,
    plan: Plan,
    checkpoint: Checkpoint,
    say: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Train a network where it lies, and leave it with the weights of its best epoch.

    AdamW with a rate that rises, then falls to zero. Best is the highest macro-F1 on the
    validation texts; without any, the last epoch. On a processor a training that goes on from a
    checkpoint ends with the same bits as one that was not disturbed.

    Returns
    -------
    What to log: `epochs` that were trained, `best_epoch`, `best_f1`, and the macro-F1 after each
    of them in words, `f1_by_epoch`.

    Raises
    ------
    UserError
        The GPU has too little memory.
    """
    device = next(network.parameters()).device
    optimizer = torch.optim.AdamW(groups(network), lr=plan.learning_rate)
    steps = plan.epochs * -(-len(train.rows) // plan.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
    class_weights = torch.tensor(plan.class_weights, device=device)
    epoch, best_epoch, best_f1 = 0, 0, -1.0
    by_epoch = list[float]()
    best: Mapping[str, Any] = {}
    if state := checkpoint.load():
        epoch, best_epoch, best_f1 = state["epoch"], state["best_epoch"], state["best_f1"]
        best, by_epoch = state["best"], state.get("by_epoch", [])
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        set_chance(state["chance"])
        say(f"roberta: going on after epoch {epoch} of {plan.epochs}")
    pace = Pace(say, plan.epochs * len(train.rows), epoch * len(train.rows))
    while epoch < plan.epochs and epoch - best_epoch < plan.patience:
        epoch += 1
        network.train()
        for places in bucketed(train.rows, plan.batch_size, f"{plan.seed} {epoch}"):
            try:
                step(network, train, places, plan.pad, class_weights, optimizer)
            except torch.cuda.OutOfMemoryError:
                raise UserError(
                    f"the GPU has too little memory for batches of {plan.batch_size}.",
                    f"Use smaller ones: -P batch_size={max(1, plan.batch_size // 2)}",
                ) from None
            schedule.step()
            pace.count(len(places), f"roberta: epoch {epoch} of {plan.epochs}")
        f1 = macro_f1(network, valid, plan)
        by_epoch.append(f1)
        pace.tell(f"roberta: epoch {epoch} of {plan.epochs}, valid macro-F1 {max(f1, 0):.3f}")
        if f1 > best_f1 or not valid.rows:
            best_epoch, best_f1 = epoch, f1
            best = {name: value.cpu().clone() for name, value in network.state_dict().items()}
        checkpoint.save(
            {
                "epoch": epoch,
                "best_epoch": best_epoch,
                "best_f1": best_f1,
                "best": best,
                "by_epoch": by_epoch,
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "chance": chance(),
            }
        )
    network.load_state_dict(best)
    learned = " ".join(f"{f1:.4f}" for f1 in by_epoch) if valid.rows else ""
    facts = {"epochs": epoch, "best_epoch": best_epoch, "best_f1": max(best_f1, 0.0)}
    return {**facts, "f1_by_epoch": learned}


def step(
    network: Network,
    train: Examples,
    places: Sequence[int],
    pad: int,
    class_weights: torch.Tensor,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Learn from one batch."""
    device = next(network.parameters()).device
    ids, mask = padded([train.rows[place] for place in places], pad, device)
    labels = torch.tensor([train.labels[place] for place in places], device=device)
    weights = torch.tensor([train.weights[place] for place in places], device=device)
    with half(device):
        logits = network(ids, mask)
    losses = functional.cross_entropy(logits.float(), labels, class_weights, reduction="none")
    loss = (losses * weights).sum() / (class_weights[labels] * weights).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
    optimizer.step()
    optimizer.zero_grad()


def groups(network: Network) -> list[dict[str, Any]]:
    """Part the weights into those that decay and those that do not: biases and norms."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    return [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]


def rate(step: int, steps: int) -> float:
    """Give the share of the full learning rate at a step: up, then down to zero.

    Examples
    --------
    >>> [round(rate(step, 100), 2) for step in (0, 2, 5, 6, 53, 100)]
    [0.17, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warm = max(1, int(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return max(0.0, (steps - step) / max(1, steps - warm))


def macro_f1(network: Network, valid: Examples, plan: Plan) -> float:
    """Measure the network on the validation texts; 0 where there are none."""
    from sklearn.metrics import f1_score

    if not valid.rows:
        return 0.0
    said = [0] * len(valid.rows)
    for places, logits in outputs(network, valid.rows, plan.pad, 4 * plan.batch_size):
        for place, answer in zip(places, logits.argmax(dim=1).tolist(), strict=True):
            said[place] = answer
    classes = list(range(len(plan.class_weights)))
    return float(f1_score(valid.labels, said, labels=classes, average="macro", zero_division=0))


def chance() -> dict[str, Any]:
    """Give the state of torch's random numbers, on the processor and on GPUs."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_chance(state: Mapping[str, Any]) -> None:
    """Put the state of torch's random numbers back."""
    torch.set_rng_state(state["cpu"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
