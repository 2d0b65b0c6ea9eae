"""The journal out of a real PostgreSQL: read whole, read on, and every mistake in a sentence."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data.ingestion import IngestReport, ingest
from src.data.raw import RAW
from src.data.schema import ENTRIES
from src.data.sources import Reading, check, find
from src.data.sources.postgresql import PostgresParams
from src.errors import UserError
from tests.services import postgres
from tools.serve import HOST, Postgres, free_port

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[3]
TABLE = """
    DROP SCHEMA IF EXISTS source CASCADE;
    CREATE SCHEMA source;
    CREATE TABLE source.journals (
        id serial PRIMARY KEY, user_id uuid, journal_text text,
        mood_score integer CHECK (mood_score BETWEEN 1 AND 10),
        created_at timestamptz DEFAULT now(), modified_at timestamptz DEFAULT now()
    );
"""
ANNA = "11111111-1111-1111-1111-111111111111"


@dataclass
class App:
    """The application's database, and how the pipeline is told of it."""

    server: Postgres
    folder: Path
    numbers: Iterator[int]

    def do(self, sql: str, *values: Any) -> None:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)

    def connect(self, autocommit: bool = True) -> Any:
        connection = psycopg2.connect(self.server.uri())
        connection.autocommit = autocommit
        return connection

    @property
    def address(self) -> str:
        return f"postgresql://journal@{HOST}:{self.server.port}/postgres"

    def params(self, **params: str) -> PostgresParams:
        return replace(PostgresParams(source=self.address, table="source.journals"), **params)

    def query(self, sql: str) -> PostgresParams:
        file = self.folder / f"{next(self.numbers)}.sql"
        file.write_text(sql)
        return self.params(table="", query=f"@{file}")

    def rows(self, params: PostgresParams | None = None) -> list[dict[str, Any]]:
        params = params or self.params()
        check(params)
        tables = list(find(params.source).read(params))
        assert all(table.schema.equals(RAW) for table in tables)
        return [row for table in tables for row in table.to_pylist()]

    def fingerprint(self, params: PostgresParams | None = None) -> str:
        return find(self.address).fingerprint(params or self.params())

    def ingest(
        self, params: PostgresParams | None = None, before: Path | None = None
    ) -> tuple[Path, Reading, IngestReport]:
        folder = self.folder / f"ingest-{next(self.numbers)}"
        names = ("entries", "versions") if before else ()
        there = {name: before / name for name in names if before}
        reading = Reading(lambda: there, folder / "versions")
        params = params or self.params()
        report = ingest(params, folder / "entries", lambda *_: None, reading)
        return folder, reading, report

    def problem(self, params: PostgresParams) -> UserError:
        with pytest.raises(UserError) as caught:
            self.rows(params)
        assert "SECRET" not in caught.value.message + caught.value.hint
        return caught.value


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture
def app(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PGPASSWORD", server.password)
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "a key for these tests")
    found = App(server, tmp_path, itertools.count())
    found.do(TABLE)
    return found


def add(app: App, *texts: str | None) -> None:
    for text in texts:
        app.do("INSERT INTO source.journals (journal_text) VALUES (%s)", text)


def digest(folder: Path) -> str:
    return ENTRIES.digest(folder / "entries")


def test_the_journal_needs_no_options_and_moods_are_labels(app: App) -> None:
    app.do(
        "INSERT INTO source.journals (user_id, journal_text, mood_score, created_at) VALUES "
        "(%s, 'first', 4, '2024-03-01 08:30:00.5+02'), (NULL, 'second', 5, NULL), "
        "(NULL, E'third\\nline \u2603', NULL, 'infinity'), (%s, NULL, 3, '0044-03-15 BC')",
        *(ANNA, ANNA),
    )
    empty = dict.fromkeys(RAW.names) | {"source": "source.journals"}
    assert app.rows() == [
        empty
        | {"id": "1", "text": "first", "author": ANNA, "score": "4"}
        | {"created_at": "2024-03-01 06:30:00.5+00"},
        empty | {"id": "2", "text": "second", "score": "5"},
        empty | {"id": "3", "text": "third\nline \u2603", "created_at": "infinity"},
        empty
        | {"id": "4", "author": ANNA, "score": "3", "created_at": "0044-03-15 00:00:00+00 BC"},
    ]
    folder, _, report = app.ingest()
    assert report.labels == {"negative": 1, "neutral": 1, "none": 1}
    first, *_ = ENTRIES.read(folder / "entries").to_pylist()
    assert first["created_at"].isoformat() == "2024-03-01T06:30:00.500000+00:00"
    _, _, report = app.ingest(app.params(cut_points="2,4"))
    assert report.labels == {"none": 1, "positive": 2}


