"""Repairs that people ask for: mojibake and HTML, in texts that came through other hands."""

from __future__ import annotations

import re
from collections.abc import Callable

from src.errors import UserError

Mender = Callable[[str], str]

# One of the usual tags makes a text HTML; "<3" and "List<T>" do not.
_TAG = re.compile(
    r"</?(?:a|abbr|article|b|big|blockquote|body|br|center|code|dd|div|dl|dt|em|font|footer|h[1-6]|"
    r"head|header|hr|html|i|iframe|img|li|main|ol|p|pre|q|s|script|section|small|span|strike|strong|"
    r"style|sub|sup|table|tbody|td|th|title|tr|tt|u|ul)(?:\s[^<>]*|\s*/)?>|<!--|<!doctype\s",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
_BLOCKS = (
    "address,article,aside,blockquote,dd,div,dl,dt,fieldset,figcaption,figure,footer,form,h1,h2,"
    "h3,h4,h5,h6,header,hr,li,main,nav,ol,p,pre,section,table,td,th,tr,ul"
)
_UNSEEN = ["head", "script", "style", "template", "title", "noscript", "iframe", "object", "svg"]


def wanted(mend: str) -> tuple[str, ...]:
    """Read `mend`: what to repair, in the one order in which that makes sense.

    >>> wanted("html, mojibake")
    ('mojibake', 'html')

    Raises
    ------
    UserError
        Something else is named.
    """
    words = {word.strip().lower() for word in mend.split(",")} - {""}
    if unknown := sorted(words - set(MENDERS)):
        raise UserError(
            f"mend={mend}: {', '.join(unknown)} is nothing that can be mended.",
            f"-P mend={','.join(MENDERS)}",
        )
    return tuple(word for word in MENDERS if word in words)


def menders(mend: str) -> dict[str, Mender]:
    """Make the functions that mend texts, by what they mend, in the order to apply them."""
    return {word: MENDERS[word]() for word in wanted(mend)}


def mojibake() -> Mender:
    """Undo the reading of UTF-8 in another encoding, as in "schÃ¶n" for "schön".

    That and nothing else: quotes stay curly, ligatures and wide letters as they were written.
    """
    from ftfy import TextFixerConfig, fix_encoding

    config = TextFixerConfig(unescape_html=False, restore_byte_a0=True)

    def fixed(text: str) -> str:
        # Line by line: one that went through other hands may stand among sound ones.
        return "\n".join(fix_encoding(line, config) for line in text.split("\n"))

    return lambda text: text if text.isascii() else fixed(text)


def html() -> Mender:
    """Turn HTML into the text that a reader sees, a line for each block.

    A text with neither a tag nor an entity stays as it is, so that "<3" and "AT&T" do.
    """
    from html import unescape

    from selectolax.lexbor import LexborHTMLParser

    def seen(text: str) -> str:
        if not _TAG.search(text):
            return unescape(text) if _ENTITY.search(text) else text
        tree = LexborHTMLParser(text)
        tree.strip_tags(_UNSEEN, recursive=True)
        for node in tree.css("br"):
            node.replace_with("\n")
        for node in tree.css(_BLOCKS):
            node.insert_before("\n")
            node.insert_after("\n")
        body = tree.body
        words = body.text() if body else ""
        return re.sub(r"[^\S\n]*\n\s*", "\n", words).strip()

    return seen


MENDERS: dict[str, Callable[[], Mender]] = {"mojibake": mojibake, "html": html}
