"""A digest of what tables say, whatever their chunks, files and compression."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Digest:
    """The sha256 of a stream of batches: of its schema, its row order, its nulls and its values.

    Each column feeds streams of its own (which values are there, how long they are, their bytes),
    so that where one batch ends and the next begins leaves no trace. Authors enter by the rank of
    their first appearance, so that the key behind their pseudonyms leaves none either.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._streams: defaultdict[tuple[str, ...], Any] = defaultdict(hashlib.sha256)
        self._ranks = dict[str, int]()

    def update(self, batch: pa.RecordBatch) -> None:
        """Take the next batch in."""
        if not batch.num_rows:
            return
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name == "author":
                ranks = [
                    None if author is None else self._ranks.setdefault(author, len(self._ranks))
                    for author in column.to_pylist()
                ]
                column = pa.array(ranks, pa.int64())
            self._feed((name,), column)

    def hexdigest(self) -> str:
        """Give 64 hex digits."""
        fields = [(field.name, str(field.type)) for field in self.schema]
        streams = [(path, self._streams[path].hexdigest()) for path in sorted(self._streams)]
        return hashlib.sha256(repr((fields, streams)).encode()).hexdigest()

    def _feed(self, path: tuple[str, ...], column: pa.Array) -> None:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        there = pc.is_valid(column).to_numpy(zero_copy_only=False)
        self._streams[(*path, "there")].update(there.astype(np.uint8).tobytes())
        if pa.types.is_null(kind):
            return
        if pa.types.is_struct(kind):
            for field, child in zip(kind, column.flatten(), strict=True):
                self._feed((*path, "field", field.name), child)
        elif (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
        ):
            self._numbers((*path, "length"), pc.list_value_length(column))
            self._feed((*path, "item"), column.flatten())
        elif pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            self._numbers((*path, "value"), column)
        elif pa.types.is_integer(kind) or pa.types.is_temporal(kind):
            self._numbers((*path, "value"), column.cast(pa.int64(), safe=False))
        else:
            self._words(path, column.cast(pa.large_string()))

    def _numbers(self, path: tuple[str, ...], column: pa.Array) -> None:
        numbers = pc.fill_null(column, column.type.to_pandas_dtype()(0))
        values = numbers.to_numpy(zero_copy_only=False)
        self._streams[path].update(values.astype(values.dtype.newbyteorder("<")).tobytes())

    def _words(self, path: tuple[str, ...], column: pa.Array) -> None:
        self._numbers((*path, "length"), pc.binary_length(column))
        column = pc.fill_null(column, "")
        offsets = np.frombuffer(column.buffers()[1], np.int64)
        start, end = offsets[column.offset], offsets[column.offset + len(column)]
        if end > start:
            self._streams[(*path, "value")].update(column.buffers()[2][start:end])