def test_columns_of_other_names_and_types_are_read(app: App) -> None:
    app.do(
        'CREATE TABLE "My Notes" ("Nr" uuid PRIMARY KEY, "Text" jsonb, tags jsonb, rating numeric, '
        "written timestamp, mood varchar(9)); "
        """INSERT INTO "My Notes" VALUES
        ('22222222-2222-2222-2222-222222222222', '"a \\"b\\""', '["x", "y;z"]', 1.50,
        '2024-01-01 12:00', 'sad'), (%s, '{"k": 1}', '"alone"', NULL, NULL, NULL)""",
        ANNA,
    )
    params = app.params(
        table='"My Notes"', id_column="Nr", created_at_column="written", label_column="MOOD"
    )
    try:
        rows = app.rows(params)
    finally:
        app.do('DROP TABLE "My Notes"')
    assert [row["text"] for row in rows] == ['{"k": 1}', 'a "b"']
    assert [row["topics"] for row in rows] == [["alone"], ["x", "y;z"]]
    assert rows[1]["created_at"] == "2024-01-01 12:00:00"
    assert (rows[1]["score"], rows[1]["label"]) == ("1.50", "sad")
    assert rows[1]["source"] == 'public."My Notes"'


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", ['b"\\', "B", "ä", "a'; DROP TABLE x; --", "{", " ", "10", "9"]),
        ("varchar(9)", ["b", "B", "ä", "10", "9", "a,b"]),
        ("bigint", ["-5", "9", "10", "9000000000"]),
        ("numeric", ["1.5", "10", "9"]),
        ("uuid", [ANNA, "00000000-0000-0000-0000-00000000000a"]),
    ],
)
def test_ids_of_any_type_are_gone_on_from(app: App, kind: str, values: list[str]) -> None:
    app.do("DROP TABLE source.journals")
    app.do(f"CREATE TABLE source.journals (id {kind} PRIMARY KEY, text text)")
    for value in values:
        app.do("INSERT INTO source.journals VALUES (%s, %s)", value, f"text of {value}")
    before, reading, _ = app.ingest()
    assert reading.texts == len(values)
    app.do("UPDATE source.journals SET text = 'other' WHERE id::text = %s", values[1])
    after, reading, _ = app.ingest(before=before)
    blank = sum(not value.strip() for value in values)  # named by its text: not found again
    assert reading.texts == 1 + blank
    assert digest(after) == digest(app.ingest()[0]) != digest(before)


texts = st.sampled_from(["one", "two", "two ", "three", "", "four\x0b", None])
places = st.integers(0, 11)
operations = st.one_of(
    st.tuples(st.just("insert"), places, texts),
    st.tuples(st.just("update"), places, texts),
    st.tuples(st.just("update without a word"), places, texts),
    st.tuples(st.just("score"), places, texts),
    st.tuples(st.just("delete"), places, texts),
    st.tuples(st.just("begin late"), places, texts),
    st.tuples(st.just("commit late"), places, texts),
    st.tuples(st.just("ingest"), places, texts),
)
SQL = {
    "insert": "INSERT INTO source.journals (journal_text) VALUES (%s)",
    "update": "UPDATE source.journals SET journal_text = %s, modified_at = now() "
    "WHERE id = (SELECT id FROM source.journals ORDER BY id OFFSET %s LIMIT 1)",
    "update without a word": "UPDATE source.journals SET journal_text = %s "
    "WHERE id = (SELECT id FROM source.journals ORDER BY id OFFSET %s LIMIT 1)",
    "score": "UPDATE source.journals SET mood_score = 1 + length(%s) "
    "WHERE id = (SELECT id FROM source.journals ORDER BY id OFFSET %s LIMIT 1)",
    "delete": "DELETE FROM source.journals WHERE journal_text IS NOT DISTINCT FROM %s "
    "AND id = (SELECT id FROM source.journals ORDER BY id OFFSET %s LIMIT 1)",
    # A transaction that is open while others ingest, and says that it happened long ago.
    "begin late": "INSERT INTO source.journals (journal_text, modified_at) "
    "VALUES (%s, '2001-01-01')",
}


