"""CSV, JSON Lines and parquet files: the columns of one, and its rows by role."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from src.data.sources import encodings
from src.data.sources.columns import match, wanted
from src.data.sources.encodings import Utf8
from src.data.sources.source import IngestParams
from src.data.sources.stored import PACKED, Stored, endings
from src.errors import UserError
from src.pipeline.step import param

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.raw import Row

HEAD = 1_000  # rows of JSON Lines that tell which columns there are
LONGEST = 64 * 2**20  # characters of one CSV cell or one line of JSON: beyond, it is no such file


@dataclass(frozen=True)
class FileParams(IngestParams):
    """What sources of files take besides."""

    encoding: str = param(
        encodings.DETECT, "Encoding of CSV and JSONL, like cp1252; found out if detect"
    )


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

    columns: Callable[[Stored, FileParams], list[str]]
    tables: Callable[[Stored, FileParams], Iterator[pa.Table]]


def ending_of(name: str) -> str:
    """Give the ending by which a file's format is known, "" where it is not."""
    ending, packing = endings(name)
    return ending if ending in BY_ENDING and not (packing and ending == ".parquet") else ""


def check_ending(name: str) -> None:
    """Check that a file's ending is a known one.

    Raises
    ------
    UserError
        It is not.
    """
    if not ending_of(name):
        last = name.rpartition("/")[2]
        ending = "." + last.rpartition(".")[2] if "." in last else "nothing"
        raise UserError(
            f"{last} ends in {ending}; known are {ENDINGS}.",
            "Save it as one of these, or narrow the glob.",
        )


def check(files: Iterable[Stored], params: FileParams) -> None:
    """Check that every file has content and a column of texts, and all the same roles.

    Raises
    ------
    UserError
        The first thing that is wrong.
    """
    encodings.check(params.encoding)
    first: tuple[str, set[str]] | None = None
    for file in files:
        if not file.size:
            raise UserError(f"{file.name} is empty.", "Name a file with a header and rows.")
        columns = BY_ENDING[file.ending].columns(file, params)
        if not any(columns):
            raise UserError(f"{file.name} has no columns.", "Name a file with a header and rows.")
        roles = set(match(columns, params, file.name))
        first = first or (file.name, roles)
        # A row of JSON Lines may leave out what others have.
        if roles != first[1] and BY_ENDING[file.ending] is not JSON_LINES:
            differ = ", ".join(sorted(roles ^ first[1]))
            raise UserError(
                f"{first[0]} and {file.name} do not have the same columns: {differ}.",
                "Give them the same columns, or ingest one of them.",
            )


def read(files: Iterable[Stored], params: FileParams) -> Iterator[pa.Table]:
    """Stream the files' rows as tables of `src.data.raw.RAW`, which tell how much is read."""
    from src.data.raw import place_of, placed

    files = list(files)
    before, size = 0, sum(file.size for file in files)
    for file in files:
        for table in BY_ENDING[file.ending].tables(file, params):
            yield placed(table, (before + file.size * (place_of(table) or 0)) / size)
        before += file.size


def read_groups(file: Stored, params: FileParams, groups: range) -> Iterator[pa.Table]:
    """Stream the rows of some row groups of a parquet file."""
    return _parquet_tables(file, params, groups)


def _malformed(
    file: Stored, row: int, what: str, hint: str = "Correct or remove that row."
) -> UserError:
    return UserError(f"{file.name}, row {row:,}: {what}.", hint)


def _noted(
    tables: Iterator[pa.Table], file: Stored, utf8: Utf8, place: Callable[[], float]
) -> Iterator[pa.Table]:
    """Write beside the rows which encoding was found, and how far in the file they are."""
    from src.data.raw import noted, placed

    for table in tables:
        here = placed(table, place())
        yield noted(here, f"{file.name} as {utf8.note}") if utf8.note else here


def _csv_rows(file: Stored, lines: Iterable[str], first: str) -> Iterator[list[str]]:
    """Read the header and then every row, all of the header's length; blank lines are none."""
    csv.field_size_limit(LONGEST)
    number = 0
    # Spreadsheets of many countries part columns by semicolons.
    delimiter = max(",;\t", key=first.count)
    try:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        header = next(filter(None, rows), [])
        yield header
        for number, row in enumerate(filter(None, rows), 1):
            if len(row) != len(header):
                what = f"{len(row)} cells where the header has {len(header)}"
                raise _malformed(file, number, what)
            yield row
    except csv.Error:
        raise _malformed(file, number + 1, "its quotes do not close as they should") from None


def _lines(text: Any) -> tuple[str, Iterator[str]]:
    """Give the first line, and all lines; one that is too long comes in pieces."""
    first = text.readline(LONGEST + 1)

    def lines() -> Iterator[str]:
        yield first
        yield from iter(lambda: text.readline(LONGEST + 1), "")

    return first, lines()


def _csv_columns(file: Stored, params: FileParams) -> list[str]:
    with file.text(params.encoding) as (text, *_):
        first, lines = _lines(text)
        return next(_csv_rows(file, lines, first))


