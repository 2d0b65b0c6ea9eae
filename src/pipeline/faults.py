"""What goes wrong around a step, in a sentence: the store, the disk, the memory.

Errors are told apart by their kind and without importing what raised them; of their texts, which
may quote data, nothing is shown.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from src.errors import UserError

AWAY = "the tracking store went away"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}
CUT_OFF = {"OperationalError", "AdminShutdown", "CrashShutdown", "CannotConnectNow"}
KEPT = "What was sealed is kept: run the same again then."
COLLIDED = ("IntegrityError", "UniqueViolation", "row(s); 0 were")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to what caused it."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def explain(error: BaseException) -> UserError | None:
    """Say what an error means that has its cause outside the project; None for all others."""
    for link in chain(error):
        if isinstance(link, UserError):
            return None if link is error else link
        if isinstance(link, MemoryError):
            return UserError(
                "the step ran out of memory.", f"Give it more, or fewer entries. {KEPT}"
            )
        if isinstance(link, OSError) and link.errno in FULL:
            return no_space()
        if isinstance(link, OSError) and link.errno in UNWRITABLE:
            return UserError(
                f"{link.filename or 'a folder'} cannot be written: {link.strerror}.",
                f"Make it writable, or choose another. {KEPT}",
            )
        if found := explain_database(link):
            return found
    if is_away(error):
        return UserError(f"{AWAY} and did not come back.", f"See that its server is up. {KEPT}")
    return None


def explain_database(link: BaseException) -> UserError | None:
    """Say what a database refuses that is there but cannot write."""
    if type(link).__module__ == "sqlite3" and "disk is full" in str(link):
        return no_space()
    if type(link).__module__ == "sqlite3" and "readonly database" in str(link):
        return UserError("the tracking database cannot be written.", "Check who may write it.")
    if type(link).__name__ == "DiskFull":
        return no_space()
    return None


def no_space() -> UserError:
    """Say that something cannot grow any more."""
    return UserError(
        "no space is left on the disk.",
        f"Make some where artifacts, the database or TMPDIR are. {KEPT}",
    )


def is_away(error: BaseException) -> bool:
    """Tell whether an error means that the tracking store cannot be reached (any more)."""
    for link in chain(error):
        package, name = type(link).__module__.partition(".")[0], type(link).__name__
        if package in {"requests", "urllib3"} and name.endswith(
            ("ConnectionError", "RetryError", "Timeout", "MaxRetryError", "ChunkedEncodingError")
        ):
            return True
        if package in {"psycopg", "psycopg2"} and name in CUT_OFF:
            return True
        if getattr(link, "error_code", "") == "TEMPORARILY_UNAVAILABLE":
            return not any(type(cause).__module__ == "sqlite3" for cause in chain(link))
    return False


def is_collision(error: BaseException) -> bool:
    """Tell whether a store refused to write because somebody wrote the same at the same time.

    MLflow looks whether a tag or an alias is there and then inserts or changes it; a server hands
    the database's answer on as text.
    """
    return getattr(error, "error_code", "") == "BAD_REQUEST" and any(
        mark in str(error) for mark in COLLIDED
    )
