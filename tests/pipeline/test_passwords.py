from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.sources import IngestParams, check
from src.errors import UserError
from src.pipeline.cli import main
from src.pipeline.passwords import holds_password, named_secret, refuse_passwords
from src.pipeline.step import Step, entry_points, fields_of

pytestmark = pytest.mark.unit

HOLDING = [
    "postgresql://anna:hunter2@host/db",
    "postgres://:hunter2@host",
    "POSTGRESQL://anna:hunter2@host/db",
    "postgresql+psycopg2://anna:hunter2@host/db",
    "postgresql://anna:a@b/c:d@host/db",
    "postgresql://anna:123/45@host/db",
    "postgresql://anna%3Ahunter2@host/db",
    "https://anna:123456/@host/",
    "https://host/f.csv?session=hunter2",
    "https://host/f.csv?bearer=hunter2",
    "postgresql://host/db?user=anna&password=hunter2",
    "postgresql://host/db?sslpassword=hunter2",
    "postgresql://host/db?%70assword=hunter2",
    "host=h dbname=db user=anna password=hunter2",
    "user=anna password = hunter2",
    "https://anna:hunter2@host/file.csv",
    "https://ghp_hunter2@host/file.csv",
    "s3://key:hunter2@bucket/file.csv",
    "s3://bucket/file.csv?AWSAccessKeyId=a&Signature=hunter2&Expires=1",
    "https://host/f.csv?X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Signature=hunter2",
    "https://host/f.csv?X-Amz-Security-Token=hunter2",
    "https://host/f.csv?x-goog-signature=hunter2",
    "https://host/f.csv?sv=1&sig=hunter2",
    "https://host/f.csv?api_key=hunter2",
    "https://host/f.csv?access_token=hunter2",
    "https://host/f.csv#access_token=hunter2",
    "https://host/f.csv?a=1;token=hunter2",
    "source=postgresql://anna:hunter2@host/db",
    "/data/a.csv,postgresql://anna:hunter2@host/db",
]
HARMLESS = [
    "vader",
    "/data/journal.csv",
    "C:\\data\\journal@home.csv",
    "labels=password=neutral,token=none",
    "postgresql://anna@host:5432/db",
    "postgresql://anna:@host/db",
    "postgresql://[::1]:5432/db",
    "postgresql://anna@[::1]:5432,other:5433/db?sslmode=require",
    "postgresql:///db?host=/run/postgresql&passfile=/home/anna/.pgpass",
    "postgresql://?service=prod&sslkey=/etc/key.pem&require_auth=scram-sha-256",
    "s3://bucket/2024/user@host:8/file.csv?versionId=abc",
    "https://host:8443/a.csv?page=1&tokenizer=words&tokens=4",
    "https://host:8443/@anna/a.csv",
    "models:/journal_sentiment_analyzer@champion",
    "runs:/0123/splits",
    "happy=positive,sad=negative",
]


@pytest.mark.parametrize("word", HOLDING)
def test_a_password_in_an_address_is_refused_and_not_quoted(word: str) -> None:
    assert holds_password(word)
    with pytest.raises(UserError) as caught:
        refuse_passwords(["-P", f"source={word}"])
    said = caught.value.message + caught.value.hint
    assert "hunter2" not in said
    assert "anna" not in said
    for way in (".pgpass", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "Change this one"):
        assert way in said
    with pytest.raises(UserError, match="refused"):
        check(IngestParams(source=word))


@pytest.mark.parametrize("word", HARMLESS)
def test_other_words_pass(word: str) -> None:
    refuse_passwords(["main", "-P", f"source={word}", "--table", word])


@given(st.text(st.characters(blacklist_categories=["Cs", "Z", "C"]), min_size=1))
def test_whatever_signs_a_password_has_it_is_seen(secret: str) -> None:
    assert holds_password(f"postgresql://anna:{secret}@host/db")


@pytest.mark.parametrize("words", [["-P", "password=x"], ["--pg-password", "x"], ["--token=x"]])
def test_a_parameter_that_is_a_password_by_its_name_is_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match="refused"):
        refuse_passwords(["main", *words])


def test_no_declared_parameter_sounds_like_a_password() -> None:
    from src.data.sources import discover
    from src.training.family import families

    models = [entry.params for entry in entry_points().values()]
    models += [found.params for found in (*discover().values(), *families().values())]
    names = {name for model in models for name in fields_of(model)}
    names |= {name for e in entry_points().values() if isinstance(e, Step) for name in e.reads}
    assert len(names) > 30
    assert not [name for name in names if named_secret(name)]


@pytest.mark.parametrize(
    "arguments",
    [
        ["main", "-P", "source=postgresql://anna:hunter2@host/db"],
        ["ingest", "--source", "postgresql://anna:hunter2@host/db"],
        ["plan", "source=postgresql://anna:hunter2@host/db"],  # cannot be read as an argument
        ["nothing", "--help", "-P", "source=postgresql://anna:hunter2@host/db"],
        ["postgresql://anna:hunter2@host/db"],
        ["train", "-P", "teacher=https://host/model?token=hunter2"],
        ["train", "-P", "n_sample=postgresql://anna:hunter2@host/db"],
    ],
)
def test_the_command_line_refuses_it_whatever_else_is_wrong(
    arguments: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert "refused" in err
    assert "hunter2" not in out + err
