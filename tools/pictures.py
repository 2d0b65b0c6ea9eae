"""Makes the README's pictures from a real run of the built-in corpus: `make pictures`.

The pipeline runs on a terminal of its own, with a store that is thrown away. What it wrote there is
drawn as SVG, once while the model is trained and once at the end; the card of the model's run is
looked at in a browser. Each picture comes for a light and a dark page.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.browser import Chromium, chromium
from tests.services import own_folder

PROJECT = Path(__file__).resolve().parents[1]
FOLDER = PROJECT / "docs" / "pictures"
COMMAND = ("python", "-m", "steps", "main", "-P", "model=topics")
COLUMNS, ROWS = 104, 40
OURS = ("MLFLOW", "PIPELINE", "JOURNAL", "NO_COLOR", "CI")

WIDE, SCALE, BELOW = 1000, 1.5, 24  # of the card's picture: units of the page, and dots for each
TINTS = 48  # of its palette
LARGEST = 200_000  # bytes

CONTROL = re.compile(r"(\x1b\[\?25[lh]|\x1b\[2K|\x1b\[1A|\r?\n|\r)")
FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
# Paper, ink, the line around it, then black, red, green, yellow, blue, magenta, cyan, white.
LIGHT = ("ffffff", "1b1f24", "d8dee4", "1b1f24", "b3261e", "1a7340", "8a5a00", "0b62a8",
         "7a3e9d", "0b6e75", "57606a")  # fmt: skip
DARK = ("15181c", "e6e9ed", "343b43", "343b43", "ff8f87", "6fcf93", "e5c07b", "6cb4f5",
        "c99be0", "6ccfd6", "e6e9ed")  # fmt: skip


def run(folder: Path) -> str:
    """Run the pipeline in a folder, on a terminal; gives all that it wrote there."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    env |= {"TERM": "xterm", "PYTHONPATH": str(PROJECT), "JOURNAL_KEY_FILE": str(folder / "key")}
    words = [sys.executable, *COMMAND[1:]]
    started = subprocess.Popen(
        words, cwd=folder, env=env, stdin=its, stdout=its, stderr=its, start_new_session=True
    )
    os.close(its)
    said = b""
    try:
        while more := os.read(ours, 1 << 16):
            said += more
    except OSError:  # how Linux says that nobody writes there any more
        pass
    finally:
        os.close(ours)
    text = said.decode()
    if started.wait():
        sys.exit(f"{text}\nerror: the run has failed, so there is nothing to draw.")
    return text


def screens(said: str) -> list[list[str]]:
    r"""Play back what was written to a terminal: its lines each time that it was redrawn, and last.

    It knows of what `rich` and our own printer write: lines, and lines taken back from below.

    Examples
    --------
    >>> screens("a\n1 %\r\x1b[2K2 %\r\x1b[2Kb")
    [['a', '1 %'], ['a', '2 %'], ['a', 'b']]
    """
    found, lines = list[list[str]](), [""]
    for part in CONTROL.split(said):
        if part == "\r":
            found.append(list(lines))
        elif part.endswith("\n"):
            lines.append("")
        elif part == "\x1b[1A":
            lines.pop()
        elif part == "\x1b[2K":
            lines[-1] = ""
        elif not part.startswith("\x1b[?25"):
            lines[-1] += part
    return [*found, lines]


def busiest(found: list[list[str]]) -> list[str]:
    """Choose what shows most of how the live table works: a bar, and as many words as there are."""
    return max(
        found, key=lambda lines: ("━" in "".join(lines), " left" in "".join(lines), len(str(lines)))
    )


def drawn(lines: list[str], colours: tuple[str, ...], name: str) -> str:
    """Draw a terminal with these lines on it, as SVG that loads nothing."""
    from rich.color import parse_rgb_hex
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), " ".join(COMMAND)))
    for line in lines:
        console.print(Text.from_ansi(line), highlight=False)
    paper, ink, _, *rest = [(c.red, c.green, c.blue) for c in map(parse_rgb_hex, colours)]
    svg = console.export_svg(title="", theme=TerminalTheme(paper, ink, rest), unique_id=name)
    svg = FONT_FACE.sub("", svg).replace("Fira Code, monospace", MONOSPACE)
    return svg.replace("rgba(255,255,255,0.35)", f"#{colours[2]}")


def card_of(folder: Path) -> Path:
    """Find the card of the run that trained the model."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (trained,) = client.search_runs(["0"], "tags.`mlflow.runName` = 'train topics'")
    return Path(client.download_artifacts(trained.info.run_id, "card.html", str(folder)))


def look(browser: Chromium, page: Path, dark: bool, path: Path) -> None:
    """Take a picture of a page down to its first figures, in few colours."""
    from PIL import Image

    browser.open(page.as_uri(), width=WIDE, dark=dark)
    browser.until('document.readyState === "complete" && !!document.querySelector("h1")')
    high = browser.run('document.querySelector(".figures").getBoundingClientRect().bottom') + BELOW
    clip = {"x": 0, "y": 0, "width": WIDE, "height": high, "scale": SCALE}
    browser.picture(path, clip=clip, captureBeyondViewport=True)
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(TINTS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main() -> None:
    """Write all pictures anew."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with own_folder() as folder:
        shown = screens(run(folder))
        for theme, colours in (("light", LIGHT), ("dark", DARK)):
            for name, lines in (("running", busiest(shown)), ("done", shown[-1])):
                kept = lines[:-1] if not lines[-1].strip() else lines
                path = FOLDER / f"{name}-{theme}.svg"
                path.write_text(drawn(kept, colours, name), encoding="utf-8")
        with chromium() as browser:
            page = card_of(folder)
            for theme in ("light", "dark"):
                look(browser, page, theme == "dark", FOLDER / f"card-{theme}.png")
        for path in sorted(FOLDER.iterdir()):
            size, text = path.stat().st_size, path.read_bytes()
            private = str(folder).encode() in text or str(PROJECT).encode() in text
            if size > LARGEST or private:
                sys.exit(f"error: {path.name} has {size:,} bytes or shows a path of this machine.")
            sys.stdout.write(f"{path.relative_to(PROJECT)}  {size:,} bytes\n")


if __name__ == "__main__":
    main()
