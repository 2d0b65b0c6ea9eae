"""A digest of what tables say, whatever their chunks, files and compression."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from src.data.numbered import Numbered, keys_of

LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


class Digest:
    """The sha256 of a stream of batches: of its schema, its row order, its nulls and its values.

    Each column feeds streams of its own (which values are there, how long they are, their bytes),
    so that where one batch ends and the next begins leaves no trace. Authors enter by the rank of
    their first appearance, so that the key behind their pseudonyms leaves none either.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._streams: defaultdict[tuple[str, ...], Any] = defaultdict(hashlib.sha256)
        self._authors = Numbered()

    def update(self, batch: pa.RecordBatch) -> None:
        """Take the next batch in."""
        if not batch.num_rows:
            return
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name == "author":
                self._there((name,), column)
                ranks = self._authors.number(keys_of(column.drop_null().to_pylist()))
                self._streams[(name, "value")].update(ranks.astype("int64").tobytes())
            else:
                self._feed((name,), column)

    def hexdigest(self) -> str:
        """Give 64 hex digits."""
        fields = [(field.name, str(field.type)) for field in self.schema]
        streams = [(path, self._streams[path].hexdigest()) for path in sorted(self._streams)]
        return hashlib.sha256(repr((fields, streams)).encode()).hexdigest()

    # Buffers on purpose: values that leave Arrow for numpy would import pandas, half a second.

    def _feed(self, path: tuple[str, ...], column: pa.Array) -> None:
        self._there(path, column)
        column = column.drop_null()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind = column.type
        if pa.types.is_struct(kind):
            for field, child in zip(kind, column.flatten(), strict=True):
                self._feed((*path, "field", field.name), child)
        elif any(is_list(kind) for is_list in LISTS):
            self._numbers((*path, "length"), pc.list_value_length(column))
            self._feed((*path, "item"), column.flatten())
        elif pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            self._numbers((*path, "value"), column)
        elif pa.types.is_integer(kind) or pa.types.is_temporal(kind):
            self._numbers((*path, "value"), column.cast(pa.int64(), safe=False))
        elif not pa.types.is_null(kind):
            column = column.cast(pa.large_string())
            self._numbers((*path, "length"), pc.binary_length(column))
            if len(column):
                offsets = _values(column).cast("q")
                text = memoryview(column.buffers()[2] or b"")[offsets[0] : offsets[-1]]
                self._streams[(*path, "value")].update(text)

    def _there(self, path: tuple[str, ...], column: pa.Array) -> None:
        self._numbers((*path, "there"), pc.is_valid(column))

    def _numbers(self, path: tuple[str, ...], column: pa.Array) -> None:
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.uint8())
        self._streams[path].update(_values(column))


def _values(column: pa.Array) -> memoryview:
    """Give the bytes of numbers without nulls, or the offsets into the bytes of words."""
    width = 8 if pa.types.is_large_string(column.type) else column.type.bit_width // 8
    end = column.offset + len(column) + pa.types.is_large_string(column.type)
    return memoryview(column.buffers()[1] or b"")[column.offset * width : end * width]
