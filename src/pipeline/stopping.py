"""Ends a process that is told to stop, or whose launcher has died, and those it started."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from src.pipeline.caller import SHELLS, launched
from src.pipeline.owner import OWNER, process_lives, read_owner, start_of

DRIVER = "PIPELINE_DRIVER"  # the process that started a step, as an owner
STOPPED = "stopped"
TOLD, ORPHANED, OVER = "told", "orphaned", "over"
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.5
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]


class Stopped(KeyboardInterrupt):
    """Somebody told this process to stop; MLflow cleans up after a KeyboardInterrupt as well."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.code = 128 + number


class Watch:
    """Turns the first signal into `Stopped`, and sees that it is obeyed."""

    def __init__(self, last_words: Callable[[str], None]) -> None:
        self.last_words = last_words
        self.why = ""
        self.number = 0

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Stop what this process started, then itself; a second signal changes nothing."""
        if self.number:
            return
        self.number = number
        self.why = self.why or f"{STOPPED} by {signal.Signals(number).name}"
        end_children(signal.SIGTERM)
        raise Stopped(number, self.why)

    def follow(self, wakeup: int, launcher: tuple[int, float] | None) -> None:
        """Wait for a signal or the launcher's death; then for the end, which comes in any case.

        Runs in a thread. Python hands a signal to the main thread only between two of its
        instructions, and an exception there can be swallowed; here it is seen at once.
        """
        event = wait_for(wakeup, launcher)
        if event == OVER:
            return
        if event == ORPHANED:
            self.why = f"{STOPPED} because the process that started it is gone"
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        end_children(signal.SIGKILL)
        time.sleep(GRACE_SECONDS)
        with suppress(Exception):
            self.last_words(self.why or STOPPED)
        os._exit(128 + (self.number or signal.SIGTERM))


def wait_for(wakeup: int, launcher: tuple[int, float] | None) -> str:
    """Wait for what comes first: a signal, the launcher's death or the end of the work."""
    waiting = [wakeup]
    with suppress(AttributeError, OSError):  # Linux tells at once; elsewhere it is asked
        if launcher:
            waiting.append(os.pidfd_open(launcher[0]))
    while launcher is None or process_lives(*launcher):
        every = POLL_SECONDS if launcher and len(waiting) == 1 else None
        if wakeup in select.select(waiting, [], [], every)[0]:
            told = os.read(wakeup, 64)
            if any(number in SIGNALS for number in told):
                return TOLD
            if not told or 0 in told:
                return OVER
    return ORPHANED


@contextmanager
def stoppable(last_words: Callable[[str], None]) -> Iterator[None]:
    """Raise `Stopped` in the block when the process is told to stop or its launcher is gone.

    Parameters
    ----------
    last_words
        Called with the reason from another thread if the block does not end by itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = Watch(last_words)
    # Whoever starts a process with a signal ignored (`nohup`, a shell's `&`) wants it ignored.
    heeded = [n for n in SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, watch.on_signal) for number in heeded}
    read, write = os.pipe()
    os.set_blocking(write, False)
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    thread = threading.Thread(target=watch.follow, args=(read, launcher()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        if not watch.number:  # else a second signal must not cut the end short
            for number, handler in before.items():
                signal.signal(number, handler)
            os.write(write, b"\0")
            thread.join()
            os.close(read)
            os.close(write)


def launcher() -> tuple[int, float] | None:
    """Find the process that started this one and waits for it: its number and start."""
    if not launched():
        return None
    driver = read_owner({OWNER: os.environ.get(DRIVER, "")})
    if driver and driver.is_here:  # a backend may have started this on another machine
        return driver.pid, driver.started
    import psutil

    with suppress(psutil.Error, StopIteration):
        above = next(p for p in psutil.Process().parents() if p.name() not in SHELLS)
        return above.pid, start_of(above.pid) or 0.0
    return None


def end_children(number: int) -> None:
    """Send a signal to every process below this one."""
    if "subprocess" not in sys.modules:
        return
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.send_signal(number)
