from __future__ import annotations

import hashlib
import hmac
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from src.data.privacy import key_check, mark, pseudonym
from src.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JOURNAL_PSEUDONYM_KEY")
    monkeypatch.setenv("JOURNAL_KEY_FILE", str(tmp_path / "deep" / "key"))
    return tmp_path / "deep" / "key"


@pytest.mark.unit
def test_it_is_hmac_sha256_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "correct horse battery")
    expected = hmac.new(b"correct horse battery", "Zoë".encode(), hashlib.sha256).hexdigest()
    assert pseudonym("Zoë") == expected[:16]
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "another horse battery")
    assert pseudonym("Zoë") != expected[:16]


@pytest.mark.unit
def test_a_key_is_made_once_for_its_owner_only(key_file: Path) -> None:
    first = pseudonym("Anna")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(key_file.read_text()) == 64
    assert pseudonym("Anna") == first != pseudonym("Ben")
    assert [p.name for p in key_file.parent.iterdir()] == ["key"]


@pytest.mark.unit
def test_the_variable_wins_over_the_file(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from_file = pseudonym("Anna")
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", "correct horse battery")
    assert pseudonym("Anna") != from_file


@pytest.mark.unit
@pytest.mark.parametrize("content", ["", "short", "   \n"])
def test_a_cut_key_is_refused(key_file: Path, content: str) -> None:
    key_file.parent.mkdir()
    key_file.write_text(content)
    with pytest.raises(UserError, match="needs at least 16"):
        pseudonym("Anna")


@pytest.mark.unit
def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("JOURNAL_PSEUDONYM_KEY")
    monkeypatch.setenv("JOURNAL_KEY_FILE", str(tmp_path / "file" / "key"))
    with pytest.raises(UserError, match="cannot be kept") as caught:
        pseudonym("Anna")
    assert "JOURNAL_KEY_FILE" in caught.value.hint


def test_processes_that_start_at_once_agree(key_file: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from src.data.privacy import pseudonym as p; print(p('Anna'))",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    said = {process.communicate()[0].strip() for process in running}
    assert said == {pseudonym("Anna")}


@pytest.mark.unit
def test_a_relative_file_means_the_folder_that_was_typed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_PSEUDONYM_KEY")
    monkeypatch.setenv("JOURNAL_KEY_FILE", "keys/mine")
    monkeypatch.setattr("src.data.privacy.caller_folder", lambda: tmp_path)
    pseudonym("Anna")
    assert stat.S_IMODE((tmp_path / "keys" / "mine").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.unit
@pytest.mark.parametrize("size", [16, 63, 64, 65, 200])
def test_it_is_hmac_sha256_however_long_the_key(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ("kéy" * size)[:size]
    monkeypatch.setenv("JOURNAL_PSEUDONYM_KEY", key)
    for word in ("Zoë", "x" * 1_000):
        expected = hmac.new(key.encode(), word.encode(), hashlib.sha256).hexdigest()
        assert pseudonym(word) == expected[:16]


@pytest.mark.unit
def test_marks_of_one_word_differ_by_kind_and_from_its_pseudonym() -> None:
    assert len({mark("entry", "7"), mark("text", "7"), pseudonym("7"), key_check()}) == 4
