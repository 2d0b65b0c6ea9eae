"""Opens the card of a run or version in a browser, or prints it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.answers import ShowAnswer
from src.pipeline.jobs import refuse_unknown
from src.pipeline.step import Call, Command, build, fields_of, param

if TYPE_CHECKING:
    from src.history.past import Thing
    from src.pipeline.runs import Store

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


@dataclass(frozen=True)
class ShowParams:
    """What to show, and where."""

    what: str = param(
        "", "A run's id or the beginning of it, or a version as sentiment/3; the newest if empty"
    )
    print: bool = param(False, "Print it, also where a browser could open it")


def run(call: Call) -> int:
    """Find the card, keep a copy in the user's cache folder, and open or print it."""
    refuse_unknown("show", call.typed, fields_of(ShowParams))
    params = build(ShowParams, call.typed)
    from src.history.page import as_text
    from src.history.past import find
    from src.pipeline import console
    from src.pipeline.runs import Store
    from src.training.packaging import quiet_mlflow

    quiet_mlflow()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    store = Store()
    found = find(params.what, store)
    run_id, page = card_of(found, store)
    path = written(run_id or found.name.replace("/", "-"), page)
    plain = not page.lstrip().startswith("<")
    text = page.strip() if plain else as_text(page, console.width())
    if call.as_json:
        content: dict[str, Any] = {"name": found.name, "run_id": run_id or None}
        console.say_json({**content, "path": str(path), "text": text})
    elif not params.print and not plain and opened(path):
        console.say(f"{found.name}: opened {console.linked(str(path), path.as_uri())}")
    else:
        console.say(text)
        console.progress(f"\nThe page: {path}")
    return 0


def card_of(found: Thing, store: Store) -> tuple[str, str]:
    """Give a thing's card and the run that it lies on; of a version without, its description.

    Raises
    ------
    UserError
        It has none; says what has.
    """
    from src.history.past import title

    version = found.version
    own = [run for run in (found.run,) if run]
    if version is not None:
        own += [run for name, run in found.runs.items() if name.startswith(("evaluate", "train"))]
    for run in own:
        if page := read_card(run.info.run_id, store):
            return run.info.run_id, page
    if version is not None and version.description:
        return "", version.description
    have = [run for run in found.runs.values() if read_card(run.info.run_id, store)]
    names = ", ".join(f"{title(run)}: python -m steps show {run.info.run_id[:8]}" for run in have)
    raise UserError(f"{found.name} has no card.", names or "None of its steps has one either.")


def read_card(run_id: str, store: Store) -> str:
    """Read a run's card; empty where it has none."""
    from mlflow.exceptions import MlflowException

    from src.pipeline.opening import CARD
    from src.pipeline.temporary import temporary_folder

    with temporary_folder() as folder:
        try:
            if not any(item.path == CARD for item in store.client.list_artifacts(run_id)):
                return ""
            store.client.download_artifacts(run_id, CARD, str(folder))
        except (MlflowException, OSError):
            return ""
        return (folder / CARD).read_text(encoding="utf-8")


def written(name: str, page: str) -> Path:
    """Keep a card where a browser can open it."""
    from src.pipeline.caller import cache_folder

    plain = not page.lstrip().startswith("<")
    path = cache_folder() / "cards" / f"{name}{'.md' if plain else '.html'}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def opened(path: Path) -> bool:
    """Open a page in a browser, where somebody sits before one."""
    screen = sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in SCREENS)
    if not screen or not sys.stdout.isatty() or os.environ.get("CI"):
        return False
    import webbrowser

    return webbrowser.open(path.as_uri())


ENTRY = Command(
    "show", "Open or print the card of a run or version", ShowParams, run,
    words=("what",), answer=ShowAnswer,
)  # fmt: skip
