"""Pseudonyms of authors: the same person is always the same word, and no word leads back."""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import cache
from pathlib import Path

from src.errors import UserError
from src.pipeline.caller import caller_folder

KEY = "JOURNAL_PSEUDONYM_KEY"
KEY_FILE = "JOURNAL_KEY_FILE"
SHORTEST = 16  # characters of a key


def pseudonym(author: str) -> str:
    """Give an author's pseudonym: 16 hex digits, by HMAC-SHA256 with this user's key.

    The key is the environment variable JOURNAL_PSEUDONYM_KEY, or else lies in a file of its own,
    made on first use; JOURNAL_KEY_FILE names another file.

    Raises
    ------
    UserError
        The key is too short, or its file can be neither read nor made.
    """
    return _hmac(author.encode())


def mark(kind: str, word: str) -> str:
    """Give what stands for a word of some other kind than an author: 16 hex digits, as keyed.

    Raises
    ------
    UserError
        As `pseudonym`.
    """
    return _hmac(f"{kind}\0{word}".encode())


def own_key() -> str:
    """Give the key itself, for other processes of the same reading; it belongs in no file or log.

    Raises
    ------
    UserError
        As `pseudonym`.
    """
    return _key().decode()


def key_for(kind: str) -> bytes:
    """Give a key for one use, which leads back to nothing else that this user's key hides.

    Raises
    ------
    UserError
        As `pseudonym`.
    """
    return hmac.digest(_key(), f"key for\0{kind}".encode(), hashlib.sha256)


def key_check() -> str:
    """Give what tells two keys apart and leads to neither."""
    return mark("key", "which")


def _hmac(words: bytes) -> str:
    keyed = _keyed(_key()).copy()
    keyed.update(words)
    return keyed.hexdigest()[:16]


@cache
def _keyed(key: bytes) -> hmac.HMAC:
    """Start an HMAC, which takes longer than a short word does."""
    return hmac.new(key, digestmod=hashlib.sha256)


def _key() -> bytes:
    typed = os.environ.get(KEY, "")
    if typed:
        return _long_enough(typed, KEY)
    if named := os.environ.get(KEY_FILE):
        # Below `mlflow run` of a git URI the working folder is a clone that nobody keeps.
        return _key_in(str(caller_folder() / Path(named).expanduser()))
    from platformdirs import user_data_path

    return _key_in(str(user_data_path("journal-models") / "key"))


@cache
def _key_in(file: str) -> bytes:
    path = Path(file)
    try:
        if not path.exists():
            _make(path)
        return _long_enough(path.read_text().strip(), file)
    except OSError as error:
        raise UserError(
            f"the key of the pseudonyms cannot be kept in {file} ({error.strerror}).",
            f"Name another file by {KEY_FILE}, or set {KEY} to at least {SHORTEST} characters.",
        ) from None


def _make(path: Path) -> None:
    """Make a key that appears whole; of two processes that start at once, the first one's stays."""
    import secrets

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(own, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    try:
        os.link(own, path)  # unlike a rename, it never replaces a key that is there
    except FileExistsError:
        pass
    finally:
        own.unlink()


def _long_enough(key: str, where: str) -> bytes:
    if len(key) < SHORTEST:
        raise UserError(
            f"the key in {where} has {len(key)} characters; it needs at least {SHORTEST}.",
            f"Restore it, or remove it: authors then get new pseudonyms. {KEY} sets one by hand.",
        )
    return key.encode()
