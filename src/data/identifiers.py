"""What identifies people by its form: e-mails, links, handles, numbers of papers, addresses.

Each function reads a text in plain signs (see `src.data.deidentify.plain`) and yields what it
finds. The patterns repeat nothing without a bound that could match in two ways.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from linkify_it import LinkifyIt


class Span(NamedTuple):
    """Where something stands in a text, and what kind it is."""

    start: int
    end: int
    kind: str


NUMBERS = re.compile(r"\d")
LONG_NUMBERS = re.compile(r"\d(?:[^\d\n]{0,3}\d){6}")

_LINKISH = re.compile(r"\.[^\W\d_]{2}|://|@")
# Without "www." or a path, these are words behind a missing space, or names of files.
_NO_DOMAIN = re.compile(
    "it|is|in|at|to|me|my|so|no|be|am|as|us|do|he|we|an|or|by|of|on|if|"
    "go|hi|ok|py|md|sh|rs|pl|cc|zip|mov|app|so|id|ai|ms|mr|st|la|and|the|"
    "but|you|she|they|then|now"
)
_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w+%-][\w.+%'-]{0,63}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"
)
_AT = r"\s?[\[({]\s?(?:at|@)\s?[\])}]\s?"
_DOT = r"(?:\.|\s?[\[({]\s?(?:dot|\.)\s?[\])}]\s?| {1,3}dot {1,3})"
_SPELT_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w+%'-]{{1,64}}(?:{_DOT}[\w+%'-]{{1,64}}){{0,3}}(?:{_AT}"
    rf"[\w-]{{1,63}}(?:{_DOT}[\w-]{{1,63}}){{1,4}}"
    r"| {1,3}at {1,3}[\w-]{1,63}(?: {1,3}dot {1,3}[\w-]{2,63}){1,4})(?![\w-])",
    re.IGNORECASE,
)
_SPELT = re.compile(r"[\[({]\s?at\s?[\])}]| dot ", re.IGNORECASE)

_HANDLE = re.compile(
    r"(?<![\w@.+/-])@(?P<at>[^\W\d](?:[\w.-]{0,48}\w)?)(?![\w@])"
    r"|(?<![\w@./-])/?u/[\w-]{3,20}(?![\w/])"
    r"|(?<![\w@.#/-])[^\W\d_][\w.]{1,31}#\d{4}(?!\w)"
)
_AT_PLACES = re.compile(
    "home|work|school|uni|college|church|gym|lunch|dinner|breakfast|night|noon|"
    "midnight|the|a|me|my|his|her|our|their|your|this|that|least|last|once|all"
)


def contacts(view: str) -> Iterator[Span]:
    """Find e-mails, links and handles."""
    if _LINKISH.search(view):
        for link in _linkify().match(view) or ():
            if link.schema == "mailto:":
                yield Span(link.index, link.last_index, "EMAIL")
            elif link.schema or _is_domain(link.raw):
                yield Span(link.index, link.last_index, "URL")
        if "@" in view:
            for found in _EMAIL.finditer(view):
                yield Span(*found.span(), "EMAIL")
    if ("(" in view or "[" in view or "{" in view or "dot" in view) and _SPELT.search(view):
        for found in _SPELT_EMAIL.finditer(view):
            yield Span(*found.span(), "EMAIL")
    if "@" in view or "u/" in view or "#" in view:
        for found in _HANDLE.finditer(view):
            if not _AT_PLACES.fullmatch((found["at"] or "").lower()):
                yield Span(*found.span(), "HANDLE")


@cache
def _linkify() -> LinkifyIt:
    from linkify_it import LinkifyIt

    # The domains of examples are none of the internet's.
    return LinkifyIt().tlds(["example", "test", "invalid", "onion"], keep_old=True)


def _is_domain(raw: str) -> bool:
    """Tell a domain that was typed without its "http://" from a full stop without its space."""
    host, _, path = raw.partition("/")
    *labels, last = host.split(":")[0].split(".")
    if path or labels[0].lower() == "www":
        return True
    if last[:1].isupper() and not host.isupper():
        return False
    return not _NO_DOMAIN.fullmatch(last.lower()) and (
        len(last) > 2 or len(labels) > 1 or host.islower()
    )


_IP = re.compile(r"(?<![\w.:])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)")
_IP6 = re.compile(r"(?<![\w.:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(r"(?:version|chapter|section|release|v|§)\.?\s?$", re.IGNORECASE)

_PAPER = re.compile(
    r"\b(?:passport|social security|ssn|s\.s\.n\.|national insurance|ni|nino|nhs|tax|driver'?s?"
    r" licen[sc]e|driving licen[sc]e|licen[sc]e|licen[sc]e plate|student|patient|customer|client"
    r"|employee|personal|policy|case|claim|medical record|record|member(?:ship)?|account|routing"
    r"|application|insurance|medicare|medicaid|identity|id|visa|green card|prisoner|inmate"
    r"|badge|file)\b"
    r"(?:[ ]?(?:card|id|number|no\b\.?|nr\b\.?|num\b\.?|code|application id|#)){0,2}"
    r"(?:\s?(?:is|was|:|,|#|\()){0,4}\s{0,2}"
    r"(?P<what>(?=(?:[A-Za-z]{0,3}[ -]?)?[A-Za-z]{0,6}\d)[A-Za-z0-9]{1,24}"
    r"(?:[ /.-](?:[A-Z]{1,4}[/-])?[A-Z0-9]{0,12}\d[A-Z0-9]{0,12}){0,5}(?:[ -][A-Z])?)"
    r"(?![\w])",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_NINO = re.compile(r"(?<!\w)[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)")
LEAST_DIGITS = 5  # of the number of a paper

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.)? (?:of )?{_MONTH},? \d{{2,4}}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}})(?!\w)"
)
_BORN = re.compile(
    rf"(?:\bborn\b|\bbirth ?(?:day|date)?\b|\bdate of birth\b|\bd\.? ?o\.? ?b\b)"
    rf"(?P<between>[^.!?\n\d]{{0,40}}?\.?[^.!?\n\d]{{0,3}})(?<!\w)(?P<date>{_DATE})"
    rf"|(?<![\w./-])(?P<first>{_DATE})[:,]? (?:is |was )?(?:my |the |his |her )?"
    r"(?:date of birth|birth ?date|d\.?o\.?b\b)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")


def papers(view: str) -> Iterator[Span]:
    """Find numbers of papers that the sentence names, dates of birth and IP addresses."""
    for start, end in around_numbers(view, 80, 60):
        for pattern in (_SSN, _NINO):
            for found in pattern.finditer(view, start, end):
                yield Span(*found.span(), "ID")
        for found in _PAPER.finditer(view, start, end):
            if sum(sign.isdigit() for sign in found["what"]) >= LEAST_DIGITS:
                yield Span(*found.span("what"), "ID")
        for found in _BORN.finditer(view, start, end):
            yield Span(*found.span("date" if found["date"] else "first"), "BIRTHDATE")
    for found in _IP.finditer(view) if view.count(".") > 2 else ():
        before = view[max(0, found.start() - 10) : found.start()]
        if _is_ip(found[0]) and not _VERSION.search(before):
            yield Span(*found.span(), "IP")
    if "::" in view or view.count(":") > 6:
        for found in _IP6.finditer(view):
            if any(map(str.isdigit, found[0])) and len(found[0]) > 4 and _is_ip(found[0]):
                yield Span(*found.span(), "IP")


def around_numbers(view: str, before: int, after: int) -> Iterator[tuple[int, int]]:
    """Part off the stretches around numbers: the patterns that need one are read there alone."""
    start = end = -1
    for found in _NUMBER.finditer(view):
        if found.start() - before > end:
            if end >= 0:
                yield start, end
            start = max(0, found.start() - before)
        end = min(len(view), found.end() + after)
    if end >= 0:
        yield start, end


def _is_ip(words: str) -> bool:
    try:
        ipaddress.ip_address(words)
    except ValueError:
        return False
    return True


_CAP = r"[^\W\d_a-zß-öø-ÿ][\w'.-]{0,24}"  # a word with a capital
_STREET = (
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|close|crescent|cres"
    r"|place|pl|square|sq|terrace|terr|way|parkway|pkwy|highway|hwy|grove|gardens|gdns|mews|circle"
    r"|cir|row|walk|alley|rise|vale|wharf|quay)"
)
_UNIT = r"(?:flat|apt\.?|apartment|unit|suite|ste\.?|room|floor|no\.)"
_TOWN = rf"{_CAP}(?: {_CAP}){{0,2}}"
_UK_CODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"
_TAIL = (
    rf"(?:,? (?:[NSEW]|NE|NW|SE|SW)\b\.?)?(?:,? (?:(?i:{_UNIT}) ?#?|#)\w{{1,5}}\b)?"
    rf"(?:,? {_TOWN},? (?:{_UK_CODE}|[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?)(?!\w)"
    rf"|,? {_UK_CODE}(?!\w)|,? \d{{5}} {_CAP})?"
)
_NO_NUMBER_BEFORE = r"(?<![\w.,:/$€£#-])"
_ADDRESS = re.compile(
    # 14 Larch Close; Flat 3, 227 West Maple Street, Apt 4B
    rf"{_NO_NUMBER_BEFORE}(?:(?i:{_UNIT}) ?\w{{1,5}}, )?\d{{1,5}}[a-zA-Z]?,? "
    r"(?:[NSEW]\.? |North |South |East |West )?(?!(?i:minute|hour|mile|day|year)s?\b)"
    rf"(?:{_CAP} ){{1,3}}(?i:{_STREET})\b\.?{_TAIL}"
    # 9 rue des Tilleuls
    rf"|{_NO_NUMBER_BEFORE}\d{{1,4}}(?: ?bis| ?ter)?,? "
    r"(?i:rue|avenue|boulevard|bd|chemin|impasse|allée|quai) "
    rf"(?:(?:d[eu]s?|de la|de l'|l') ?){{0,2}}{_CAP}(?:[ -]{_CAP}){{0,2}}{_TAIL}"
    # Lindenstraße 48
    r"|\b[^\W\d_]{2,24}(?:straße|strasse|str\.|gasse|allee|damm|ufer|laan|straat|gatan|vägen|gata"
    rf"|veien) \d{{1,4}} ?[a-zA-Z]?\b{_TAIL}"
    # Calle de Alcalá 12
    r"|\b(?:(?i:calle|avenida|carrera|rua)|Via|Viale|Piazza|Corso|Plaza) "
    rf"(?:(?:de|del|da|do|la|los|las) ){{0,2}}{_CAP}(?: {_CAP}){{0,2}},? \d{{1,4}}\b{_TAIL}"
    # Am Markt 7, 04109 Leipzig
    rf"|\b(?:{_CAP} ){{1,3}}\d{{1,4}}[a-z]?, (?:[A-Z]{{1,2}}-)?\d{{5}} {_CAP}"
    r"|\b(?i:p\.? ?o\.? ?box|postfach|apartado|boîte postale) \d{1,6}\b"
)


def places(view: str) -> Iterator[Span]:
    """Find addresses: a street with a number and what belongs to it, or a post-office box."""
    stretches = around_numbers(view, 80, 120)
    for found in chain.from_iterable(_ADDRESS.finditer(view, *ends) for ends in stretches):
        end = found.end() - (view[found.end() - 1] == "." and not _keeps_dot(view, found.end()))
        yield Span(found.start(), end, "ADDRESS")


def _keeps_dot(view: str, end: int) -> bool:
    """Tell whether the dot at the end of "Blvd." is followed by more of the sentence."""
    return view[end : end + 2].lstrip()[:1].islower()
