"""The rows of a step worked on by Spark: our own functions on each part, its joins over all.

A row is known by its place, which says where it stands in the source: what depends on order, as
"the first stays" does, depends on places, and not on which worker was done first.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema

from src.data.cleaning import SAME_TEXT, Firsts, batch_of, text_keys
from src.data.ingestion import Cleaning, Recipe
from src.data.privacy import KEY, own_key
from src.data.schema import ENTRIES
from src.data.sources import Piece
from src.engines.near_duplicates import SparkNearDuplicates
from src.errors import UserError

if TYPE_CHECKING:
    from src.engines.scoring import SparkModel

WEIGHT = 64 * 2**20  # bytes of pieces that are handed on at once
TASKS = 4_096  # at most for one set of pieces
IN_PIECE = 32  # bits of a place that say where in its piece a row stands

PIECES = "number long, piece binary"
CLEANED = pa.schema(
    [
        *ENTRIES.schema,
        pa.field("place", pa.int64()),
        pa.field("digest", pa.int64()),
        pa.field("undated", pa.bool_()),
        pa.field("counts", pa.binary()),
    ]
)
LEAVING = pa.schema([pa.field("place", pa.int64()), pa.field("why", pa.string())])
CARRIED = pa.schema([pa.field("batch", pa.binary())])

Batches = Iterable[pa.RecordBatch]


class Spark:
    """Does for whole clusters what the modules of `src.data` do in one process.

    Parameters
    ----------
    session
        Whose workers have our code and its packages.
    """

    def __init__(self, session: SparkSession) -> None:
        self.session = session

    def clean(
        self,
        recipe: Recipe,
        pieces: Iterable[Piece],
        cleaning: Cleaning,
        progress: Callable[[int, float | None], None],
    ) -> Iterator[pa.RecordBatch]:
        """Clean rows as `Cleaner.clean` does, to the same entries in the same order.

        Parameters
        ----------
        recipe
            How.
        pieces
            Of the source, in order.
        cleaning
            Takes over what is counted.
        progress
            Called with the number of rows cleaned so far.

        Raises
        ------
        UserError
            As `Cleaner.clean`, or a piece cannot be read.
        """
        frames = list[DataFrame]()
        for numbered in _weighed(pieces):
            frames.append(self._cleaned(recipe, numbered))
            for counts in _counts(frames[-1]):
                cleaning.add(counts)
            progress(cleaning.cleaner.rows, None)
        if not frames:
            yield from cleaning.cleaner.finished(())
            return
        rows = reduce(DataFrame.union, frames).where("id is not null")
        leaving = self._leaving(rows.select("place", "digest", "id")).persist()
        for why, count in leaving.groupBy("why").count().collect():
            cleaning.cleaner.dropped[why] += count
        stay = rows.join(leaving, "place", "left_anti")
        undated = stay.where("undated").count()
        cleaning.cleaner.unreadable["created_at"] += undated
        entries = stay.orderBy("place").select(ENTRIES.schema.names)
        yield from cleaning.cleaner.finished(_carried_here(entries))

    def near_duplicates(
        self, read: Callable[[], Iterable[Sequence[str]]], told: Callable[[int], None]
    ) -> SparkNearDuplicates:
        """Give what finds near-duplicates as `NearDuplicates` does."""
        return SparkNearDuplicates(self.session, read, told)

    def model(self, folder: Path, task: str) -> SparkModel:
        """Give a model that answers on the workers."""
        from src.engines.scoring import SparkModel

        return SparkModel(self.session, folder, task)

    def _cleaned(self, recipe: Recipe, numbered: list[tuple[int, bytes]]) -> DataFrame:
        """Clean pieces apart from each other and keep the rows with the workers."""
        slices = min(len(numbered), TASKS)
        pieces = self.session.sparkContext.parallelize(numbered, slices)
        frame = self.session.createDataFrame(pieces, PIECES)
        work = partial(_clean, recipe, own_key())
        return frame.mapInArrow(work, from_arrow_schema(CLEANED)).localCheckpoint()

    def _leaving(self, rows: DataFrame) -> DataFrame:
        """Tell which rows leave, as `Firsts` does: of `place`, `digest` and `id`, `place` and why.

        A row that is the first of its text and of its id stays, and all others of its text leave.
        What this leaves open depends on rows that leave themselves: that is followed in order.
        """
        text, name = Window.partitionBy("digest"), Window.partitionBy("id")
        rows = rows.withColumn("first_of_id", F.min("place").over(name))
        rows = rows.withColumn("first_of_text", F.min("place").over(text))
        rows = rows.withColumn("stays", F.expr("place = first_of_id and place = first_of_text"))
        rows = rows.withColumn("text_taken", F.max("stays").over(text))
        rows = rows.withColumn("id_taken", F.max("stays").over(name)).where("not stays")
        of_text = rows.where("text_taken").select("place", F.lit(SAME_TEXT).alias("why"))
        opened = rows.where("not text_taken").select("place", "digest", "id", "id_taken")
        followed = opened.coalesce(1).sortWithinPartitions("place")
        return of_text.union(followed.mapInArrow(_follow, from_arrow_schema(LEAVING)))


def _weighed(pieces: Iterable[Piece]) -> Iterator[list[tuple[int, bytes]]]:
    """Gather pieces, numbered, into sets that are not too heavy to hand on."""
    waiting, weight = list[tuple[int, bytes]](), 0
    for number, piece in enumerate(pieces):
        waiting.append((number, pickle.dumps(piece)))
        weight += len(waiting[-1][1])
        if weight >= WEIGHT:
            yield waiting
            waiting, weight = [], 0
    if waiting:
        yield waiting


def _counts(frame: DataFrame) -> Iterator[Any]:
    """Collect what was counted in each piece, in order.

    Raises
    ------
    UserError
        A piece could not be read.
    """
    told = frame.where("counts is not null").select("place", "counts").orderBy("place")
    for _, pickled in told.collect():
        counts = pickle.loads(pickled)  # noqa: S301 - of our own workers
        if isinstance(counts, tuple):
            raise UserError(*counts)
        yield counts


def _clean(recipe: Recipe, key: str, batches: Batches) -> Iterator[pa.RecordBatch]:
    """Clean pieces on a worker."""
    os.environ[KEY] = key  # for this process alone: it is in no setting of Spark's
    for batch in batches:
        for number, pickled in zip(*map(pa.Array.to_pylist, batch.columns), strict=True):
            yield from _clean_piece(recipe, number << IN_PIECE, pickle.loads(pickled))  # noqa: S301


def _clean_piece(recipe: Recipe, place: int, piece: Piece) -> Iterator[pa.RecordBatch]:
    """Give a piece's rows, and one more row with what was counted, or what went wrong."""
    cleaning = Cleaning(recipe)
    cleaner = cleaning.cleaner
    cleaner.rows_of.update(piece.before)
    wrong: UserError | None = None
    try:
        for table in cleaning.noting(piece.read()):
            start = place + cleaner.rows
            rows = cleaner.read(table)
            columns = [
                *batch_of(rows).columns,
                pa.array([start + row.place for row in rows], pa.int64()),
                pa.array(text_keys(rows).view(np.int64)),
                pa.array([row.undated for row in rows], pa.bool_()),
                pa.nulls(len(rows), pa.binary()),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=CLEANED)
    except UserError as error:
        wrong = error
    counts = (wrong.message, wrong.hint) if wrong else cleaning.counts()
    row = {"place": place, "counts": pickle.dumps(counts)}
    yield pa.RecordBatch.from_pylist([row], schema=CLEANED)


def _follow(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Tell of rows in order, of which some leave because of others that leave, which ones do."""
    firsts = Firsts()
    for batch in batches:
        texts = np.asarray(batch["digest"]).view(np.uint64)
        why = firsts.leave(texts, batch["id"].to_pylist(), batch["id_taken"].to_pylist())
        leaving = pa.RecordBatch.from_arrays([batch["place"], pa.array(why)], schema=LEAVING)
        yield leaving.filter(pa.array([bool(reason) for reason in why], pa.bool_()))


def _carried_here(entries: DataFrame) -> Iterator[pa.RecordBatch]:
    """Bring entries here in order, as Arrow and a part at a time."""
    packed = entries.mapInArrow(_pack, from_arrow_schema(CARRIED))
    for (message,) in packed.toLocalIterator(prefetchPartitions=True):
        with pa.ipc.open_stream(bytes(message)) as stream:
            for batch in stream:
                yield batch.cast(ENTRIES.schema)


def _pack(batches: Batches) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        message = pa.array([sink.getvalue().to_pybytes()], pa.binary())
        yield pa.RecordBatch.from_arrays([message], schema=CARRIED)
