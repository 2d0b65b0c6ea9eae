"""Several processes of this machine train one network, each on its share of every batch.

They are started and watched by PyTorch's own launcher (torchrun's), one for each GPU.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from src.errors import UserError
from src.pipeline.temporary import owned_folder

if TYPE_CHECKING:
    from src.training.checkpoint import Checkpoint
    from src.training.memory import Examples, Plan
    from src.training.network import Network

HERE = "127.0.0.1"
JOB, DONE, ERROR = "job.pt", "done.pt", "error.json"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True)
class Share:
    """What one of several processes does of the work: all of it, if it is the only one.

    Attributes
    ----------
    rank, of
        Which process this is, from 0, and how many there are.
    """

    rank: int = 0
    of: int = 1

    @property
    def first(self) -> bool:
        """Whether it is this process that validates, keeps checkpoints and speaks."""
        return self.rank == 0

    def part(self, places: Sequence[int]) -> Sequence[int]:
        """Give its share of a batch; neighbours, which are of like length, go to different ones."""
        return places[self.rank :: self.of]

    def add_up(self, network: Network) -> None:
        """Add up all processes' gradients, so that each has those of the whole batch."""
        if self.of == 1:
            return
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        grads = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        parts = torch.split(flat, [grad.numel() for grad in grads])
        for grad, part in zip(grads, parts, strict=True):
            grad.copy_(part.view_as(grad))

    def agreed(self, ask: Callable[[], float]) -> float:
        """Have the first process find a number, and tell the others."""
        if self.of == 1:
            return ask()
        told = [ask() if self.first else 0.0]
        distributed.broadcast_object_list(told)
        return float(told[0])

    def summed(self, own: torch.Tensor) -> float:
        """Add up a number that each process has a part of."""
        if self.of > 1:
            distributed.all_reduce(own)
        return float(own)

    def gathered(self, own: Any) -> list[Any]:
        """List what each process has, by rank."""
        found: list[Any] = [own] * self.of
        if self.of > 1:
            distributed.all_gather_object(found, own)
        return found


WHOLE = Share()


def processes_of(wanted: int, device: torch.device) -> int:
    """Say how many processes train: one for each GPU if 0.

    Raises
    ------
    UserError
        There are fewer GPUs than that.
    """
    there = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type == "cuda" and wanted > there:
        raise UserError(
            f"processes={wanted}, but torch sees {there} GPUs here.", "Leave processes= at 0."
        )
    return wanted or there


def finetune_together(
    processes: int,
    network: Network,
    train: Examples,
    valid: Examples,
    plan: Plan,
    checkpoint: Checkpoint,
    say: Callable[[str], None],
) -> dict[str, float | int | str]:
    """Train as `finetune` does, in several processes; the step of a batch is the same.

    Raises
    ------
    UserError
        As for `finetune`; or a process has died.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    device = next(network.parameters()).device
    say(f"roberta: starting {processes} processes")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with owned_folder() as folder:
        job = (network.cpu(), train, valid, plan, device.type, checkpoint.path)
        torch.save(job, folder / JOB)
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id=folder.name,
            rdzv_backend="c10d",
            rdzv_endpoint=f"{HERE}:0",
            local_addr=HERE,
            max_restarts=0,
            monitor_interval=0.2,
            start_method="spawn",
        )
        try:
            elastic_launch(config, work)(str(folder))
        except ChildFailedError as error:
            raise told(folder, error) from None
        except SignalException as error:  # how the launcher says that it was told to stop
            raise KeyboardInterrupt(f"stopped by signal {int(error.sigval)}") from None
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        weights, facts = torch.load(folder / DONE, weights_only=True)
    network.load_state_dict(weights)
    network.to(device)
    found: dict[str, float | int | str] = facts
    return found | {"processes": processes}


def told(folder: Path, error: Exception) -> UserError:
    """Say why the processes ended."""
    try:
        return UserError(*json.loads((folder / ERROR).read_text()))
    except OSError:
        first: Mapping[int, Any] = getattr(error, "failures", {})
        codes = ", ".join(f"{rank}: exit {failure.exitcode}" for rank, failure in first.items())
        return UserError(
            f"a process of the training has died ({codes or type(error).__name__}).",
            "Killed, or out of memory? Started again it goes on from its checkpoint; "
            "-P processes=1 trains in one process.",
        )


def work(name: str) -> None:
    """Be one of the processes: train with the others, and write what came of it."""
    from src.training.checkpoint import Checkpoint
    from src.training.finetuning import finetune

    folder, rank, of = Path(name), int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])

    def say(line: str) -> None:
        if not rank:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    # Its own file, just written: no stranger's.
    network, train, valid, plan, kind, kept = torch.load(folder / JOB, weights_only=False)
    device = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else "cpu"
    if kind == "cuda":
        torch.cuda.set_device(device)
    else:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        torch.set_num_threads(max(1, torch.get_num_threads() // of))
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        torch.manual_seed(plan.seed * of + rank)
        share, checkpoint = Share(rank, of), Checkpoint(kept.parent, kept.stem, say)
        facts = finetune(network.to(device), train, valid, plan, checkpoint, say, share)
        if share.first:
            weights = {key: value.cpu() for key, value in network.state_dict().items()}
            torch.save((weights, facts), folder / DONE)
    except UserError as error:
        (folder / ERROR).write_text(json.dumps([error.message, error.hint]))
        raise SystemExit(2) from None
    distributed.destroy_process_group()
