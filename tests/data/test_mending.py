from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.mending import menders, wanted
from src.errors import UserError

pytestmark = pytest.mark.unit


def mended(text: str, mend: str) -> str:
    for one in menders(mend).values():
        text = one(text)
    return text


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("schÃ¶n und grÃ¼ÃŸe", "schön und grüße"),
        ("donâ€™t know", "don’t know"),
        ("CafÃ©\nwith mum", "Café\nwith mum"),
        ("one bad lÃ¶t\nand a sound café", "one bad löt\nand a sound café"),
        ("ðŸ˜€ all day", "😀 all day"),
        ("“curly” — it’s… naïve", "“curly” — it’s… naïve"),
        ("ﬁne, ＷＩＤＥ, Ⅳ, &amp;", "ﬁne, ＷＩＤＥ, Ⅳ, &amp;"),
        ("plain", "plain"),
    ],
)
def test_mojibake_is_undone_and_nothing_else(text: str, sound: str) -> None:
    assert mended(text, "mojibake") == sound


@given(st.text(st.characters(codec="utf-8", max_codepoint=0x24F, min_codepoint=32), max_size=40))
def test_mending_once_is_enough(text: str) -> None:
    assert mended(mended(text, "html"), "html") == mended(text, "html") or "&" in text


@pytest.mark.parametrize(
    "text",
    [
        "schön und grüße",
        "été à la plage",
        "¿Qué tal? ¡Añoranza!",
        "Привет, мир",
        "今日は雨",
        "A ® B © C ™",
    ],
)
def test_sound_texts_stay(text: str) -> None:
    assert mended(text, "mojibake,html") == text


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("<p>One<br>two</p><p>three &amp; four</p>", "One\ntwo\nthree & four"),
        ("<div><div>a</div>b</div><script>steal()</script><style>p{}</style>", "a\nb"),
        ("x <b>bold</b>, <i>it</i>.", "x bold, it."),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<html><head><title>T</title></head><body>x</body></html>", "x"),
        ('<a href="https://example.org">a walk</a> with <img src="x.png">her', "a walk with her"),
        ("tired &lt;3 &#128512;", "tired <3 😀"),
        ("I <3 you & AT&T", "I <3 you & AT&T"),
        ("5 < 6 and 7 > 3, List<T>, <grin>", "5 < 6 and 7 > 3, List<T>, <grin>"),
        ("<p>never closed", "never closed"),
        ("<!-- a note -->seen", "seen"),
        ("a &amp;lt; b", "a &lt; b"),
    ],
)
def test_html_becomes_what_a_reader_sees(text: str, sound: str) -> None:
    assert mended(text, "html") == sound


def test_deep_and_broken_html_is_borne() -> None:
    assert mended("<div>" * 5_000 + "x" + "</p>" * 5_000, "html").strip() == "x"


def test_off_is_off() -> None:
    assert menders("") == {}
    assert wanted("html, mojibake ,html") == ("mojibake", "html")


def test_what_cannot_be_mended_is_refused() -> None:
    with pytest.raises(UserError, match="mend=html,spelling: spelling") as caught:
        wanted("html,spelling")
    assert caught.value.hint == "-P mend=mojibake,html"
