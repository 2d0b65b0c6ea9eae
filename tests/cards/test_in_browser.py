"""Cards as people see them: in the tracking UI's artifact viewer, in a real browser."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.browser import Chromium, chromium
from tests.fakes import made_up_entries, run_python, write_csv
from tools.serve import mlflow_server

pytestmark = [pytest.mark.slow, pytest.mark.integration]

PROJECT = Path(__file__).resolve().parents[2]
WIDTHS = (360, 600, 960, 1280, 1600)
CARDS = (
    "ingest",
    "split",
    "train sentiment",
    "train topics",
    "evaluate sentiment",
    "evaluate topics",
    "register sentiment",
    "register topics",
    "failed",
    "main topics",
)

# What sticks out of the window, or out of a box that hides it; boxes that scroll may hold more.
OVERFLOWS = """(() => {
  const wide = [];
  if (document.documentElement.scrollWidth > innerWidth) wide.push("the page");
  for (const part of document.querySelectorAll("main *")) {
    const box = part.getBoundingClientRect();
    const scrolls = part.closest(".wide, pre");
    if (!box.width || (scrolls && scrolls !== part)) continue;
    if (box.right > innerWidth + 1 || box.left < -1) wide.push(part.outerHTML.slice(0, 120));
  }
  for (const text of document.querySelectorAll("svg text")) {
    const box = text.getBoundingClientRect(), all = text.closest("svg").getBoundingClientRect();
    if (box.left < all.left - 2 || box.right > all.right + 2 || box.top < all.top - 2
        || box.bottom > all.bottom + 2) wide.push("cut off: " + text.textContent);
  }
  return wide;
})()"""

# Words with too little contrast (WCAG 2.2, 1.4.3): 4.5 to 1, or 3 to 1 where they are large.
FAINT = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const read = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ratio = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const below = (part) => {
    for (; part; part = part.parentElement) {
      const colour = read(getComputedStyle(part).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const faint = [];
  for (const part of document.querySelectorAll("body *")) {
    const own = [...part.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || part.closest("script, style, title") || !part.getClientRects().length) continue;
    const style = getComputedStyle(part), inside = part.closest("svg");
    let paper = below(inside || part);
    if (inside) {  // words in a picture stand on the shapes drawn before them
      const box = part.getBoundingClientRect();
      const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
      const under = [...inside.querySelectorAll("path")].filter((shape) => {
        const fill = getComputedStyle(shape).fill, at = shape.getBoundingClientRect();
        return fill !== "none" && at.left <= x && x <= at.right && at.top <= y && y <= at.bottom
          && !shape.closest("defs") && !(part.compareDocumentPosition(shape) & 4);
      }).pop();
      if (under && !under.closest('[id^="of-"], .topic')) {
        const fill = read(getComputedStyle(under).fill);
        const share = (fill[3] / 255) * getComputedStyle(under).opacity
          * getComputedStyle(under).fillOpacity;
        paper = paper.map((c, i) => i < 3 ? c * (1 - share) + fill[i] * share : 255);
      }
    }
    const ink = read(inside ? style.fill : style.color);
    const size = parseFloat(style.fontSize), bold = +style.fontWeight >= 700;
    const least = size >= 24 || (size >= 18.66 && bold) ? 3 : 4.5;
    const found = ratio(ink, paper);
    if (found < least) faint.push(found.toFixed(2) + ": " + part.textContent.trim().slice(0, 60));
  }
  return faint;
})()"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server with runs of every kind."""
    folder = tmp_path_factory.mktemp("cards")
    journal = write_csv(folder / "journal.csv", made_up_entries(900))
    store, words = f"sqlite:///{folder}/mlflow.db", ("-m", "tests.cards.store_of_cards")
    more = {"MLFLOW_TRACKING_URI": store, "MLFLOW_ARTIFACTS_DESTINATION": f"{folder}/artifacts"}
    done = run_python(PROJECT, *words, str(journal), folder=folder, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    with mlflow_server(folder, store) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def runs(server: str) -> dict[str, Any]:
    """The newest run of each kind."""
    found = mlflow.MlflowClient(server).search_runs(["0"], order_by=["attributes.start_time ASC"])
    return {
        "failed" if run.info.status == "FAILED" else str(run.info.run_name): run for run in found
    }


@pytest.fixture(params=CARDS)
def card(
    request: pytest.FixtureRequest, server: str, browser: Chromium, runs: dict[str, Any]
) -> str:
    """The frame in which the UI shows a card."""
    return shown(browser, server, runs[request.param].info.run_id)


def shown(browser: Chromium, server: str, run_id: str) -> str:
    browser.open(f"{server}/#/experiments/0/runs/{run_id}/artifacts/card.html", width=1600)
    frame = browser.until('document.querySelector("iframe")?.getAttribute("sandbox")')
    assert frame == "allow-scripts"
    while not browser.frames:
        browser.settle()
    (session,) = browser.frames.values()
    browser.until('document.readyState === "complete" && !!document.querySelector("h1")', session)
    return session


def test_a_card_is_whole_and_can_be_read_in_the_ui(browser: Chromium, card: str) -> None:
    for theme in ("light", "dark"):
        for width in WIDTHS:
            # The card is as wide as the UI leaves it; here it is asked about each width itself.
            browser.fit(card, width, theme)
            assert browser.run("innerWidth", card) == width
            assert browser.run(OVERFLOWS, card) == [], (theme, width)
        assert browser.run(FAINT, card) == [], theme
    assert browser.asked(card) == []
    assert browser.complaints(card) == []
    levels = browser.run(
        '[...document.querySelectorAll("h1, h2, h3, h4")].map(e => +e.tagName[1])', card
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert browser.run('document.querySelector("main > :last-child pre").innerText', card)


LARGEST = 300_000  # bytes of a card
# What is in a card but would not be on paper, or not within its column.
LOST = """[...document.querySelectorAll("main td, main pre, main svg, main p")]
  .filter((part) => part.textContent.trim() && !part.checkVisibility())
  .concat([...document.querySelectorAll(".wide")].filter((p) => p.scrollWidth > p.clientWidth + 1))
  .map((part) => part.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("name", CARDS)
def test_a_card_is_small_and_whole_on_paper(
    name: str, server: str, browser: Chromium, runs: dict[str, Any], tmp_path: Path
) -> None:
    client = mlflow.MlflowClient(server)
    page = Path(client.download_artifacts(runs[name].info.run_id, "card.html", str(tmp_path)))
    assert page.stat().st_size < LARGEST
    browser.open(page.as_uri(), dark=True)
    browser.until('document.readyState === "complete"')
    assert browser.printed().count(b"/Type /Page\n") >= 1
    with browser.on_paper():
        assert browser.run(LOST) == []
        assert browser.run(OVERFLOWS) == []
        assert browser.run(FAINT) == []
        background = "getComputedStyle(document.body).backgroundColor"
        assert browser.run(background) == "rgb(255, 255, 255)"


def test_pointing_at_a_topic_on_the_map_shows_its_words(
    browser: Chromium, server: str, runs: dict[str, Any]
) -> None:
    frame = shown(browser, server, runs["train topics"].info.run_id)
    caption = 'document.querySelector(".topic").closest("figure").querySelector("figcaption")'
    before = browser.run(f"{caption}.textContent", frame)
    point = 'document.querySelector(".topic").dispatchEvent(new Event("mouse{}"))'
    browser.run(point.format("enter"), frame)
    after = browser.run(f"{caption}.textContent", frame)
    assert after == browser.run('document.querySelector(".topic title").textContent', frame)
    assert "entries)" in after
    browser.run(point.format("leave"), frame)
    assert browser.run(f"{caption}.textContent", frame) == before
