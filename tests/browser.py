"""A headless Chromium to look at pages with, told what to do over two pipes: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services import install, own_folder

PATIENCE = 120  # seconds; a test passes on a slow machine too
QUIET = 0.2  # seconds without a request until a page counts as loaded
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to run as root with one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# Chromium reads what to do from file 3 and writes what came of it to file 4.
START = 'exec "${@:3}" 3<&"$1" 4>&"$2"'


class Chromium:
    """A browser with one tab, by the DevTools protocol: each frame is a session of its own.

    Attributes
    ----------
    events
        What it said unasked since `open`: (session, method, parameters).
    frames
        Sessions of frames by the address they show, those in a sandbox included.
    """

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write
        self.rest, self.last, self.answers = b"", 0, dict[int, dict[str, Any]]()
        self.events = list[tuple[str, str, dict[str, Any]]]()
        self.frames = dict[str, str]()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.tab = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._watch(self.tab)
        self.ask("Page.enable", self.tab)

    def ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Call a method and wait for its answer."""
        number = self._send(method, session, params)
        while number not in self.answers:
            self._hear(PATIENCE)
        answer = self.answers.pop(number)
        assert "error" not in answer, (method, answer)
        return dict(answer["result"])

    def _send(self, method: str, session: str, params: dict[str, Any]) -> int:
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        return self.last

    def _hear(self, seconds: float) -> bool:
        """Take in what the browser says next; tell whether it said anything in time."""
        while b"\0" not in self.rest:
            if not select.select([self.read], [], [], seconds)[0]:
                assert seconds < PATIENCE, "the browser does not answer"
                return False
            more = os.read(self.read, 1 << 20)
            assert more, "the browser has gone"
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        message = json.loads(line)
        if "id" in message:
            self.answers[message["id"]] = message
            return True
        method, params = message["method"], message["params"]
        self.events.append((message.get("sessionId", ""), method, params))
        if method == "Target.attachedToTarget" and params["waitingForDebugger"]:
            session = params["sessionId"]
            self._watch(session, wait=False)
            self.frames[params["targetInfo"]["targetId"]] = session
        return True

    def _watch(self, session: str, wait: bool = True) -> None:
        """Report a frame's requests, errors and frames in it from its first moment on."""
        call = self.ask if wait else lambda method, of, **more: self._send(method, of, more)
        for domain in ("Network", "Runtime", "Log"):
            call(f"{domain}.enable", session)
        more = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        call("Target.setAutoAttach", session, **more)
        call("Runtime.runIfWaitingForDebugger", session)

    def settle(self, seconds: float = QUIET) -> None:
        """Wait until nothing is said for some time."""
        while self._hear(seconds):
            pass

    def open(self, address: str, width: int = 1280, dark: bool = False) -> None:
        """Show an address in a window of a width, in a light or dark theme."""
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", self.tab, features=[theme])
        self.resize(width)
        self.ask("Page.navigate", self.tab, url="about:blank")
        self.settle()
        self.events.clear()
        self.frames.clear()
        self.ask("Page.navigate", self.tab, url=address)

    def resize(self, width: int, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", self.tab, **size)

    def run(self, script: str, session: str = "") -> Any:
        """Give the value of a JavaScript expression in a frame."""
        more = {"returnByValue": True, "awaitPromise": True}
        done = self.ask("Runtime.evaluate", session or self.tab, expression=script, **more)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, script: str, session: str = "") -> Any:
        """Wait until an expression gives something, and give that."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.run(script, session)):
            assert time.monotonic() < deadline, script
            self._hear(0.1)
        return found

    def fit(self, session: str, width: int, theme: str) -> None:
        """Give a frame a width of its own, whatever its page leaves it, and a theme."""
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.ask("Emulation.setEmulatedMedia", session, features=[feature])
        frame = 'document.querySelector("iframe")'
        self.run(f'{frame}.style.cssText = "position:fixed;inset:0;z-index:9;width:{width}px"')
        self.until(f"innerWidth === {width}", session)

    def asked(self, session: str) -> list[str]:
        """Name what a frame has asked the network for, besides itself."""
        asked = (p for s, m, p in self.events if s == session and m == "Network.requestWillBeSent")
        return [p["request"]["url"] for p in asked if p["type"] != "Document"]

    def complaints(self, session: str) -> list[dict[str, Any]]:
        """Give what a frame has written to its console, and the errors in it."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [p for s, m, p in self.events if s == session and m in kinds]

    def printed(self) -> bytes:
        """Print what is shown, as PDF on A4."""
        paper = {"paperWidth": 8.27, "paperHeight": 11.69}
        return base64.b64decode(self.ask("Page.printToPDF", self.tab, **paper)["data"])

    @contextmanager
    def on_paper(self) -> Iterator[None]:
        """Lay the page out as it is printed, as wide as A4 within its margins."""
        self.resize(718)
        self.ask("Emulation.setEmulatedMedia", self.tab, media="print")
        yield
        self.ask("Emulation.setEmulatedMedia", self.tab, media="")

    def picture(self, path: Path, **more: Any) -> None:
        data = self.ask("Page.captureScreenshot", self.tab, format="png", **more)["data"]
        path.write_bytes(base64.b64decode(data))


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Run Debian's Chromium until the block ends, installing it where it is missing and we may."""
    install("chromium", lambda: bool(shutil.which("chromium")))
    read_orders, orders = os.pipe()
    said, write_said = os.pipe()
    with own_folder() as folder, (folder / "log").open("wb") as log:
        words = ["bash", "-c", START, "bash", str(read_orders), str(write_said), "chromium"]
        started = subprocess.Popen(
            [*words, *OPTIONS, f"--user-data-dir={folder}/profile"],
            pass_fds=(read_orders, write_said),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        os.close(read_orders)
        os.close(write_said)
        try:
            yield Chromium(said, orders)
        finally:
            os.close(orders)
            os.close(said)
            started.terminate()
            started.wait(30)
