"""The README's pictures: small, without a trace of the machine that they were made on."""

from __future__ import annotations

import doctest
import re

import pytest

from tools import pictures

pytestmark = pytest.mark.unit

FILES = sorted(pictures.FOLDER.iterdir())


def test_each_picture_is_there_for_a_light_and_a_dark_page() -> None:
    assert {path.stem.rpartition("-")[0] for path in FILES} == {"card", "running", "done"}
    assert all(path.with_stem(path.stem.replace("dark", "light")) in FILES for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_picture_is_small_and_loads_nothing(path: pictures.Path) -> None:
    content = path.read_bytes()
    assert len(content) < pictures.LARGEST
    if path.suffix == ".svg":
        text = content.decode()
        assert "@font-face" not in text
        assert not re.search(r"(href|src)=|url\((?!#)|/(tmp|home|root|Users)/", text)


def test_what_was_written_to_a_terminal_is_played_back() -> None:
    assert doctest.testmod(pictures).failed == 0
    frames = "ingest done\r\n\x1b[?25ltrain 1 of 2\r\nwaits\r\x1b[2K\x1b[1A\x1b[2Ktrain ━ 1 s left"
    shown = pictures.screens(frames + "\r\x1b[2Ktrain done\r\n")
    assert shown[-1] == ["ingest done", "train done", ""]
    assert pictures.busiest(shown) == ["ingest done", "train ━ 1 s left"]


def test_a_terminal_is_drawn_with_its_colours() -> None:
    svg = pictures.drawn(["train \x1b[32mdone\x1b[0m <3"], pictures.DARK, "x")
    assert "#6fcf93" in svg
    assert "&lt;3" in svg
    assert svg == pictures.drawn(["train \x1b[32mdone\x1b[0m <3"], pictures.DARK, "x")
