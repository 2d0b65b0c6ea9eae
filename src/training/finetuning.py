"""Trains a backbone and its head together, epoch by epoch, so that a kill costs one epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from src.training.checkpoint import Checkpoint
from src.training.memory import Examples, Memory, Plan, chance, set_chance
from src.training.network import Network, bucketed, outputs, packs
from src.training.pace import Pace
from src.training.together import WHOLE, Share

WARM_UP = (
    0.06  # share of all steps in which the rate rises, as RoBERTa was tuned (Liu et al., 2019)
)
WEIGHT_DECAY = 0.01
LONGEST_GRADIENT = 1.0


def finetune(
    network: Network,
    train: Examples,
    valid: Examples,
    plan: Plan,
    checkpoint: Checkpoint,
    say: Callable[[str], None],
    share: Share = WHOLE,
) -> dict[str, float | int | str]:
    """Train a network where it lies, and leave it with the weights of its best epoch.

    AdamW with a rate that rises, then falls to zero. Best is the highest macro-F1 on the
    validation texts; without any, the last epoch. On a processor a training that goes on from a
    checkpoint ends with the same bits as one that was not disturbed. A batch is read in pieces
    where the device has too little memory for all of it, or by several processes, each its share:
    the step is the same up to rounding.

    Parameters
    ----------
    share
        What this process does of the work; all of it if left out.

    Returns
    -------
    What to log: `epochs` that were trained, `best_epoch`, `best_f1`, the macro-F1 after each
    of them in words, `f1_by_epoch`, whether texts were `packed`, and the `micro_batch`.

    Raises
    ------
    UserError
        The device has too little memory for a single text.
    """
    device = next(network.parameters()).device
    packed = packs(network, plan.pad)
    memory = Memory(network, train, plan)
    optimizer = torch.optim.AdamW(
        groups(network), lr=plan.learning_rate, fused=device.type == "cuda" or None
    )
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
        set_chance(state["chance"][share.rank])
        say(f"roberta: going on after epoch {epoch} of {plan.epochs}")
    pace = Pace(say, plan.epochs * len(train.rows), epoch * len(train.rows))
    while epoch < plan.epochs and epoch - best_epoch < plan.patience:
        epoch += 1
        network.train()
        for places in bucketed(train.rows, plan.batch_size, f"{plan.seed} {epoch}"):
            memory.learn(places, class_weights, share)
            share.add_up(network)
            nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            pace.count(len(places), f"roberta: epoch {epoch} of {plan.epochs}")
        f1 = share.agreed(lambda: macro_f1(network, valid, plan))
        by_epoch.append(f1)
        pace.tell(f"roberta: epoch {epoch} of {plan.epochs}, valid macro-F1 {max(f1, 0):.3f}")
        if f1 > best_f1 or not valid.rows:
            best_epoch, best_f1 = epoch, f1
            best = {name: value.cpu().clone() for name, value in network.state_dict().items()}
        state = {
            "epoch": epoch,
            "best_epoch": best_epoch,
            "best_f1": best_f1,
            "best": best,
            "by_epoch": by_epoch,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "chance": share.gathered(chance()),
        }
        if share.first:
            checkpoint.save(state)
    network.load_state_dict(best)
    learned = " ".join(f"{f1:.4f}" for f1 in by_epoch) if valid.rows else ""
    return {
        "epochs": epoch,
        "best_epoch": best_epoch,
        "best_f1": max(best_f1, 0.0),
        "f1_by_epoch": learned,
        "packed": str(packed).lower(),
        "micro_batch": memory.most,
    }


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
