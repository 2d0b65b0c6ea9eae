"""The tables that steps hand each other: the only parquet reader and writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from src.data import LABELS, SIDES
from src.data.digest import Digest
from src.data.invariants import (
    Invariant,
    authors_are_pseudonyms,
    authors_on_one_side,
    complete,
    ids_unique,
    no_empty_text,
    scores_sum_to_one,
    within,
)
from src.errors import UserError

ROW_GROUP = 65_536  # entries
AUTHOR_RULE = b"author_rule"  # "waived" where an author may be on several sides
PRIVACY = b"privacy"  # to what level texts were de-identified when they were read
OURS = (AUTHOR_RULE, PRIVACY)  # the words of schema metadata that are ours


@dataclass(frozen=True)
class Artifact:
    """A table on disk: its name, its schema and what always holds in it.

    Attributes
    ----------
    name
        What it is called in messages.
    schema
        Columns and types, in order.
    invariants
        Checked on every write and on every read.
    file_by
        A column whose value names the file that a row goes to; one file for all if empty.
    """

    name: str
    schema: pa.Schema
    invariants: tuple[Invariant, ...]
    file_by: str = ""

    def write(
        self, folder: Path, batches: Iterable[pa.RecordBatch | pa.Table], stem: str = "part"
    ) -> int:
        """Write a stream of rows and give their number; on any error no file appears.

        Raises
        ------
        UserError
            The rows have another schema or break an invariant.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = dict[str, _File]()

            def file(name: str, schema: pa.Schema) -> _File:
                if name not in files:
                    files[name] = stack.enter_context(_File(folder / f"{name}.parquet", schema))
                return files[name]

            rows, schema = 0, self.schema
            for batch in self._checked(_in_batches(batches)):
                said = batch.schema.metadata or {}
                kept = {name: said[name] for name in OURS if said.get(name)}
                schema = self.schema.with_metadata(kept or None)
                rows += batch.num_rows
                if not self.file_by:
                    file(stem, schema).add(batch)
                    continue
                for name in dict.fromkeys(batch.column(self.file_by).to_pylist()):
                    mine = pc.equal(batch.column(self.file_by), name)
                    file(name, schema).add(batch.filter(mine))
            if not files:
                file(stem, schema)
        return rows

    def read(self, folder: Path, stem: str = "") -> pa.Table:
        """Read the whole table, or the one file that `stem` names.

        Raises
        ------
        UserError
            As `batches`.
        """
        found = list(self.batches(folder, stem))
        schema = found[0].schema if found else self.schema
        return pa.Table.from_batches(found, schema=schema)

    def batches(self, folder: Path, stem: str = "") -> Iterator[pa.RecordBatch]:
        """Stream the table in batches of at most 65,536 rows, files in the order of their names.

        Raises
        ------
        UserError
            There is no such file, it is cut or no parquet, or its rows have another schema or
            break an invariant.
        """
        return self._checked(_stored(folder, stem))

    def digest(self, folder: Path) -> str:
        """Digest the content: 64 hex digits, the same however the rows are stored."""
        return tables_digest(folder)

    def _checked(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass batches on until one breaks a rule; then only count to the end."""
        checks = [(invariant.rule, invariant.start()) for invariant in self.invariants]
        broken = Counter[str]()
        for batch in batches:
            self._check_schema(batch.schema)
            for rule, check in checks:
                broken[rule] += check(batch)
            if not broken.total():
                yield batch
        for rule, count in broken.items():
            if count:
                raise UserError(
                    f"{self.name} must have {rule}; {count:,} do not hold to it.",
                    "Run the step that wrote them again.",
                )

    def _check_schema(self, schema: pa.Schema) -> None:
        ours, theirs = set(self.schema.names), set(schema.names)
        for problem, names in (("lack", ours - theirs), ("have unknown", theirs - ours)):
            if names:
                raise UserError(f"{self.name} {problem} columns: {', '.join(sorted(names))}.")
        if schema.names != self.schema.names:
            raise UserError(f"{self.name} must have columns in the order {self.schema.names}.")
        for field in self.schema:
            if schema.field(field.name).type != field.type:
                raise UserError(
                    f"{self.name}: column {field.name} is {schema.field(field.name).type}, "
                    f"not {field.type}."
                )


class _File:
    """A parquet file in the making; it gets its name only when it is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.partial = path, path.with_suffix(".partial")
        self.schema = schema
        self.waiting = list[pa.RecordBatch]()

    def __enter__(self) -> _File:
        self.writer = pq.ParquetWriter(self.partial, self.schema, compression="zstd")
        return self

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep rows until they fill a row group."""
        self.waiting.append(batch.replace_schema_metadata(self.schema.metadata))
        while sum(b.num_rows for b in self.waiting) >= ROW_GROUP:
            table = pa.Table.from_batches(self.waiting, self.schema)
            self.writer.write_table(table.slice(0, ROW_GROUP), row_group_size=ROW_GROUP)
            self.waiting = table.slice(ROW_GROUP).to_batches()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self.waiting:
            self.writer.write_table(pa.Table.from_batches(self.waiting, self.schema))
        self.writer.close()
        if kind is None:
            self.partial.replace(self.path)
        else:
            self.partial.unlink()


class FilesDigest:
    """The digest of parquet files that are taken in one after the other, as one table.

    The same rows give the same digest however they are cut into files, row groups and chunks,
    compressed and described; the order of rows, the schema and nulls count. Authors count by the
    order of their first entries, not by their pseudonyms.
    """

    def __init__(self) -> None:
        self._files = list[Path]()
        self._digest: Digest | None = None

    def add(self, file: Path) -> None:
        """Take in the next file."""
        self._files.append(file)
        for batch in _stored(file):
            self._digest = self._digest or Digest(batch.schema)
            if not batch.schema.equals(self._digest.schema):
                raise UserError(f"{file.name} has other columns than {self._files[0].name}.")
            self._digest.update(batch)

    def hexdigest(self) -> str:
        """Give 64 hex digits, once a file was taken in."""
        return (self._digest or Digest(pq.read_schema(self._files[0]))).hexdigest()


def tables_digest(path: Path) -> str:
    """Digest the content of a parquet file, or of all in a folder as one table."""
    digest = FilesDigest()
    for file in _files(path):
        digest.add(file)
    return digest.hexdigest()


def _files(path: Path, stem: str = "") -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob(f"{stem or '*'}.parquet"))
    if not found:
        raise UserError(f"there is no {stem or '*'}.parquet in {path}.")
    return found


def _stored(path: Path, stem: str = "") -> Iterator[pa.RecordBatch]:
    for file in _files(path, stem):
        try:
            # Otherwise Arrow holds on to what it has read, up to the whole file.
            with pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20) as opened:
                yield from opened.iter_batches(batch_size=ROW_GROUP)
        except (pa.ArrowInvalid, OSError):
            raise UserError(
                f"{file.name} is cut or not a parquet file.", "Run the step that wrote it again."
            ) from None


def _in_batches(batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if isinstance(batch, pa.Table):
            yield from batch.to_batches()
        else:
            yield batch


_COLUMNS = [
    pa.field("id", pa.string()),
    pa.field("text", pa.string()),
    pa.field("author", pa.string()),
    pa.field("created_at", pa.timestamp("us", tz="UTC")),
    pa.field("label", pa.string()),
    pa.field("score", pa.float64()),
    pa.field("topics", pa.list_(pa.string())),
    pa.field("source", pa.string()),
]

ENTRIES = Artifact(
    "entries",
    pa.schema(_COLUMNS),
    (
        complete("id", "text", "source"),
        ids_unique(),
        no_empty_text(),
        within("label", LABELS),
        authors_are_pseudonyms(),
    ),
)

SPLITS = Artifact(
    "splits",
    pa.schema([*_COLUMNS, pa.field("split", pa.string())]),
    (*ENTRIES.invariants, complete("split"), within("split", SIDES), authors_on_one_side()),
    file_by="split",
)


def predictions(columns: Iterable[pa.Field], truth: pa.DataType | None = None) -> Artifact:
    """Describe the predictions of a model: `id`, `truth`, then the model's own output columns.

    Parameters
    ----------
    columns
        The output columns: fields, or a schema.
    truth
        The type of the truth, where it is no label: a list of topics, for example.
    """
    truth = truth or pa.string()
    schema = pa.schema([pa.field("id", pa.string()), pa.field("truth", truth), *columns])
    scores = [
        scores_sum_to_one(field.name)
        for field in schema
        if field.name == "all_scores" and pa.types.is_struct(field.type)
    ]
    return Artifact("predictions", schema, (complete("id"), ids_unique(), *scores))