@pytest.mark.parametrize("view", [False, True])
def test_whatever_happened_reading_on_gives_what_reading_all_gives(app: App, view: bool) -> None:
    # A view knows no xmin; without modified_at its version is a hash of what it shows.
    app.do("CREATE VIEW source.shown AS SELECT id, journal_text, mood_score FROM source.journals")
    params = app.params(table="source.shown") if view else app.params()

    @settings(max_examples=12, suppress_health_check=list(HealthCheck))
    @given(st.lists(operations, min_size=3, max_size=25))
    def holds(steps: list[tuple[str, int, str | None]]) -> None:
        app.do("TRUNCATE source.journals")
        add(app, "one", "two", "one", "kept")
        before, _, _ = app.ingest(params)
        late = app.connect(autocommit=False)
        for kind, place, text in [*steps, ("commit late", 0, ""), ("ingest", 0, "")]:
            if kind == "begin late":
                late.cursor().execute(SQL[kind], (text,))
            elif kind == "commit late":
                late.commit()
            elif kind == "ingest":
                after, reading, report = app.ingest(params, before)
                full, whole, expected = app.ingest(params)
                assert digest(after) == digest(full)
                assert reading.digest == whole.digest == app.fingerprint(params)
                assert (report.rows, report.dropped) == (expected.rows, expected.dropped)
                before = after
            else:
                app.do(SQL[kind], *((text,) if kind == "insert" else (text, place)))
        late.close()

    holds()


def test_only_the_texts_that_changed_are_read_again(app: App) -> None:
    add(app, *(f"text {n}" for n in range(50)), "text 3")
    before, reading, _ = app.ingest()
    assert (reading.texts, reading.total) == (51, 51)
    assert app.ingest(before=before)[1].texts == 1  # the second "text 3", which was dropped
    app.do("UPDATE source.journals SET journal_text = 'new' WHERE id = 9")
    app.do("DELETE FROM source.journals WHERE id IN (4, 20)")
    after, reading, report = app.ingest(before=before)
    assert (reading.texts, report.entries) == (2, 49)  # text 3 came back out of its other row
    assert digest(after) == digest(app.ingest()[0])


