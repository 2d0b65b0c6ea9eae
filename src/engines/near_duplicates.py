"""Near-duplicates found by Spark: the pairs that `src.data.near_duplicates` compares, by joins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema

from src.data.near_duplicates import CHUNK, CROWD, Places, alike, sketched

HANDED = 2  # batches of texts, as they are read, that are handed to the workers at once

TEXTS = pa.schema([pa.field("place", pa.int64()), pa.field("text", pa.string())])
SKETCHED = pa.schema(
    [*TEXTS, pa.field("bands", pa.list_(pa.int64())), pa.field("whole", pa.int64())]
)
NEAR = pa.schema([pa.field("near", pa.int64())])


class SparkNearDuplicates:
    """Stands for `NearDuplicates`; the texts and their sketches lie with the workers."""

    def __init__(
        self,
        session: SparkSession,
        read: Callable[[], Iterable[Sequence[str]]],
        told: Callable[[int], None] = lambda texts: None,
    ) -> None:
        self._session, self._read, self._told = session, read, told

    def __enter__(self) -> SparkNearDuplicates:
        frames, done, runs = list[DataFrame](), 0, iter(self._read())
        while texts := [text for run in islice(runs, HANDED) for text in run]:
            places = pa.array(np.arange(done, done := done + len(texts)))
            table = pa.table([places, pa.array(texts, pa.string())], schema=TEXTS)
            frame = self._session.createDataFrame(table).mapInArrow(
                _sketch, from_arrow_schema(SKETCHED)
            )
            frames.append(frame.localCheckpoint())
            self._told(done)
        self._texts = reduce(DataFrame.union, frames)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._texts

    def near(self, asked: Places, others: Places) -> npt.NDArray[np.bool_]:
        """Tell of each text asked about whether one of the others is nearly the same.

        Parameters
        ----------
        asked, others
            Places of texts, `(n_asked,)` and `(n_others,)`.
        """
        if not len(asked) or not len(others):
            return np.zeros(len(asked), dtype=np.bool_)
        wordy = self._texts.where("whole is not null")
        rank = pa.table({"place": others, "rank": np.arange(len(others))})
        ranked = wordy.join(self._session.createDataFrame(rank), "place")
        # Of texts with the same shingles one stands for all.
        same = Window.partitionBy("whole").orderBy("rank")
        firsts = ranked.withColumn("nth", F.row_number().over(same)).where("nth = 1")
        crowd = Window.partitionBy("band", "key").orderBy("rank")
        theirs = firsts.select("rank", F.col("place").alias("other"), F.posexplode("bands"))
        theirs = theirs.toDF("rank", "other", "band", "key")
        theirs = theirs.withColumn("nth", F.row_number().over(crowd)).where(f"nth <= {CROWD}")
        mine = wordy.join(self._session.createDataFrame(pa.table({"place": asked})), "place")
        mine = mine.select("place", F.posexplode("bands")).toDF("near", "band", "key")
        pairs = mine.join(theirs, ["band", "key"]).select("near", "other").distinct()
        texts = self._texts.select("place", "text")
        pairs = pairs.join(texts.toDF("near", "one_text"), "near")
        pairs = pairs.join(texts.toDF("other", "other_text"), "other")
        pairs = pairs.select("near", "one_text", "other_text")
        found = pairs.mapInArrow(_compare, from_arrow_schema(NEAR)).distinct().toArrow()
        return np.isin(asked, np.asarray(found["near"]))


def _sketch(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sketch texts on a worker; those without words get no bands."""
    for batch in (
        part.slice(start, CHUNK) for part in batches for start in range(0, part.num_rows, CHUNK)
    ):
        found = sketched(batch["text"].to_pylist())
        bands = pa.FixedSizeListArray.from_arrays(
            pa.array(found.bands.view(np.int64).reshape(-1)), found.bands.shape[1]
        )
        columns = [
            *batch.columns,
            bands.cast(SKETCHED.field("bands").type),
            pa.array(found.whole, mask=~found.has_words),
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=SKETCHED)


def _compare(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Compare pairs exactly on a worker, and give the place of each that is near."""
    for batch in batches:
        pairs = zip(batch["one_text"].to_pylist(), batch["other_text"].to_pylist(), strict=True)
        near = pa.array([alike(*pair) for pair in pairs], pa.bool_())
        yield pa.RecordBatch.from_arrays([batch["near"].filter(near)], schema=NEAR)
