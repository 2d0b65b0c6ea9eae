"""From what is to be scored to finished parts, on as many processors as are wanted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import pyarrow as pa

from src.errors import UserError
from src.scoring.answering import Answering, Carried, answer, make_ready, text_marks
from src.scoring.earlier import Earlier
from src.scoring.parts import Record, Work
from src.scoring.processes import begin, one_thread

AHEAD = 2  # parts in flight besides those that are worked on

Answer = Callable[[int, pa.RecordBatch, Carried | None], "Future[Record]"]


def score(
    parts: Iterable[pa.RecordBatch],
    answering: Answering,
    work: Work,
    workers: int,
    earlier: Earlier | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> tuple[list[Record], int]:
    """Answer every part that is not finished yet.

    Parameters
    ----------
    parts
        Batches of `src.scoring.entries.TO_SCORE`, in order.
    workers
        Processes that answer; 1 is this one.
    earlier
        A scoring whose answers are taken over for what has not changed since.
    progress
        Called with the number of rows in finished parts.

    Returns
    -------
    records, found
        A record for each part, in order, and how many rows were finished by an earlier process.
    """
    records, waiting = list[Record](), deque[Future[Record]]()
    rows = found = 0
    most = 1 if workers == 1 else workers + AHEAD

    def take() -> None:
        nonlocal rows
        record = waiting.popleft().result()
        work.take(record)
        records.append(record)
        rows += record.scored + record.carried
        progress(rows)

    with _answers(answering, workers) as submit:
        for number, batch in enumerate(parts):
            if done := work.finished(number, batch):
                finished: Future[Record] = Future()
                finished.set_result(done)
                waiting.append(finished)
                found += batch.num_rows
            else:
                carried = None
                if earlier is not None:
                    carried = earlier.carried(batch, text_marks(batch["text"], answering.key))
                waiting.append(submit(number, batch, carried))
            while len(waiting) >= most:
                take()
        while waiting:
            take()
    return records, found


@contextmanager
def _answers(answering: Answering, workers: int) -> Iterator[Answer]:
    """Let this process answer, or others that are ended with the block, or the engine's."""
    if answering.engine:
        _ = answering.loaded
        with ThreadPoolExecutor(workers) as asking:  # each waits for the engine
            yield lambda number, batch, carried: asking.submit(
                answering.write, number, batch, carried
            )
        return
    if workers == 1:

        def here(number: int, batch: pa.RecordBatch, carried: Carried | None) -> Future[Record]:
            done: Future[Record] = Future()
            done.set_result(answering.write(number, batch, carried))
            return done

        yield here
        return
    pool = ProcessPoolExecutor(workers, begin(), make_ready, (answering,))
    try:
        with one_thread():
            for _ in range(workers):
                pool.submit(os.getpid)  # all of them load the model while the first part is read
        yield lambda number, batch, carried: pool.submit(answer, number, batch, carried)
    except BrokenProcessPool:
        raise UserError(
            "a process that answered was ended: out of memory, perhaps.",
            "Run again: finished parts are kept. Fewer processes take less: -P workers=1",
        ) from None
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