def test_another_database_or_query_is_not_gone_on_from(app: App) -> None:
    add(app, "one", "two")
    before, _, _ = app.ingest()
    other = app.params(source=app.address.replace("journal@", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGUSER", "journal")
        assert app.ingest(other, before)[1].texts == 2
    first = app.query("SELECT id, journal_text, modified_at FROM source.journals")
    before, _, _ = app.ingest(first)
    assert app.ingest(first, before)[1].texts == 0
    second = app.query(
        "SELECT id, 'x' || journal_text AS journal_text, modified_at FROM source.journals"
    )
    after, reading, _ = app.ingest(second, before)
    assert reading.texts == 2
    assert digest(after) == digest(app.ingest(second)[0])


def test_ids_that_repeat_are_read_in_full_and_leave_no_versions(app: App) -> None:
    app.do("ALTER TABLE source.journals DROP CONSTRAINT journals_pkey")
    add(app, "one", "two")
    before, _, _ = app.ingest()
    app.do("INSERT INTO source.journals (id, journal_text) VALUES (1, 'again'), (1, 'once more')")
    after, reading, report = app.ingest(before=before)
    assert (reading.texts, report.dropped) == (4, {"repeated id": 2})
    assert not (after / "versions").exists()
    assert digest(after) == digest(app.ingest()[0])


def test_a_query_without_ids_is_read_in_full_in_the_same_order(app: App) -> None:
    add(app, "b", "a", "c")
    params = app.query("SELECT journal_text FROM source.journals -- all of them\n;")
    before, _, _ = app.ingest(params)
    app.do("UPDATE source.journals SET journal_text = 'a' WHERE id = 2")  # moves the row
    after, _, _ = app.ingest(params, before)
    assert [row["text"] for row in app.rows(params)] == ["a", "b", "c"]
    assert digest(after) == digest(before)
    assert not (after / "versions").exists()


def test_the_fingerprint_changes_with_the_content_and_with_nothing_else(app: App) -> None:
    add(app, "one", "two", "three")
    seen = [app.fingerprint()]

    def changed(sql: str) -> bool:
        app.do(sql)
        seen.append(app.fingerprint())
        return seen[-1] not in seen[:-1]

    assert not changed("VACUUM FREEZE source.journals")
    assert not changed("ANALYZE source.journals; CREATE INDEX ON source.journals (modified_at)")
    assert changed("UPDATE source.journals SET journal_text = 'other' WHERE id = 1")
    assert changed("UPDATE source.journals SET modified_at = now() WHERE id = 2")
    assert changed("DELETE FROM source.journals WHERE id = 3")
    assert changed("INSERT INTO source.journals (journal_text) VALUES ('new')")
    assert changed("ALTER TABLE source.journals ADD COLUMN sentiment text")  # a label from now on
    app.do("SET TimeZone = 'Asia/Tokyo'")
    app.do("ALTER ROLE journal SET DateStyle = 'German'; ALTER ROLE journal SET TimeZone = 'EST'")
    try:
        assert app.fingerprint() == seen[-1]
    finally:
        app.do("ALTER ROLE journal RESET ALL")
    query = "SELECT id, journal_text, modified_at FROM source.journals"
    assert app.fingerprint(app.query(query)) != app.fingerprint(app.query(query + " WHERE id > 1"))


def test_what_changes_while_it_is_read_belongs_to_the_next_reading(app: App) -> None:
    add(app, "one", "two")
    params = app.params()
    expected = app.fingerprint()
    reading = Reading(dict, app.folder / "versions")
    tables = find(app.address).read_on(params, reading)  # type: ignore[misc]
    rows = next(tables).to_pylist()
    add(app, "three")
    app.do("DELETE FROM source.journals WHERE id = 1")
    rows += [row for table in tables for row in table.to_pylist()]
    assert [row["text"] for row in rows] == ["one", "two"]
    assert reading.digest == expected != app.fingerprint()


def test_nothing_can_be_written(app: App) -> None:
    add(app, "one")
    app.do(
        "CREATE FUNCTION source.harm() RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        "DELETE FROM source.journals; RETURN 'SECRET'; END $$"
    )
    said = app.problem(app.query("SELECT source.harm() AS text"))
    assert "the server stopped in the middle" in said.message
    assert "It writes" in said.hint
    said = app.problem(app.query("DELETE FROM source.journals RETURNING journal_text AS text"))
    assert "SQL cannot be understood" in said.message
    assert "SELECT" in said.hint
    said = app.problem(app.query("SELECT 1 AS text) q; COMMIT; DELETE FROM source.journals; --"))
    assert "SQL cannot be understood" in said.message
    for table in ("source.journals; DELETE FROM source.journals", "source.journals'; --", 'a"b'):
        said = app.problem(app.params(table=table))
        assert "no table" in said.message or "cannot be understood" in said.message
    assert len(app.rows()) == 1


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        ({"table": "source.journal"}, "no table source.journal", "schema"),
        ({"table": "nowhere.journals"}, "no table nowhere.journals", "schema"),
        ({"table": ""}, "needs a table or a query", "-P table="),
        ({"query": "@x.sql"}, "only one of them", "-P query="),
        ({"table": "", "query": "SELECT SECRET"}, "names a file", "@file.sql"),
        ({"table": "", "query": "@/there/is/none.sql"}, "cannot be read", "@file.sql"),
        ({"text_column": "words"}, "columns id, user_id, journal_text", "text_column"),
        ({"modified_at_column": "then"}, "modified_at_column=then is not there", "NAME"),
        ({"score_column": "id"}, "of which scale are the scores in id", "cut_points"),
    ],
)
def test_a_mistake_is_named_with_its_way_out(
    app: App, change: dict[str, str], says: str, hint: str
) -> None:
    said = app.problem(app.params(**change))
    assert says in said.message
    assert hint in said.hint


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT journal_text AS text FROM source.nothing", "a table that is not there"),
        ("SELECT nothing AS text FROM source.journals", "a column that is not there"),
        ("SELEC 1", "SQL cannot be understood"),
        ("SELECT 1 AS one", "has the columns one"),
        ("SELECT 'SECRET'::int AS text", "fails for a row"),
        ("SELECT journal_text AS text, mood_score / 0 AS label FROM source.journals", "stopped"),
        ("SELECT journal_text AS text, id AS text FROM source.journals", "two columns of one name"),
        ("", "is empty"),
    ],
)
def test_a_query_that_fails_is_not_quoted(app: App, sql: str, says: str) -> None:
    app.do("INSERT INTO source.journals (journal_text, mood_score) VALUES ('SECRET', 1)")
    assert says in app.problem(app.query(sql)).message