def _csv_tables(file: Stored, params: FileParams) -> Iterator[pa.Table]:
    from src.data.raw import tables, topic_list

    with file.text(params.encoding) as (text, utf8, place):
        first, lines = _lines(text)
        rows = _csv_rows(file, lines, first)
        header = next(rows)
        roles = match(header, params, file.name)
        places = [(role, header.index(name)) for role, name in roles.items() if role != "topics"]
        topics = header.index(roles["topics"]) if "topics" in roles else None

        def by_role() -> Iterator[Row]:
            for cells in rows:
                row: Row = {role: cells[place] or None for role, place in places}
                row["source"] = file.name
                if topics is not None:
                    row["topics"] = topic_list(cells[topics])
                yield row

        yield from _noted(tables(by_role()), file, utf8, place)


def _json_rows(file: Stored, text: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(iter(lambda: text.readline(LONGEST + 1), ""), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise _malformed(
                file,
                number,
                "not one JSON object on one line",
                f"A JSON array becomes JSON Lines by: jq -c '.[]' {file.name}",
            )
        yield number, row


def _json_columns(file: Stored, params: FileParams) -> list[str]:
    names = dict[str, None]()
    with file.text(params.encoding) as (text, *_):
        for _, row in islice(_json_rows(file, text), HEAD):
            names |= dict.fromkeys(row)
    return list(names)


def _json_tables(file: Stored, params: FileParams) -> Iterator[pa.Table]:
    from src.data.raw import tables, topic_list

    names_of = wanted(params)

    def by_role(text: Any) -> Iterator[Row]:
        for number, cells in _json_rows(file, text):
            # Objects may leave columns out, so each is looked at by itself.
            lower = {name.strip().lower(): cell for name, cell in reversed(cells.items())}
            row: Row = {"source": file.name}
            for role, names in names_of.items():
                cell = next((lower[name] for name in names if name in lower), None)
                if role == "topics":
                    words = topic_list(cell) if isinstance(cell, str) else cell or []
                    if not isinstance(words, list):
                        raise _malformed(file, number, "its topics are neither words nor a list")
                    row[role] = [_word(word) for word in words if word is not None]
                elif isinstance(cell, dict | list):
                    raise _malformed(file, number, f"its {role} is not one value")
                else:
                    row[role] = None if cell is None else _word(cell)
            yield row

    with file.text(params.encoding) as (text, utf8, place):
        yield from _noted(tables(by_role(text)), file, utf8, place)


def _word(cell: Any) -> str:
    """Write a JSON value out; half a surrogate pair, which JSON can hold, becomes U+FFFD."""
    if isinstance(cell, str):
        if cell.isascii():
            return cell
        return cell.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(cell)


def _parquet_columns(file: Stored, params: FileParams) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.opened() as opened:
            return list(pq.read_schema(opened).names)
    except (pa.ArrowInvalid, OSError):
        raise _no_parquet(file) from None


def _no_parquet(file: Stored) -> UserError:
    return UserError(f"{file.name} is cut or not a parquet file.", "Write it again.")


def row_groups(file: Stored, rows: int) -> Iterator[tuple[int, range]]:
    """Cut a parquet file into runs of row groups of at least so many rows: the row of its first.

    Raises
    ------
    UserError
        It is no parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.opened() as opened:
            found = pq.read_metadata(opened)
    except (pa.ArrowInvalid, OSError):
        raise _no_parquet(file) from None
    first, start, waiting = 0, 0, 0
    for group in range(found.num_row_groups):
        waiting += found.row_group(group).num_rows
        if waiting >= rows or group + 1 == found.num_row_groups:
            yield start, range(first, group + 1)
            first, start, waiting = group + 1, start + waiting, 0


def _parquet_tables(
    file: Stored, params: FileParams, groups: range | None = None
) -> Iterator[pa.Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from src.data.raw import ROWS, placed

    done = 0
    roles = match(_parquet_columns(file, params), params, file.name)
    try:
        with file.opened() as opened, pq.ParquetFile(opened, pre_buffer=False) as parquet:
            batches = parquet.iter_batches(
                batch_size=ROWS,
                columns=list(roles.values()),
                row_groups=None if groups is None else list(groups),
            )
            for batch in batches:
                done += batch.num_rows
                yield placed(arrow_table(batch, roles, file.name), done / parquet.metadata.num_rows)
    except (pa.ArrowInvalid, OSError):
        raise _no_parquet(file) from None


def arrow_table(batch: pa.RecordBatch, roles: Mapping[str, str], name: str) -> pa.Table:
    """Turn a batch of whatever columns into a table of `src.data.raw.RAW`.

    Parameters
    ----------
    batch
        The rows.
    roles
        The column of each role.
    name
        What their file is called.

    Raises
    ------
    UserError
        A column is of a type that cannot be its role's.
    """
    import pyarrow as pa

    from src.data.raw import RAW, topic_list

    def column(role: str) -> pa.Array:
        if role == "source":
            return pa.array([name] * batch.num_rows, pa.string())
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
                f"{name}: column {roles[role]} holds {cells.type}, no {role}.",
                f"Name another: -P {role}_column=NAME",
            ) from None

    return pa.Table.from_arrays([column(role) for role in RAW.names], schema=RAW)


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
ENDINGS = f"{', '.join(BY_ENDING)}, and all but parquet with {' or '.join(PACKED)} behind it"
