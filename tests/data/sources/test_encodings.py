from __future__ import annotations

import io
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.sources.encodings import CHUNK, DETECT, Utf8, check
from src.errors import UserError
from tests.data.diary_sentences import SENTENCES

pytestmark = pytest.mark.unit


def opened(content: bytes, encoding: str = DETECT) -> Utf8:
    return Utf8(io.BytesIO(content), "diary.csv", encoding)


def read(content: bytes, encoding: str = DETECT) -> str:
    return io.BufferedReader(opened(content, encoding), 2**16).read().decode()


def note(content: bytes) -> str:
    utf8 = opened(content)
    io.BufferedReader(utf8, 2**16).read()
    return utf8.note


def rows(code: str, count: int, english: int = 0) -> str:
    """Make many rows of one language, below as many of English as wanted."""
    texts = [*SENTENCES["en"]] * english + [*SENTENCES[code]] * (count // len(SENTENCES[code]) + 1)
    return "text,score\n" + "".join(f'"{text}",{place % 9}\n' for place, text in enumerate(texts))


# UTF-16's mark and a NUL are UTF-32's mark: nobody can tell these apart.
marked = st.text().filter(lambda text: not text.startswith("\0"))


@given(marked, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_marked_unicode_and_utf8_are_certain(text: str, encoding: str) -> None:
    if encoding == "utf-8" and (text.startswith("\ufeff") or "\0" in text):
        return
    content = text.encode(encoding, "replace")
    assert read(content) == content.decode(encoding)
    assert note(content) == ""


@pytest.mark.parametrize("place", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 2])
def test_letters_on_the_edge_of_a_chunk_are_whole(place: int) -> None:
    text = "a" * place + "é😀" + "b" * CHUNK + "ü"
    assert read(text.encode()) == text
    assert read(text.encode("utf-16")) == text
    assert read(text.replace("😀", "").encode("cp1252"), "cp1252") == text.replace("😀", "")


@pytest.mark.parametrize(
    ("code", "encoding"),
    [
        ("de", "cp1252"),
        ("fr", "cp1252"),
        ("es", "cp1252"),
        ("sv", "cp1252"),
        ("fr", "mac_roman"),
        ("pl", "cp1250"),
        ("pl", "iso8859-2"),
        ("tr", "cp1254"),
        ("ru", "cp1251"),
        ("ru", "koi8-r"),
        ("ru", "cp866"),
        ("zh", "gb18030"),
        ("zh", "big5"),
        ("ja", "shift_jis"),
        ("ja", "euc_jp"),
        ("ar", "cp1256"),
    ],
)
def test_other_encodings_are_found_and_said(code: str, encoding: str) -> None:
    content = rows(code, 60).encode(encoding, "ignore")
    assert read(content) == content.decode(encoding)
    assert "(confidence " in note(content)


def test_curly_quotes_of_an_english_diary_are_found() -> None:
    texts = ["I’m fine — really.", "She said “never again” and left.", "Don’t know why…", "Café."]
    content = "\n".join([*texts, *SENTENCES["en"]] * 6).encode("cp1252", "ignore")
    assert read(content) == content.decode("cp1252")
    assert note(content).startswith("cp1252 (confidence 0.")


def test_what_is_beyond_ascii_may_come_late() -> None:
    content = b"text\n" + b"plain words\n" * 300_000 + rows("fr", 60).encode("cp1252")
    assert read(content) == content.decode("cp1252")


def test_hardly_ever_is_a_wrong_encoding_taken() -> None:
    """Short files, where it is hardest: each is read right or refused."""
    chance, outcomes = random.Random(5), list[bool]()
    kinds = [("de", "cp1252"), ("fr", "iso8859-15"), ("pl", "cp1250"), ("pl", "iso8859-2")]
    kinds += [("ru", "cp1251"), ("ru", "koi8-r"), ("tr", "iso8859-9"), ("ja", "euc_jp")]
    for code, encoding in kinds * 20:
        texts = chance.choices(SENTENCES[code], k=chance.randint(1, 12))
        content = "\n".join(texts).encode(encoding, "ignore")
        try:
            outcomes.append(read(content) == content.decode(encoding))
        except UserError:
            continue
    assert len(outcomes) > 60
    assert outcomes.count(False) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text\nSECRET caf\xe9\n", "diary.csv is not UTF-8: byte 15 cannot be read. What it is"),
        (b"text\n\xff\xfe\n", "byte 5 cannot be read. What it is instead is not sure"),
        ("SECRET é\n".encode() * 9 + b"\xe9\n", "is not UTF-8: byte 90 cannot be read"),
        ("SECRET é".encode()[:-1], "byte 7 cannot be read"),
        ("SECRET".encode("utf-16-le"), "holds zero bytes"),
        ("é SECRET".encode("utf-16-le"), "holds zero bytes"),
        (b"\xff\xfea", "is not utf-16: byte 2 cannot"),
    ],
)
def test_what_is_not_sure_is_refused_and_names_what_to_type(content: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(content)
    assert message in caught.value.message
    assert "-P encoding=" in caught.value.hint
    assert "SECRET" not in caught.value.message + caught.value.hint


def test_what_is_named_is_taken_at_its_word() -> None:
    assert read(b"caf\xe9", "cp1252") == "café"
    assert read("é".encode("utf-16-le"), "utf-16-le") == "é"
    assert read("é".encode("utf-16"), "utf-16-le") == "é"
    assert read("\ufeffé".encode(), "utf8") == "é"
    assert note(b"plain") == ""
    with pytest.raises(UserError, match="is not ascii: byte 3"):
        read(b"caf\xe9", "ascii")
    with pytest.raises(UserError, match="is not UTF-8: byte 3"):
        read(b"caf\xe9", "utf-8")


@pytest.mark.parametrize("encoding", ["", "klingon", "hex", "rot13", "base64"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UserError, match=f"encoding={encoding} is no encoding"):
        check(encoding)
    check("latin-1")
    check(DETECT)


def test_memory_does_not_grow_with_the_file() -> None:
    class Endless(io.RawIOBase):
        left = 40

        def readable(self) -> bool:
            return True

        def read(self, count: int = -1) -> bytes:
            self.left -= 1
            return (
                b"\xe9t\xe9 \xe0 la plage, f\xeate, o\xf9 \xe7a\n" * 40_000
                if self.left > 0
                else b""
            )

    utf8 = Utf8(Endless(), "diary.csv", DETECT)  # type: ignore[arg-type]
    tracemalloc.start()
    total = 0
    while piece := utf8.read(2**16):
        total += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 40 * 2**20
    assert peak < 16 * 2**20
