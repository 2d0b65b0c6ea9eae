"""Numbers by which people are called and paid: phone numbers, payment cards, bank accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from src.data.identifiers import Span

_DIGITS = re.compile(r"\D")
_CARD = re.compile(
    r"(?<![\w.,-])(?<!\d )(?:[2-6]\d{12,18}|[2-6]\d{3}([ -])\d{4,6}\1\d{4,5}(?:\1\d{1,7})?)"
    r"(?![\w-]|[ ]\d)"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
_END = re.compile(r"(?<=\w)(?!\w)")
# How long IBANs of a country are; those of others end where the check digits first fit.
_LENGTHS = {
    country: length
    for countries, length in (
        ("NO", 15), ("BE", 16), ("DK FI NL FO GL", 18), ("MK SI", 19),
        ("AT BA EE KZ LT LU XK", 20), ("CH HR LI LV CR", 21),
        ("BG BH DE GB GE IE ME RS", 22), ("AE GI IL", 23),
        ("AD CZ ES MD PK RO SA SE SK TN", 24), ("PT", 25), ("IS TR", 26),
        ("FR GR IT MC SM", 27), ("AL AZ CY DO HU LB PL", 28), ("BR EG QA UA", 29), ("JO KW", 30),
        ("MT", 31),
    )
    for country in countries.split()
}  # fmt: skip

# Separators are single, but for ") " and " (". A number does not start within a longer one.
_PHONE = re.compile(
    r"(?<![\w$€£#@+-])(?<!\d[ .,:/-])(?:\+ ?|\(\+?)?\d(?:(?:[ ./-]|\) ?| \(|\()?\d){6,14}"
    r"(?:,? ?(?:ext\.?|x|extension) ?\d{1,5})?(?![\w%€$£-]|[ .:/,-]\d)"
)
_DATES = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d")
_COUNTING = re.compile(r"\b\d\D\d\D\d\b")  # 0 1 2 3 4 5 6 7
_AMERICAN = re.compile(
    r"(?:\+?1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}|[2-9]\d\d-\d{4}"
)
_CUE = re.compile(
    r"\b(?:call|calls|called|calling|phone|phoned|tel|telephone|mobile|cell|text|texted|texting|ring"
    r"|rang|fax|whatsapp|hotline|dial|dialled|dialed|number|reach|signal|sms|extension)\b",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"\b(?:order|tracking|ticket|reference|ref|invoice|flight|isbn|issn|page|pages|serial|part|item"
    r"|article|patent|room|level|score|passport|account|customer|client|policy|case|claim|record"
    r"|licen[sc]e|insurance|student|patient|security|tax)\b",
    re.IGNORECASE,
)
# Where a number without a country's code may be of; a valid one of any of them counts.
REGIONS = (
    "US", "GB", "IE", "AU", "NZ", "DE", "AT", "CH", "FR", "BE", "NL", "ES", "IT", "PT", "PL", "SE",
    "NO", "DK", "FI", "IN", "ZA", "NG", "KE", "BR", "MX", "JP",
)  # fmt: skip
BEFORE = 40  # characters in which a cue may stand
LEAST_DIGITS = 7


def bank_numbers(view: str) -> Iterator[Span]:
    """Find numbers of payment cards and IBANs, by their check digits."""
    for found in _CARD.finditer(view):
        if has_luhn(_DIGITS.sub("", found[0])):
            yield Span(*found.span(), "CARD")
    for found in _IBAN.finditer(view):
        # Its end may not show: "… 00 from now on".
        for end in _END.finditer(view, found.start() + 15, found.end()):
            if is_iban(view[found.start() : end.end()]):
                yield Span(found.start(), end.end(), "IBAN")
                break


def has_luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B).

    >>> has_luhn("4111111111111111"), has_luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def is_iban(words: str) -> bool:
    """Tell whether the check digits of an IBAN fit (ISO 13616, by ISO 7064's modulo 97-10).

    >>> is_iban("GB29 NWBK 6016 1331 9268 19"), is_iban("GB29 NWBK 6016 1331 9268 18")
    (True, False)
    """
    signs = re.sub(r"[ -]", "", words).upper()
    if not 15 <= len(signs) <= 34 or _LENGTHS.get(signs[:2], len(signs)) != len(signs):
        return False
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def phones(view: str) -> Iterator[Span]:
    """Find phone numbers: by a country's code, by their form, or where one is spoken of."""
    for found in _PHONE.finditer(view):
        start = found.start() + (found[0][0] == "(" and ")" not in found[0])
        before = view[max(0, start - BEFORE) : start]
        end = _end(view, start, found.end(), before)
        if end:
            yield Span(start, end, "PHONE")


def _end(view: str, start: int, end: int, before: str) -> int:
    """Give where a number ends, 0 for none: in "212 555 0147 2 times" one group is too much."""
    of_other, shorter = bool(_OTHER.search(before)), end
    for _ in range(3):
        if _is_certain(view[start:shorter], of_other):
            return shorter
        shorter = max(view.rfind(sign, start, shorter) for sign in " ./-(")
        if shorter < start or len(_DIGITS.sub("", view[start:shorter])) < LEAST_DIGITS:
            break
    told = not of_other and _CUE.search(before) and not _DATES.fullmatch(view, start, end)
    return end if told and _is_possible(view[start:end], REGIONS[:3]) else 0


def _is_certain(number: str, of_other: bool) -> bool:
    """Tell a phone number by its form, whatever is said of it."""
    number = re.split(r",? ?[ex]", number)[0]
    if _DATES.fullmatch(number) or _COUNTING.search(number):
        return False
    bare = number.lstrip("(")
    if bare.startswith(("+", "00")):
        return _is_possible("+" + bare.lstrip("+0"), (None,))
    if _AMERICAN.fullmatch(number):
        return True
    may_be = bare.startswith("0") and not (of_other and bare.isdecimal())
    return may_be and any(_is_valid(number, region) for region in REGIONS)


def _is_possible(number: str, regions: Sequence[str | None]) -> bool:
    import phonenumbers as library

    possible = library.ValidationResult.IS_POSSIBLE
    local = library.ValidationResult.IS_POSSIBLE_LOCAL_ONLY
    for region in regions:
        try:
            found = library.is_possible_number_with_reason(library.parse(number, region))
        except library.NumberParseException:
            continue
        if found == possible or (found == local and region == "US"):
            return True
    return False


def _is_valid(number: str, region: str) -> bool:
    import phonenumbers as library

    try:
        return library.is_valid_number(library.parse(number, region))
    except library.NumberParseException:
        return False
