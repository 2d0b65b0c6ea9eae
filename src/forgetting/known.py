"""The forgotten of a tracking store: the list that counts, looked up as lightly as can be.

It stands in an experiment of its own: a run for each time that somebody was added, with all who
were forgotten so far as marks that need the key of the pseudonyms.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.forgotten import Mark, digest_of, marks_of, read_words
from src.data.privacy import key_check
from src.errors import UserError
from src.pipeline.caller import tracking_uri
from src.pipeline.lookup import UnreadableError, reader
from src.pipeline.temporary import temporary_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "journal-forgotten"
LIST = "pipeline.forgotten"  # a tag: which list this is, and with what key it was made
COMPLETE = "pipeline.forgotten.complete"  # a tag: nothing of theirs is left in the store
MARKS, REPORT = "forgotten", "forget_report"  # its artifacts
INPUT = "forgotten"  # the name that the list has in the key of a step that leaves them out


@dataclass(frozen=True)
class Standing:
    """The list that counts.

    Attributes
    ----------
    run_id
        The run that holds it.
    digest
        Of who is on it.
    check
        Tells with which key it was made.
    complete
        Whether nothing of theirs is left in the store.
    """

    run_id: str
    digest: str
    check: str
    complete: bool


def standing() -> Standing | None:
    """Find the list that counts, without MLflow where that can be; None where nobody is on one."""
    uri = tracking_uri()
    light = reader(uri)
    if light is not None:
        with suppress(UnreadableError):
            place = light.experiment_id(EXPERIMENT)
            run = light.newest(place, LIST) if place else None
            return _standing(run.run_id, run.tags) if run else None
    elif uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return None
    from src.pipeline.runs import Store

    client = Store().client
    known = client.get_experiment_by_name(EXPERIMENT)
    return newest(client, known.experiment_id) if known else None


def newest(client: MlflowClient, place: str) -> Standing | None:
    """Find the list that counts in the experiment of lists."""
    query, order = f"tags.`{LIST}` LIKE '%' AND attributes.status = 'FINISHED'", "start_time DESC"
    found = client.search_runs([place], query, max_results=1, order_by=[f"attributes.{order}"])
    return _standing(found[0].info.run_id, found[0].data.tags) if found else None


def _standing(run_id: str, tags: Mapping[str, str]) -> Standing:
    return Standing(run_id, **json.loads(tags[LIST]), complete=COMPLETE in tags)


def asked(file: str) -> list[frozenset[Mark]]:
    """Read whom a file names; nobody where no file is given.

    Raises
    ------
    UserError
        It cannot be read, or names nobody.
    """
    return marks_of(read_words(Path(file))) if file else []


def digest(file: str) -> str:
    """Digest who stays out: those on the list and those in a file; empty for nobody.

    Raises
    ------
    UserError
        As `asked`, or the list was made with another key than that of the file.
    """
    now, more = standing(), asked(file)
    if not more:
        return now.digest if now else ""
    return digest_of(read_marks(now).union(*more))


def settled() -> bool:
    """Tell whether nothing of those on the list is left in the store."""
    now = standing()
    return now is None or now.complete


def read_marks(now: Standing | None) -> frozenset[Mark]:
    """Read a list.

    Raises
    ------
    UserError
        It was made with another key: no mark on it would be recognised.
    """
    if now is None:
        return frozenset()
    if now.check != key_check():
        raise UserError(
            "the forgotten of this store were noted with another key than yours: they would not "
            "be recognised.",
            "Set JOURNAL_PSEUDONYM_KEY (or JOURNAL_KEY_FILE) to the key that they were noted "
            f"with. If it is lost, delete the runs of the experiment {EXPERIMENT} and name all of "
            "them anew by -P forget=<file>",
        )
    import pyarrow.parquet as pq

    with temporary_folder() as folder:
        rows = pq.read_table(brought(now.run_id, MARKS, folder)).to_pylist()
    return frozenset((row["kind"], row["mark"]) for row in rows)


def read_report(now: Standing) -> dict[str, Any]:
    """Read what was found and done about a list."""
    with temporary_folder() as folder:
        path = brought(now.run_id, REPORT, folder) / "forget_report.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def brought(run_id: str, name: str, folder: Path) -> Path:
    """Bring an artifact of a list's run into a folder."""
    from mlflow.artifacts import download_artifacts

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return Path(
        download_artifacts(
            run_id=run_id,
            artifact_path=name,
            dst_path=str(folder),
            tracking_uri=tracking_uri(),
        )
    )
