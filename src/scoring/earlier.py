"""What an earlier scoring answered, looked up by entry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from src.data.numbered import keys_of
from src.scoring.answering import Carried
from src.scoring.entries import whole
from src.scoring.scores import ANSWERS, columns

OPEN = 4  # files whose rows are at hand


class Earlier:
    """Finds the entries whose ids and texts are as they were.

    Memory holds 24 bytes for each row, and the rows of four files.

    Parameters
    ----------
    folder
        The scores of an earlier run.
    """

    def __init__(self, folder: Path, task: str) -> None:
        self.task, self.files = task, sorted(folder.rglob("*.parquet"))
        keys, marks, sizes = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)], [0]
        for file in self.files:
            with pq.ParquetFile(file) as opened:
                table = opened.read(["id", "text_mark"])
            keys.append(keys_of(table["id"].to_pylist()))
            marks.append(_numbers(table["text_mark"].to_pylist()))
            sizes.append(table.num_rows)
        self.starts = np.cumsum(sizes)
        found = np.concatenate(keys)
        self.order = np.argsort(found, kind="stable")
        self.keys, self.marks = found[self.order], np.concatenate(marks)[self.order]
        self._tables = OrderedDict[int, pa.Table]()

    def carried(self, batch: pa.RecordBatch, marks: list[str]) -> Carried:
        """Give what can be taken over for a part whose texts have these marks."""
        if not len(self.keys):
            everything = pa.array([True] * batch.num_rows, pa.bool_())
            return Carried(everything, columns(self.task, []), marks)
        keys = keys_of(batch["id"].to_pylist())
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        same = (self.keys[places] == keys) & (self.marks[places] == _numbers(marks))
        wanted = np.flatnonzero(same)
        rows = self._rows(self.order[places[wanted]])
        # Two ids may have one key, if hardly ever.
        told = np.asarray(
            [a == b for a, b in zip(rows["id"].to_pylist(),
                                    batch["id"].take(pa.array(wanted)).to_pylist(), strict=True)],
            np.bool_,
        )  # fmt: skip
        new = ~same
        new[wanted[~told]] = True
        rows = rows.filter(pa.array(told))
        answers = [whole(rows[field.name]) for field in ANSWERS[self.task]]
        return Carried(pa.array(new), answers, marks)

    def _rows(self, wanted: npt.NDArray[np.intp]) -> pa.Table:
        """Read rows by their numbers over all files, in the order asked for."""
        names = ["id", *(field.name for field in ANSWERS[self.task])]
        files = np.searchsorted(self.starts, wanted, side="right") - 1
        pieces, numbers = list[pa.Table](), list[npt.NDArray[np.intp]]()
        for file in np.unique(files).tolist():
            mine = np.flatnonzero(files == file)
            table = self._table(file, names)
            pieces.append(table.take(pa.array(wanted[mine] - self.starts[file])))
            numbers.append(mine)
        if not pieces:
            schema = pa.schema([("id", pa.string()), *ANSWERS[self.task]])
            return schema.empty_table()
        order = np.argsort(np.concatenate(numbers), kind="stable")
        return pa.concat_tables(pieces).take(pa.array(order))

    def _table(self, file: int, names: list[str]) -> pa.Table:
        if file not in self._tables:
            with pq.ParquetFile(self.files[file]) as opened:
                self._tables[file] = opened.read(names)
            if len(self._tables) > OPEN:
                self._tables.popitem(last=False)
        self._tables.move_to_end(file)
        return self._tables[file]


def _numbers(marks: Sequence[str]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex("".join(marks)), ">u8").astype(np.uint64)
