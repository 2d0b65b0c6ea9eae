"""The processes that answer: how many, and where they come from."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.context import BaseContext

from src.pipeline.temporary import ours

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
AFTER_THEIRS = -200  # what multiprocessing made in there goes at -100
NEEDED = ("mlflow.pyfunc", "src.scoring.answering")


def processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def begin() -> BaseContext:
    """Start what processes that answer come from, and give its context; again it does nothing.

    It is a process that imports what they need, while this one goes on, and is copied for each.
    A copy of this process itself could hold locks of threads that are not in it.
    """
    spawn = multiprocessing.get_context("spawn")
    if sys.platform != "linux":  # elsewhere copies of what is loaded are not safe
        return spawn
    from multiprocessing.forkserver import ensure_running

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(NEEDED))
    before, tempfile.tempdir = tempfile.tempdir, _place()
    try:
        with one_thread():
            ensure_running()
    except OSError:  # a socket's path has some hundred characters at most
        return spawn
    finally:
        tempfile.tempdir = before
    return context


@cache
def _place() -> str:
    """Make the folder of its socket: the next run removes it where this one is killed."""
    from multiprocessing.util import Finalize

    made = tempfile.mkdtemp(prefix=ours())
    Finalize(None, shutil.rmtree, (made, True), exitpriority=AFTER_THEIRS)
    return made


@contextmanager
def one_thread() -> Iterator[None]:
    """Give processes that are started in the block one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
