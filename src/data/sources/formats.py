"""CSV, JSON Lines and parquet files: the columns of one, and its rows by role."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.sources.columns import match, wanted
from src.data.sources.source import IngestParams
from src.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.raw import Row

HEAD = 1_000  # rows of JSON Lines that tell which columns there are
LONGEST = 64 * 2**20  # characters of one CSV cell: beyond, a quote was not closed


@dataclass(frozen=True)
class Format:
    """How one kind of file is read.

    Attributes
    ----------
    columns
        Names the columns from the head of a file.
    tables
        Streams tables of `src.data.raw.RAW`.
    """

    columns: Callable[[Path], list[str]]
    tables: Callable[[Path, IngestParams], Iterator[pa.Table]]


def _malformed(
    path: Path, row: int, what: str, hint: str = "Correct or remove that row."
) -> UserError:
    return UserError(f"{path.name}, row {row:,}: {what}.", hint)


def _not_utf8(path: Path) -> UserError:
    """Find the first byte that is not UTF-8."""
    decoder, start = codecs.getincrementaldecoder("utf-8")(), 0
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(2**20), b""):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                start += error.start - held
                break
            start += len(chunk)
    return UserError(
        f"{path.name} is not UTF-8: byte {start:,} cannot be read.", "Save it again as UTF-8."
    )


def _csv_rows(path: Path) -> Iterator[list[str]]:
    """Read the header and then every row, all of the header's length; blank lines are none."""
    csv.field_size_limit(LONGEST)
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline(2**20)
            file.seek(0)
            # Spreadsheets of many countries part columns by semicolons.
            delimiter = max(",;\t", key=first.count)
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(filter(None, rows), [])
            yield header
            for number, row in enumerate(filter(None, rows), 1):
                if len(row) != len(header):
                    what = f"{len(row)} cells where the header has {len(header)}"
                    raise _malformed(path, number, what)
                yield row
    except csv.Error:
        raise _malformed(path, number + 1, "its quotes do not close as they should") from None
    except UnicodeDecodeError:
        raise _not_utf8(path) from None


def _csv_columns(path: Path) -> list[str]:
    return next(_csv_rows(path))


def _csv_tables(path: Path, params: IngestParams) -> Iterator[pa.Table]:
    from src.data.raw import tables, topic_list

    rows = _csv_rows(path)
    header = next(rows)
    roles = match(header, params, path.name)
    places = [(role, header.index(column)) for role, column in roles.items() if role != "topics"]
    topics = header.index(roles["topics"]) if "topics" in roles else None

    def by_role() -> Iterator[Row]:
        for cells in rows:
            row: Row = {role: cells[place] or None for role, place in places}
            row["source"] = path.name
            if topics is not None:
                row["topics"] = topic_list(cells[topics])
            yield row

    yield from tables(by_role())


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                words = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise _not_utf8(path) from None
            if not words.strip():
                continue
            try:
                row = json.loads(words)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise _malformed(
                    path,
                    number,
                    "not one JSON object on one line",
                    f"A JSON array becomes JSON Lines by: jq -c '.[]' {path.name}",
                )
            yield number, row


def _json_columns(path: Path) -> list[str]:
    names = dict[str, None]()
    for _, row in islice(_json_rows(path), HEAD):
        names |= dict.fromkeys(row)
    return list(names)


def _json_tables(path: Path, params: IngestParams) -> Iterator[pa.Table]:
    from src.data.raw import tables, topic_list

    names_of = wanted(params)

    def by_role() -> Iterator[Row]:
        for number, cells in _json_rows(path):
            # Objects may leave columns out, so each is looked at by itself.
            lower = {name.strip().lower(): cell for name, cell in reversed(cells.items())}
            row: Row = {"source": path.name}
            for role, names in names_of.items():
                cell = next((lower[name] for name in names if name in lower), None)
                if role == "topics":
                    words = topic_list(cell) if isinstance(cell, str) else cell or []
                    if not isinstance(words, list):
                        raise _malformed(path, number, "its topics are neither words nor a list")
                    row[role] = [_word(word) for word in words if word is not None]
                elif isinstance(cell, dict | list):
                    raise _malformed(path, number, f"its {role} is not one value")
                else:
                    row[role] = None if cell is None else _word(cell)
            yield row

    yield from tables(by_role())


def _word(cell: Any) -> str:
    """Write a JSON value out; half a surrogate pair, which JSON can hold, becomes U+FFFD."""
    if isinstance(cell, str):
        if cell.isascii():
            return cell
        return cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(cell)


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError):
        raise _no_parquet(path) from None


def _no_parquet(path: Path) -> UserError:
    return UserError(f"{path.name} is cut or not a parquet file.", "Write it again.")


def _parquet_tables(path: Path, params: IngestParams) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from src.data.raw import RAW, ROWS, topic_list

    roles = match(_parquet_columns(path), params, path.name)

    def column(batch: pa.RecordBatch, role: str) -> pa.Array:
        if role == "source":
            return pa.array([path.name] * batch.num_rows, pa.string())
        if role not in roles:
            return pa.nulls(batch.num_rows, RAW.field(role).type)
        cells = batch.column(roles[role])
        if role == "topics" and not pa.types.is_nested(cells.type):
            words = cells.cast(pa.string()).to_pylist()
            return pa.array([topic_list(word or "") for word in words], RAW.field(role).type)
        try:
            return cells.cast(RAW.field(role).type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise UserError(
                f"{path.name}: column {roles[role]} holds {cells.type}, no {role}.",
                f"Name another: -P {role}_column=NAME",
            ) from None

    try:
        with pq.ParquetFile(path) as opened:
            for batch in opened.iter_batches(batch_size=ROWS, columns=list(roles.values())):
                arrays = [column(batch, role) for role in RAW.names]
                yield pa.Table.from_arrays(arrays, schema=RAW)
    except (pa.ArrowInvalid, OSError):
        raise _no_parquet(path) from None


CSV = Format(_csv_columns, _csv_tables)
JSON_LINES = Format(_json_columns, _json_tables)
PARQUET = Format(_parquet_columns, _parquet_tables)

BY_ENDING = {
    ".csv": CSV,
    ".tsv": CSV,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": JSON_LINES,
    ".parquet": PARQUET,
}
