"""Which process owns a run, a claim or a folder, and whether that process is still alive."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

OWNER = "pipeline.owner"
HEARTBEAT = "pipeline.heartbeat"
BEAT_SECONDS = 20.0
SILENT_SECONDS = 180.0  # without a sign of life for this long, an owner elsewhere counts as dead


@dataclass(frozen=True)
class Owner:
    """A process, told apart from any later one that gets its number.

    Attributes
    ----------
    host
        What the machine calls itself.
    boot
        Which start of it, and which of its numberings of processes (containers have their own).
    pid, started
        The process's number, and when it started, in the system's own unit.
    """

    host: str
    boot: str
    pid: int
    started: float

    def as_tags(self) -> dict[str, str]:
        """Write it into tags; the heartbeat starts with it."""
        return {OWNER: json.dumps(asdict(self)), HEARTBEAT: f"{time.time():.0f}"}

    @property
    def is_here(self) -> bool:
        """Whether this process can see that one."""
        return (self.host, self.boot) == place()

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


def read_owner(tags: Mapping[str, str]) -> Owner | None:
    """Read an owner back from tags; None if nobody wrote one that can be read."""
    try:
        return Owner(**json.loads(tags[OWNER]))
    except (KeyError, TypeError, ValueError):
        return None


def is_alive(tags: Mapping[str, str]) -> bool:
    """Tell whether the owner that tags name lives: by its process here, else by its heartbeat.

    One that cannot be told to be dead counts as alive.
    """
    owner = read_owner(tags)
    if owner is None:
        return False
    if owner.is_here:
        return process_lives(owner.pid, owner.started)
    with suppress(ValueError):
        return time.time() - float(tags.get(HEARTBEAT, "0")) < SILENT_SECONDS
    return False


@cache
def me() -> Owner:
    """Give this process."""
    return Owner(*place(), os.getpid(), start_of(os.getpid()) or 0.0)


@cache
def place() -> tuple[str, str]:
    """Name this machine and this start of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        numbering = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path, "pid:[4026…]"
    except OSError:
        import psutil

        boot, numbering = f"{psutil.boot_time():.0f}", ""
    return platform.node(), f"{boot} {numbering}".strip()


def start_of(pid: int) -> float | None:
    """Say when a process started; None if it is gone, 0 if it cannot be looked at."""
    try:
        # The name, in parentheses, may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else float(fields[19])
    except OSError:
        if Path("/proc/self/stat").exists():
            return start_of_hidden(pid)
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return 0.0


def start_of_hidden(pid: int) -> float | None:
    """Tell a process that is gone (None) from one that its user hides (0)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0.0
    return None


def process_lives(pid: int, started: float) -> bool:
    """Tell whether the process that started then is still there."""
    found = start_of(pid)
    # Without /proc the time is computed from the clock, which may have been set meanwhile.
    return found is not None and (0.0 in (found, started) or abs(found - started) <= 1)


@contextmanager
def beating(beat: Callable[[str, str], object]) -> Iterator[None]:
    """Let hosts that cannot see this process know that it lives, until the block ends.

    Parameters
    ----------
    beat
        Writes a tag, given its name and value.
    """
    done = threading.Event()

    def keep_on() -> None:
        while not done.wait(BEAT_SECONDS):
            with suppress(Exception):  # a store that is away for a while is no reason to die
                beat(HEARTBEAT, f"{time.time():.0f}")

    threading.Thread(target=keep_on, daemon=True, name="heartbeat").start()
    try:
        yield
    finally:
        done.set()