def test_what_the_user_may_read_is_enough(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    add(app, "one", "two")
    app.do("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'for-tests'")
    params = app.params(source=app.address.replace("journal@", "reader@"))
    monkeypatch.setenv("PGPASSWORD", "for-tests")
    try:
        assert "not permitted" in app.problem(params).message
        app.do("GRANT USAGE ON SCHEMA source TO reader")
        said = app.problem(params)
        assert "not permitted" in said.message
        assert "GRANT SELECT ON source.journals" in said.hint
        app.do("GRANT SELECT (id, journal_text, modified_at) ON source.journals TO reader")
        assert [row["text"] for row in app.rows(params)] == ["one", "two"]
        before, _, _ = app.ingest(params)
        assert app.ingest(params, before)[1].texts == 0
    finally:
        app.do("DROP OWNED BY reader; DROP ROLE reader")


def test_a_database_that_is_away_says_so_soon(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    away = app.params(source=f"postgresql://anna@{HOST}:{free_port()}/db")
    assert "nothing answers there" in app.problem(away).message
    assert f"{HOST}/db" in app.problem(away).message
    unknown = app.params(source="postgresql://no-such-host.invalid/db")
    assert "host is not known" in app.problem(unknown).message
    missing = app.params(source=app.address.replace("/postgres", "/nothing"))
    assert "no such database" in app.problem(missing).message
    for malformed in ("postgresql://[::1/db", app.address + "?no=such"):
        assert "address cannot be understood" in app.problem(app.params(source=malformed)).message
    wrong = app.params(source=app.address + "?sslmode=sometimes")
    assert "cannot be opened" in app.problem(wrong).message
    tls = app.params(source=app.address + "?sslmode=require")
    assert "TLS failed" in app.problem(tls).message
    monkeypatch.setenv("PGPASSWORD", "SECRET")
    said = app.problem(app.params())
    assert "refused the user or the password" in said.message
    assert ".pgpass" in said.hint


def test_a_lock_and_a_cut_connection_are_named(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.data.postgresql import session

    add(app, *(f"text {n}" for n in range(10)))
    monkeypatch.setitem(session.SETTINGS, "lock_timeout", "200ms")
    with closing(app.connect(autocommit=False)) as other:
        other.cursor().execute("LOCK TABLE source.journals IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UserError, match="somebody has locked it"):
            app.fingerprint()
    app.do(
        "INSERT INTO source.journals (journal_text) "
        "SELECT repeat('x', 9999) || g FROM generate_series(1, 9999) g"
    )
    tables = find(app.address).read_on(app.params(), Reading(dict, app.folder / "versions"))  # type: ignore[misc]
    next(tables)
    app.do(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND application_name = 'journal-models'"
    )
    with pytest.raises(UserError, match=r"went away while the table source.journals was read"):
        list(tables)


def test_a_password_comes_from_a_file_that_only_its_owner_reads(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(app, "one")
    monkeypatch.delenv("PGPASSWORD")
    file = app.folder / "pgpass"
    file.write_text(f"{HOST}:*:*:journal:{app.server.password}\n")
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert len(app.rows()) == 1
    file.chmod(0o644)  # libpq does not take one that others can read
    said = app.problem(app.params())
    assert "asks for a password, and none was found" in said.message
    assert "mode 0600" in said.hint
    service = app.folder / "services"
    service.write_text(
        f"[app]\nhost={HOST}\nport={app.server.port}\ndbname=postgres\nuser=journal\n"
        f"password={app.server.password}\n"
    )
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    assert len(app.rows(app.params(source="postgresql://?service=app"))) == 1
    missing = app.problem(app.params(source="postgresql://?service=SECRETS"))
    assert "its service is not to be read" in missing.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_password_file_that_may_not_be_read_is_no_crash(app: App) -> None:
    hidden = app.folder / "hidden"
    hidden.write_text(f"*:*:*:*:{app.server.password}\n")
    hidden.chmod(0o600)
    code = (
        "import os; from src.data.sources import check; from src.errors import UserError\n"
        "from src.data.sources.postgresql import PostgresParams\n"
        f"params = PostgresParams(source={app.address!r}, table='source.journals')\n"
        "check(params); print('root may')\n"  # and all is loaded: others may not look at it
        "os.setgid(65534); os.setuid(65534)\n"
        "try: check(params)\n"
        "except UserError as error: print(error.message)\n"
    )
    env = {**os.environ, "PGPASSFILE": str(hidden), "PYTHONDONTWRITEBYTECODE": "1"}
    del env["PGPASSWORD"]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("root may"), done.stderr
    assert "asks for a password" in done.stdout, done.stderr
    assert app.server.password not in done.stdout + done.stderr


MEASURED = """
import json, resource, sys
from pathlib import Path
from src.data.sources import Reading, find
from src.data.sources.postgresql import PostgresParams
address, folder, before = sys.argv[1:]
params = PostgresParams(source=address, table="source.journals")
names = ("entries", "versions") if before else ()
reading = Reading(lambda: {n: Path(before) / n for n in names}, Path(folder) / "versions")
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = sum(table.num_rows for table in find(address).read_on(params, reading))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([rows, reading.texts, (peak - start) / 1024]))
"""
LARGE = """
    INSERT INTO source.journals (user_id, journal_text, mood_score, created_at, modified_at)
    SELECT md5((g % 5000)::text)::uuid, 'Entry ' || g || ' ' || repeat(md5(g::text) || ' ', 12),
        1 + g % 5, timestamptz '2020-01-01' + g * interval '1 minute', '2024-01-01'
    FROM generate_series(1, 1000000) g;
    ANALYZE source.journals
"""


def test_a_million_rows_in_bounded_memory_and_later_only_what_changed(app: App) -> None:
    import json

    app.do(LARGE)

    def measured(before: Path | str) -> Any:
        words = [sys.executable, "-c", MEASURED, app.address, str(app.folder), str(before)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    params = app.params(privacy="off", languages="any")
    rows, texts, megabytes = measured("")
    assert (rows, texts) == (1_000_000, 1_000_000)
    assert megabytes < 200  # of 400 MB of text
    before, _, _ = app.ingest(params)
    app.do(
        "UPDATE source.journals SET journal_text = journal_text || ' more' WHERE id % 1000 = 0; "
        "DELETE FROM source.journals WHERE id % 1000 = 7; "
        "INSERT INTO source.journals (journal_text) "
        "SELECT 'New ' || g FROM generate_series(1, 99) g"
    )
    rows, texts, megabytes = measured(before)
    assert (rows, texts) == (999_099, 1_099)
    assert megabytes < 300
    after, reading, _ = app.ingest(params, before)
    assert reading.texts == 1_099
    assert digest(after) == digest(app.ingest(params)[0])
