"""Trains a backbone and its head together, so that a kill costs some minutes of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
KEEP_SECONDS = 300.0  # between two checkpoints of an epoch
LOOK_EVERY = 20  # batches between two looks at the clock, on which all processes agree


@dataclass
class Course:
    """How far a training has come.

    Attributes
    ----------
    epoch, batch
        Epochs that are over, and batches of the next one.
    lost
        What each process has added up of those batches' losses.
    losses, f1s
        After each epoch.
    best
        The weights of the best epoch.
    """

    epoch: int = 0
    batch: int = 0
    lost: list[float] = field(default_factory=lambda: [0.0])
    best_epoch: int = 0
    best_f1: float = -1.0
    losses: list[float] = field(default_factory=list)
    f1s: list[float] = field(default_factory=list)
    best: Mapping[str, Any] = field(default_factory=dict)


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
    What to log: `epochs` that were trained, `best_epoch`, `best_f1`, the mean training loss and
    the macro-F1 after each of them in words, `loss_by_epoch` and `f1_by_epoch`, whether texts were
    `packed`, and the `micro_batch`.

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
    course = Course(lost=[0.0] * share.of)
    learners: dict[str, Any] = {"network": network, "optimizer": optimizer, "schedule": schedule}
    if state := checkpoint.load():
        course = Course(**state["course"])
        for name, learner in learners.items():
            learner.load_state_dict(state[name])
        set_chance(state["chance"][share.rank])
        inside = f" and {course.batch:,} batches" if course.batch else ""
        say(f"roberta: going on after epoch {course.epoch} of {plan.epochs}{inside}")

    def keep() -> None:
        states = {name: learner.state_dict() for name, learner in learners.items()}
        states |= {"course": vars(course), "chance": share.gathered(chance())}
        if share.first:
            checkpoint.save(states)

    done = course.epoch * len(train.rows) + course.batch * plan.batch_size
    pace, kept = Pace(say, plan.epochs * len(train.rows), done), time.monotonic()
    while course.epoch < plan.epochs and course.epoch - course.best_epoch < plan.patience:
        epoch = course.epoch + 1
        network.train()
        batches = bucketed(train.rows, plan.batch_size, f"{plan.seed} {epoch}")
        lost = torch.tensor(course.lost[share.rank], dtype=torch.float64, device=device)
        for number, places in enumerate(batches[course.batch :], course.batch + 1):
            lost += memory.learn(places, class_weights, share)
            share.add_up(network)
            nn.utils.clip_grad_norm_(network.parameters(), LONGEST_GRADIENT)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            pace.count(len(places), f"roberta: epoch {epoch} of {plan.epochs}")
            if number % LOOK_EVERY == 0 and number < len(batches):
                waited = time.monotonic() - kept
                if share.agreed(lambda waited=waited: waited) >= KEEP_SECONDS:  # type: ignore[misc]
                    course.batch, course.lost = number, share.gathered(float(lost))
                    keep()
                    kept = time.monotonic()
        course.epoch, course.batch, course.lost = epoch, 0, [0.0] * share.of
        course.losses.append(share.summed(lost) / len(batches))
        f1 = share.agreed(lambda: macro_f1(network, valid, plan))
        course.f1s.append(f1)
        pace.tell(
            f"roberta: epoch {epoch} of {plan.epochs}, loss {course.losses[-1]:.3f}, "
            f"valid macro-F1 {max(f1, 0):.3f}"
        )
        if f1 > course.best_f1 or not valid.rows:
            course.best_epoch, course.best_f1 = epoch, f1
            course.best = {name: w.cpu().clone() for name, w in network.state_dict().items()}
        keep()
        kept = time.monotonic()
    network.load_state_dict(course.best)
    return {
        "epochs": course.epoch,
        "best_epoch": course.best_epoch,
        "best_f1": max(course.best_f1, 0.0),
        "loss_by_epoch": " ".join(f"{loss:.4f}" for loss in course.losses),
        "f1_by_epoch": " ".join(f"{f1:.4f}" for f1 in course.f1s) if valid.rows else "",
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
