"""`source=postgresql://host/db`: the application's own table, a view or a query.

Everything is read in one transaction that changes nothing and sees one moment. A later reading
compares all ids and versions with those of the reading before, and asks only for the texts that
are new or changed. A version is a hash of `modified_at` and, for a table, of `xmin`, the
transaction that wrote the row: an update is seen even if it left `modified_at` as it was, and so
is one that was begun before the last reading and committed after it. Freezing does not change
`xmin`; a dump that is restored changes all of them, and then all is read anew once. Where there is
neither, the version is a hash of all that is read.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.labels import MOOD_CUTS
from src.data.postgresql.relation import WHOLE, Relation, literal
from src.data.sources.columns import match
from src.data.sources.source import IngestParams, Reading, Source
from src.errors import UserError
from src.pipeline.caller import caller_folder
from src.pipeline.step import param

if TYPE_CHECKING:
    import pyarrow as pa

    from src.data.postgresql.session import Session

AT_ONCE = 16_384  # rows compared with the earlier reading, and texts asked for, at a time
MOOD = "mood_score"  # the application's column: 1 to 10, whatever of it occurs
CHANGED = ("modified_at", "updated_at")


@dataclass(frozen=True)
class PostgresParams(IngestParams):
    """What to read of a database."""

    table: str = param("", "A table or view of the database, like source.journals")
    query: str = param("", "A query instead of a table: @file.sql", content=False)
    modified_at_column: str = param("", "Column that changes with its row; modified_at if empty")

    @property
    def cuts(self) -> tuple[float, float]:
        """What `cut_points` says, else the cut points of a mood from 1 to 10."""
        return super().cuts or MOOD_CUTS


def what(params: PostgresParams) -> str:
    """Name what is read, for messages.

    Raises
    ------
    UserError
        It is neither a table nor a query, or both.
    """
    if bool(params.table) == bool(params.query):
        raise UserError(
            "a database needs a table or a query to read, and only one of them.",
            "-P table=source.journals, or -P query=@file.sql",
        )
    if params.table:
        return f"the table {params.table}"
    if not params.query.startswith("@"):
        raise UserError("query names a file that holds it.", "-P query=@file.sql")
    return f"the query in {query_file(params).name}"


def query_file(params: PostgresParams) -> Path:
    """Find the file of the query."""
    return caller_folder() / Path(params.query.removeprefix("@")).expanduser()


def query_text(params: PostgresParams) -> str:
    """Read the query, without the semicolon at its end.

    Raises
    ------
    UserError
        There is none.
    """
    file = query_file(params)
    try:
        text = file.read_text(encoding="utf-8-sig").strip().rstrip("; \n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not UTF-8"
        raise UserError(f"{file} cannot be read: {why}.", "-P query=@file.sql") from None
    if not text:
        raise UserError(f"{file} is empty.", "Write one SELECT in it.")
    return text


def find_table(asked: Session, params: PostgresParams) -> Relation:
    """Look a table up; the server reads its name and writes it again with quotes."""
    rows = asked.ask(
        "SELECT c.relkind::text AS kind, format('%I.%I', n.nspname, c.relname) AS name, "  # noqa: S608
        "a.attname::text AS column, "
        "coalesce(b.typname, t.typname)::text AS type, "
        "coalesce(has_column_privilege(c.oid, a.attnum, 'SELECT'), false) AS readable, "
        "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique "
        "AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts = 1 "
        "AND i.indkey[0] = a.attnum AND a.attnotnull) AS key "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid "
        "LEFT JOIN pg_type b ON b.oid = t.typbasetype "
        f"WHERE c.oid = to_regclass({literal(params.table)}) AND NOT a.attisdropped "
        "AND (a.attnum > 0 OR a.attname = 'xmin' AND c.relkind IN ('r', 'p', 'm')) "
        "ORDER BY a.attnum < 0, a.attnum"
    )
    if not rows:
        raise UserError(
            f"there is no table {params.table} in the database.",
            "Name it with its schema: -P table=source.journals; a name with capitals needs quotes.",
        )
    columns = {row["column"]: row["type"] for row in rows if row["readable"]}
    if not set(columns) - {"xmin"}:
        raise UserError(
            f"reading {asked.what} is not permitted.",
            f"GRANT SELECT ON {rows[0]['name']} TO the user, and USAGE on its schema.",
        )
    name, keys = rows[0]["name"], {row["column"] for row in rows if row["key"]}
    return relation(params, name, f"{name} AS q", columns, keys)


def relation(
    params: PostgresParams, name: str, sql: str, columns: dict[str, str], keys: set[str]
) -> Relation:
    """Find out what the columns are for.

    Raises
    ------
    UserError
        There are no texts, or scores of an unknown scale.
    """
    written = columns.pop("xmin", None)
    roles = match(columns, params, name)
    scored = roles.get("score", MOOD)
    if "label" not in roles and scored.lower() != MOOD and not params.cut_points:
        raise UserError(
            f"of which scale are the scores in {scored}?",
            "Say up to where they are negative and from where positive: -P cut_points=LOW,HIGH",
        )
    lower = {column.lower(): column for column in reversed(columns)}
    named = params.modified_at_column
    versions = (
        [lower[n] for n in (named.lower(),) if n in lower]
        if named
        else [lower[n] for n in CHANGED if n in lower][:1]
    )
    if named and not versions:
        has = ", ".join(columns)
        raise UserError(
            f"modified_at_column={named} is not there: {name} has the columns {has}.",
            "-P modified_at_column=NAME",
        )
    if written is not None:
        versions.append("xmin")
    return Relation(name, sql, columns, roles, tuple(versions), roles.get("id", "") in keys)


def find_relation(asked: Session, params: PostgresParams) -> Relation:
    """Find out what is to be read, and what its columns are for."""
    if params.table:
        return find_table(asked, params)
    # The line break ends a comment at the query's end.
    sql = f"(\n{query_text(params)}\n) AS q"
    columns = asked.columns(f"SELECT * FROM {sql}")  # noqa: S608 - the user's own query
    return relation(params, query_file(params).name, sql, columns, set())


def content(asked: Session, found: Relation) -> tuple[int, str]:
    """Count the rows, and digest which versions of which rows there are, whatever their order."""
    (row,) = asked.ask(
        f"SELECT count(*) AS rows, coalesce(sum({found.version(0)}), 0)::text AS total "  # noqa: S608
        f"FROM {found.sql}"
    )
    sql = "" if found.sql.startswith(found.name) else found.sql
    held = [found.name, sql, found.values, found.versions, row["rows"], row["total"]]
    return row["rows"], hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def check(params: PostgresParams) -> None:
    """Connect, and find the table and its columns.

    Raises
    ------
    UserError
        The database cannot be reached, or holds nothing that can be read.
    """
    from src.data.postgresql.session import session

    subject = what(params)
    if params.query:
        query_text(params)
    with session(params.source, subject) as asked:
        find_relation(asked, params)


def fingerprint(params: PostgresParams) -> str:
    """Digest which versions of which rows there are; the server computes it."""
    from src.data.postgresql.session import session

    with session(params.source, what(params)) as asked:
        return content(asked, find_relation(asked, params))[1]


def read(params: PostgresParams) -> Iterator[pa.Table]:
    """Stream all rows as tables of `src.data.raw.RAW`."""
    with tempfile.TemporaryDirectory() as folder:
        yield from read_on(params, Reading(dict, Path(folder) / "versions"))


def read_on(params: PostgresParams, reading: Reading) -> Iterator[pa.Table]:
    """Stream all rows, with the texts of an earlier reading where they are the same since."""
    from src.data.postgresql.going_on import VERSIONS, Spool
    from src.data.postgresql.session import session

    before = reading.earlier()
    with (
        session(params.source, what(params)) as asked,
        tempfile.TemporaryDirectory() as folder,
    ):
        found = find_relation(asked, params)
        reading.total, reading.digest = content(asked, found)
        spool = Spool(Path(folder) / "spool")
        rows = Rows(asked, found, seed_of(params, found), reading)
        if before and "id" in found.roles:
            for batch in asked.stream(rows.sql([role for role in found.roles if role != "text"])):
                spool.write(batch)
            if spool.distinct:
                yield from rows.later(spool, before)
            else:  # ids that repeat do not say which row is which
                yield from rows.all(Spool(Path(folder) / "again"))
        else:
            yield from rows.all(spool)
        if "id" in found.roles and spool.distinct:
            VERSIONS.write(reading.versions, spool.read(["id", "version"]))


def seed_of(params: PostgresParams, found: Relation) -> int:
    """Make versions of one database, relation and type of ids unlike those of any other."""
    kind = found.columns.get(found.roles.get("id", ""), "")
    told = json.dumps([params.source, found.sql, found.values, found.versions, kind])
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], signed=True)


@dataclass(frozen=True)
class Rows:
    """Reads the rows of a relation within one transaction."""

    asked: Session
    found: Relation
    seed: int
    reading: Reading

    def sql(self, roles: list[str]) -> str:
        """Write the SQL of all rows with these roles."""
        return self.found.select(roles, self.seed)

    def all(self, spool: Any) -> Iterator[pa.Table]:
        """Read all rows with their texts; their ids and versions go to the spool."""
        for batch in self.asked.stream(self.sql(list(self.found.roles))):
            self.reading.texts += batch.num_rows
            if "id" in self.found.roles:
                spool.write(batch.select(["id", "version"]))
            yield from self.tables(batch)

    def later(self, spool: Any, before: Mapping[str, Path]) -> Iterator[pa.Table]:
        """Give all rows of the spool, with the texts that an earlier reading has or the server."""
        import pyarrow as pa
        import pyarrow.compute as pc

        from src.data.postgresql.going_on import VERSIONS, Earlier
        from src.data.raw import CLEANED
        from src.data.schema import ENTRIES

        order = number if self.found.id_kind in WHOLE else str.encode
        versions = Earlier(VERSIONS.batches(before["versions"]), "version", order)
        # What always holds in them was checked when they were written, and that they are the same
        # when they were brought here: another look would keep all ids in memory.
        entries = replace(ENTRIES, invariants=())
        texts = Earlier(entries.batches(before["entries"]), "text", order)
        for whole in spool.read():
            for start in range(0, whole.num_rows, AT_ONCE):
                batch = whole.slice(start, AT_ONCE)
                same = pc.equal(versions.find(batch["id"]), batch["version"])
                text = pc.if_else(same, texts.find(batch["id"]), pa.scalar(None, pa.string()))
                taken = pc.is_valid(text)
                missing = batch["id"].filter(pc.is_null(text))
                if len(missing):
                    text = pc.coalesce(text, self.fetch(batch["id"], missing))
                both = batch.append_column("text", text).append_column(CLEANED, taken)
                yield from self.tables(both)

    def fetch(self, ids: pa.Array, missing: pa.Array) -> pa.Array:
        """Ask for the texts of the missing ids; gives one for each of the ids, null for others."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pa.Table.from_batches(
            self.asked.stream(self.found.texts(missing.to_pylist())),
            pa.schema([("id", pa.string()), ("text", pa.string())]),
        ).combine_chunks()
        self.reading.texts += found.num_rows
        rows = pc.index_in(ids, value_set=found["id"].combine_chunks())
        return found["text"].combine_chunks().take(rows)

    def tables(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Cut rows by role into tables of `src.data.raw.RAW`."""
        import pyarrow as pa

        from src.data.raw import CLEANED, RAW, ROWS, topic_list

        def column(part: pa.RecordBatch, role: str) -> pa.Array:
            kind = RAW.field(role).type
            if role == "source":
                return pa.repeat(self.found.name, part.num_rows)
            if role not in part.schema.names:
                return pa.nulls(part.num_rows, kind)
            values = part[role]
            if role == "topics" and not pa.types.is_list(values.type):
                return pa.array([topic_list(word or "") for word in values.to_pylist()], kind)
            return values.cast(kind)

        for start in range(0, batch.num_rows, ROWS):
            part = batch.slice(start, ROWS)
            table = pa.Table.from_arrays([column(part, role) for role in RAW.names], schema=RAW)
            if CLEANED in part.schema.names:
                table = table.append_column(CLEANED, part[CLEANED])
            yield table


def number(name: str) -> int:
    """Read an id that is a whole number; one of an earlier type comes before all."""
    return int(name) if re.fullmatch(r"-?\d+", name) else -(2**63)


SOURCE = Source(
    name="postgresql",
    help="PostgreSQL: the application's own table, a view or a query",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
    params=PostgresParams,
    schemes=("postgresql", "postgres"),
    read_on=read_on,
)
