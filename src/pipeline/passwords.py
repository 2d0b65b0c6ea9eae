"""Passwords and tokens in what is typed: refused before anything looks at it, and never quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from src.errors import UserError

# An address with somebody's password: scheme://user:secret@host. A password may hold any sign, and
# whoever forgot to encode it typed it all the same.
USER = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@:\s]*(?::|%3a)([^\s]*)@", re.IGNORECASE)
# But after a web address's port an @ stands in its path.
PORT = re.compile(r"\bhttps?://[^/?#@:\s]+:\d{1,5}/", re.IGNORECASE)
# Of a web address whoever is named before the @ may be a token.
WEB = re.compile(r"\bhttps?://[^/?#@\s]+@", re.IGNORECASE)
PAIR = re.compile(r"[?&#;]\s*([^=&#;?\s]+)=([^&#;\s]+)")
# What libpq also takes for an address: words like host=… password=….
WORDS = re.compile(r"(?:^|[\s=])(?:host|hostaddr|dbname|user|port|service)\s*=", re.IGNORECASE)
WORD = re.compile(r"(?:^|\s)(?:password|sslpassword)\s*=\s*\S", re.IGNORECASE)
SECRET = re.compile(
    r"password|passwd|passphrase|secret|signature|credential|apikey|accesskey|token$"
    r"|^(?:pwd|pass|sig|key|auth|authorization|jwt|bearer|session|sessionid|sid)$"
)
HARMLESS = {"require_auth"}

INSTEAD = (
    "Leave it out: PostgreSQL's comes from PGPASSWORD, ~/.pgpass (mode 0600; "
    "PGPASSFILE names another file) or a service (PGSERVICEFILE, postgresql://?service=NAME), "
    "S3's keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile. "
    "Change this one: a command line stays in the shell's history and others can see it."
)


def named_secret(name: str) -> bool:
    """Tell whether a name is that of a password or a token."""
    plain = unquote(name).lower()
    return plain not in HARMLESS and bool(SECRET.search(re.sub(r"[^a-z0-9]", "", plain)))


def holds_password(word: str) -> bool:
    """Tell whether an address in a word holds a password or a token.

    >>> holds_password("postgresql://anna@host:5432/db?sslmode=require")
    False
    >>> holds_password("postgresql://anna:secret@host/db")
    True
    """
    if any(match[1] and not PORT.match(match[0]) for match in USER.finditer(word)):
        return True
    if WEB.search(word):
        return True
    if WORDS.search(word) and WORD.search(word):
        return True
    _, address, rest = word.partition("://")
    return bool(address) and any(named_secret(name) for name, _ in PAIR.findall(rest))


def names_typed(arguments: Sequence[str]) -> Iterator[str]:
    """Name the parameters that a command line gives, whether there are such or not."""
    for before, word in zip(("", *arguments), arguments, strict=False):
        if before in {"-P", "--param-list"} or word.startswith("--"):
            yield word.removeprefix("--").partition("=")[0]


def refuse_passwords(words: Sequence[str]) -> None:
    """Refuse a command line, or any words of it, that hold a password or a token.

    Raises
    ------
    UserError
        There is one. It is not quoted.
    """
    if any(map(holds_password, words)) or any(map(named_secret, names_typed(words))):
        raise UserError("a password or a token was typed: it is refused.", INSTEAD)
