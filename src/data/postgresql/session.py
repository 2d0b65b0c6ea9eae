"""One read-only transaction of a PostgreSQL database, as Arrow batches; errors in a sentence.

What a server says of an error may quote an entry, and an address may hold a secret: neither is
ever shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_manager as adbc
import adbc_driver_postgresql as driver
import pyarrow as pa

from src.errors import UserError

# A server that has gone without a word is noticed after a minute.
PATIENCE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
CONNECT = {"connect_timeout": "10"}
# Words in one form whatever the server's and the role's settings; nobody's lock is waited for
# longer than a minute, but a long reading is no mistake.
SETTINGS = {
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "lock_timeout": "60s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
BATCH_BYTES = 4 * 2**20

LOG_IN = (
    "A password comes from PGPASSWORD, from ~/.pgpass (mode 0600; PGPASSFILE names another file) "
    "or from a service: PGSERVICEFILE, postgresql://?service=NAME."
)
# What libpq and the server say of a connection that fails, and what to say of it here.
UNREACHABLE = (
    ("could not translate host name", "its host is not known", "Check the host's name."),
    ("timeout expired", "it does not answer", "Is it up, and may this machine reach it?"),
    ("refused", "nothing answers there", "Is it up, on that port?"),
    ("No such file or directory", "no server answers here", "Name its host, or set PGHOST."),
    ("no password supplied", "it asks for a password, and none was found", LOG_IN),
    ("authentication failed", "it refused the user or the password", LOG_IN),
    (
        "pg_hba.conf",
        "it lets this user in from elsewhere only, or over TLS only",
        "sslmode=require?",
    ),
    ("too many", "it has no connection left", "Try again later."),
    ("starting up", "it is starting up", "Try again in a moment."),
    ("shutting down", "it is shutting down", "Try again later."),
    ("service", "its service is not to be read", "Check PGSERVICE and PGSERVICEFILE."),
    ("certificate", "its TLS certificate is not trusted", "Check sslmode and sslrootcert."),
    ("SSL", "TLS failed", "Check sslmode."),
    ("URI", "its address cannot be understood", "postgresql://USER@HOST:PORT/DATABASE"),
    ("does not exist", "it has no such database or user", "postgresql://USER@HOST:PORT/DATABASE"),
)
GRANT = "GRANT SELECT on it and USAGE on its schema to the user."
# What went wrong with a statement, by the beginning of its SQLSTATE.
REFUSED = (
    (
        "42501",
        "reading it is not permitted",
        GRANT,
    ),
    ("42P01", "it asks for a table that is not there", "Check its names and their schemas."),
    ("42703", "it asks for a column that is not there", "Check the names of its columns."),
    ("42702", "it has two columns of one name", "Name each of them once: SELECT … AS …"),
    ("42601", "its SQL cannot be understood", "It is one SELECT without parameters."),
    ("42602", "its name cannot be understood", '-P table=schema.name, or "Schema"."Name"'),
    ("42883", "it asks for a function that is not there", "PostgreSQL must be 11 or newer."),
    ("25006", "it writes", "A source is only read: write a SELECT."),
    ("55P03", "somebody has locked it for over a minute", "Try again once they are done."),
    ("57014", "the server cancelled the reading", "Try again, or ask who runs it."),
    ("40", "the server cancelled the reading for its own upkeep", "Run again."),
    ("53", "the server is out of space, memory or connections", "Try again later."),
    ("22", "it computes something that fails for a row", "Try the query by hand."),
    ("42", "the server cannot run it", "Try it by hand."),
)


def place(address: str) -> str:
    """Name a database without anything secret: its host and its name."""
    try:
        parts = urlsplit(address)
        return f"{parts.hostname or 'localhost'}{parts.path.rstrip('/')}"
    except ValueError:
        return "the database"


def with_patience(address: str) -> str:
    """Add to an address how long to wait, where nobody has said."""
    more = PATIENCE if "PGCONNECT_TIMEOUT" in os.environ else PATIENCE | CONNECT
    more = {**more, "fallback_application_name": "journal-models"}
    added = "&".join(f"{name}={value}" for name, value in more.items() if f"{name}=" not in address)
    return f"{address}{'&' if '?' in address else '?'}{added}" if added else address


@dataclass(frozen=True)
class Session:
    """A transaction that sees one moment of the database and can change nothing.

    Attributes
    ----------
    connection
        Of the driver.
    what
        What is read, for messages.
    """

    connection: Any
    what: str

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Run a query of few rows."""
        return [row for batch in self.stream(sql) for row in batch.to_pylist()]

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run a query; its rows come while they are read, some megabytes at a time.

        Raises
        ------
        UserError
            The server refuses it, or goes away.
        """
        try:
            with adbc.AdbcStatement(self.connection) as statement:
                statement.set_options(
                    **{driver.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(BATCH_BYTES)}
                )
                statement.set_sql_query(sql)
                stream, _ = statement.execute_query()
                with pa.RecordBatchReader.from_stream(stream) as reader:
                    for batch in reader:
                        batch.validate(full=True)  # an SQL_ASCII database may hold any bytes
                        yield batch
        except (adbc.Error, pa.ArrowException, OSError) as error:
            raise self._problem(error) from None

    def columns(self, sql: str) -> dict[str, str]:
        """Name the columns of a query with their types, as PostgreSQL calls them."""
        try:
            with adbc.AdbcStatement(self.connection) as statement:
                statement.set_sql_query(sql)
                schema = pa.schema(statement.execute_schema())
        except (adbc.Error, pa.ArrowException, OSError) as error:
            raise self._problem(error) from None
        kinds = [(field.metadata or {}).get(b"POSTGRESQL:type", b"").decode() for field in schema]
        return {
            field.name: "_list" if pa.types.is_list(field.type) else kind
            for field, kind in zip(schema, kinds, strict=True)
        }

    def do(self, sql: str) -> None:
        """Run what answers nothing."""
        with adbc.AdbcStatement(self.connection) as statement:
            statement.set_sql_query(sql)
            statement.execute_update()

    def _problem(self, error: Exception) -> UserError:
        found = re.search(r"SQLSTATE: (\w{5})", str(error))
        state = getattr(error, "sqlstate", None) or (found.group(1) if found else "")
        for start, why, hint in REFUSED:
            if state.startswith(start):
                return UserError(f"{self.what}: {why} ({state}).", hint)
        if "UTF8" in str(error):
            return UserError(f"{self.what} holds bytes that are not UTF-8.", "Correct those rows.")
        if not state and self._answers():  # of an error amid the rows the driver says no more
            return UserError(
                f"{self.what}: the server stopped in the middle of its rows.",
                "It writes, or fails for one of them: try it by hand.",
            )
        return UserError(
            f"the database went away while {self.what} was read{f' ({state})' if state else ''}.",
            "Run again once it is back.",
        )

    def _answers(self) -> bool:
        try:
            self.do("ROLLBACK")
        except adbc.Error:
            return False
        return True


@contextmanager
def session(address: str, what: str) -> Iterator[Session]:
    """Connect and see one moment of the database, which may go on changing, until the block ends.

    Raises
    ------
    UserError
        It cannot be reached, or lets nobody in.
    """
    with ExitStack() as stack:
        try:
            database = stack.enter_context(driver.connect(with_patience(address)))
            connection = stack.enter_context(adbc.AdbcConnection(database))
            opened = Session(connection, what)
            opened.do("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            settings = ", ".join(f"set_config('{n}', '{v}', true)" for n, v in SETTINGS.items())
            opened.do(f"SELECT {settings}")
        except adbc.Error as error:
            raise unreachable(address, error) from None
        try:
            yield opened
        finally:
            with suppress(adbc.Error):
                opened.do("ROLLBACK")


def unreachable(address: str, error: Exception) -> UserError:
    """Say why a database cannot be used, in words of ours."""
    said = str(error)
    for mark, why, hint in UNREACHABLE:
        if mark in said:
            return UserError(f"the database {place(address)} cannot be opened: {why}.", hint)
    return UserError(
        f"the database {place(address)} cannot be opened.",
        f"Check its address, the user and what pg_hba.conf allows. {LOG_IN}",
    )
