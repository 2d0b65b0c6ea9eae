"""Names of people: given names of many countries by list, others by the words around them.

Faker's lists name some 19,000 given names in Latin letters that are no English word. Those are
names wherever they have a capital, the common ones without one too. What is a word as well is a
name only where the sentence says so (`src.data.name_words`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

from src.data.identifiers import Span
from src.data.name_words import ALSO_NAMES, ALSO_PLACES, SELDOM_NAMES, words

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
# Faker's lists of names in English, and in how many others a name has to stand to be common.
ENGLISH, LISTS = ("en_US", "en_GB"), 3
SHORTEST = 4  # letters of a name without its capital
LAST_LATIN = "\u0250"

# Words with a capital that are nobody's surname and nobody who speaks.
NOBODY = words(
    """
i i'm i'd i'll i've im ive we we're we'll you you're he he's she she's it it's they they're me my
mine our us your his her hers him their them this that these those there here what when where who
whom why how which whose and but or nor so because if then than as at in on of to for from by with
without about after before until while during into onto over under again also still even just only
too very more most much many some any all both each every either neither no not never nobody none
nothing noone somebody someone something anybody anyone anything everybody everyone everything one
two three four five six seven eight nine ten first second third last next another other others
same such own is are was were be been being am do does did done have has had having can could may
might must shall should will would let lets let's don't didn't can't won't isn't wasn't a an the
yes yeah yep nope ok okay oh ah well now today tonight tomorrow yesterday monday tuesday wednesday
thursday friday saturday sunday january february march april june july august september october
november december mr mrs ms miss dr prof sir mom mum mama mommy mummy dad daddy papa grandma
grandpa granny gran nana nan aunt auntie uncle mother father sister brother son daughter wife
husband boss doctor nurse teacher coach captain people friends family parents god jesus christ
lord diary journal santa easter thanksgiving halloween facebook twitter netflix amazon siri alexa
world kitty street avenue road lane school hospital church college university park city hall house
garden gardens museum center centre bay creek hotel club river lake island mountain hill beach day
eve wars restaurant bar cafe café pizza store market station bridge tower festival award awards
mon tue tues wed thu thurs fri sat sun mam maman mamma maam madame monsieur gogo morning afternoon
evening night noon everyone's radio tv news forecast report article letter sign police google
apple grandfather grandmother grandmom granma poppa godmother nephew niece cousin children thanks
sorry congrats asian globes christmas watch associate professor english french german spanish
italian irish scottish welsh dutch danish swedish norwegian polish czech russian greek turkish
chinese japanese korean indian american british canadian australian mexican georgian latin arabic
hebrew christian muslim jewish catholic name email url iban card id birthdate ip phone handle
address
"""
)

# After these a word with a capital is a name. The short ones may have a full stop.
SHORT_TITLES = words("Mr Mrs Ms Mx Dr Prof Rev Fr Sgt Capt Lt")
TITLES = SHORT_TITLES | words(
    """
Miss Professor Doctor Aunt Auntie Aunty Uncle Grandma Grandpa Granny Gran Nana Nanna Grandad
Granddad Nurse Father Sister Brother Cousin Coach Pastor Rabbi Imam Reverend Sir Lady Madame Madam
Judge Officer Detective Sergeant Principal Señor Señora Herr Frau Monsieur Mme
"""
)
# "My sister Ada", "her boss, Ada".
WHOSE = words("my his her our their your")
KIN = words(
    """
friend girlfriend boyfriend partner husband wife fiancé fiancée fiance fiancee ex sister brother
son daughter cousin niece nephew aunt uncle grandson granddaughter grandmother grandfather mother
father stepmother stepfather stepmom stepdad stepson stepdaughter stepsister stepbrother mom mum
dad godson goddaughter godmother twin bestie mate roommate flatmate housemate neighbor neighbour
colleague coworker co-worker boss manager supervisor teacher tutor therapist counselor counsellor
doctor dentist landlord landlady classmate crush buddy pal bff sister-in-law brother-in-law
mother-in-law father-in-law ex-husband ex-wife ex-boyfriend ex-girlfriend sponsor mentor trainer
baby toddler nanny babysitter
"""
)
# "A girl named Ada".
SOMEBODY = KIN | words(
    """
girl boy man woman guy lady kid child person student nurse someone somebody lad bloke dude
"""
)
# "With Ada", "told Ada", "miss Ada".
MET = words(
    "with told tell telling asked ask asking hugged hug kissed kiss met meet meeting miss missed "
    "texted texting thanked thank married marry dated dating phoned invited"
)
GREETINGS = words("dear dearest hi hey hello")
# "Ada said", "Ada called me", "Ada and I"; "Ada's place".
SPEAKS = words(
    """
said says told tells texted texts asked asks replied whispered shouted yelled laughed cried smiled
hugged kissed phoned apologised apologized emailed messaged invited
"""
)
TO_ME = words("called rang helped showed drove taught")
OWNED = words(
    """
place house flat apartment mother mom mum father dad sister brother wife husband birthday wedding
funeral kids face voice arms text message
"""
)
# What makes a name of Hope and Rose at the start of a sentence.
_ACTS = re.compile(
    r" (?:came (?:by|over|round|home|back)|finally|drove|stayed|met|moved|picked|dropped|sat|walked"
    r"|brought|bought|cooked|baked|sent|wrote|helped)\b"
)
# "J. R. Okafor", but not "U.S. Open", "5 p.m. Monday".
_INITIALS = re.compile(r"(?<![\w.])(?!U\.|D\.C|A\.M|P\.M|P\.S|B\.C)(?:[A-Z]\. ?){2,3}$")
SMALL = words("de da do dos van von der den di la le del el bin ibn al ter ten y")
MONTHS = words("april may june summer autumn")
_END_OF_SENTENCE = re.compile(r"[.!?…:\n\"“”*>•|—]|--| - |^$")
WHERE = words(
    """
in to at from near of around through via visit visiting visited outside leaving left the toward
towards for into love
"""
)
SAINTS = ("St. ", "St ", "Saint ", "San ", "Santa ")


class Lists:
    """The names that Faker lists, in lower case."""

    def __init__(self) -> None:
        from importlib import import_module
        from pkgutil import iter_modules

        from faker.providers import person

        lists = Counter[str]()
        english = set[str]()
        for module in iter_modules(person.__path__):
            provider = import_module(f"{person.__name__}.{module.name}").Provider
            found = {
                part.lower()
                for column in dir(provider)
                if column.startswith("first_names")
                and isinstance(names := getattr(provider, column), tuple | list | dict)
                for name in names
                for part in WORD.findall(name.replace("-", " "))
                if len(part) > 1
            }
            lists.update(found)
            if module.name in ENGLISH:
                english |= found
        self.sure = frozenset(lists.keys() - SELDOM_NAMES - ALSO_NAMES - ALSO_PLACES)
        self.all = frozenset(lists)
        self.common = frozenset(
            name
            for name in self.sure
            if len(name) >= SHORTEST
            and max(name) < LAST_LATIN
            and (name in english or lists[name] >= LISTS)
        )


@cache
def lists() -> Lists:
    """Read the lists, once: half a second."""
    return Lists()


def names(view: str) -> Iterator[Span]:
    """Find names of people, with the surnames that follow them."""
    text = _Text(view)
    first = [place for place in text.worth_a_look() if text.is_name(place)]
    if not first:
        return
    taken = [False] * len(text.words)
    text.take(first, taken)
    # Whoever was named once is named by the same word elsewhere, at the start of a sentence too.
    here = {text.words[place] for place, name in enumerate(taken) if name}
    again = [
        place
        for place, word in enumerate(text.words)
        if word in here
        and not taken[place]
        and word[0].isupper()
        and word.lower() not in SELDOM_NAMES
    ]
    text.take(again, taken)
    start = -1
    for place, name in enumerate(taken):
        if name:
            start = text.initials(place) if start < 0 else start
            if place + 1 == len(taken) or not taken[place + 1] or text.gap(place + 1) != " ":
                yield Span(start, text.starts[place] + len(text.words[place]), "NAME")
                start = -1


class _Text:
    """The words of a text, without "'s", and where they start."""

    def __init__(self, view: str) -> None:
        self.view = view
        self.words, self.starts = list[str](), list[int]()
        self.known = lists()
        for found in WORD.finditer(view):
            word = found[0]
            self.words.append(word[:-2] if word.endswith(("'s", "'S")) else word)
            self.starts.append(found.start())

    def worth_a_look(self) -> list[int]:
        """List the places of words with a capital and of common names without one."""
        common = self.known.common
        return [
            place
            for place, word in enumerate(self.words)
            if word[0].isupper() or word in common or self.word(place - 1) in KIN
        ]

    def word(self, place: int) -> str:
        """Give a word, "" beyond the text."""
        return self.words[place] if 0 <= place < len(self.words) else ""

    def gap(self, place: int) -> str:
        """Give what stands between a word and the one before it."""
        if not 0 < place < len(self.words):
            return ""
        return self.view[self.starts[place - 1] + len(self.words[place - 1]) : self.starts[place]]

    def initials(self, place: int) -> int:
        """Give where the initials before a word start; where it starts itself, without any."""
        start = self.starts[place]
        found = _INITIALS.search(self.view, max(0, start - 10), start)
        return found.start() if found else start

    def starts_sentence(self, place: int) -> bool:
        """Tell whether a capital says nothing here."""
        return place == 0 or bool(_END_OF_SENTENCE.search(self.gap(place)))

    def is_name(self, place: int) -> bool:
        """Tell a name by the lists, or by the words around it."""
        word = self.words[place]
        plain = word.lower()
        capital = word[0].isupper() and (plain in self.known.common or not word.isupper())
        if not capital:
            return plain in self.known.common or (
                plain in self.known.sure and self._is_of_kin(place) and not word.isupper()
            )
        if self.view.endswith(SAINTS, 0, self.starts[place]):
            return False
        if plain in self.known.sure:
            return True
        if plain in ALSO_NAMES or plain in ALSO_PLACES:
            if not self.starts_sentence(place):
                is_place = plain in ALSO_PLACES and self.word(place - 1).lower() in WHERE
                return not is_place and not self._is_in_title(place)
            if _ACTS.match(self.view, self.starts[place] + len(word)):
                return True
        if self.initials(place) < self.starts[place]:
            return len(word) > 2 and not word.isupper() and plain not in NOBODY
        given, hyphen, rest = word.partition("-")
        both = given.lower() in self.known.sure or rest.lower() in self.known.all
        if hyphen and rest[:1].isupper() and given.lower() in self.known.all and both:
            return True
        return len(word) > 1 and self._is_told(place, plain)

    def _is_told(self, place: int, plain: str) -> bool:
        """Tell whether the sentence says that a word with a capital is a name."""
        if plain in NOBODY and plain not in MONTHS:
            return False
        before, gap = self.word(place - 1), self.gap(place)
        if gap == " " or (gap == ". " and before in SHORT_TITLES):
            if before in TITLES or self._is_called(place):
                return True
            if before.lower() in MET and self._may_join(place) and not self._is_in_title(place):
                return True
            if before.lower() in GREETINGS and self.starts_sentence(place - 1):
                return self.gap(place + 1)[:1] in (",", "!", ".") or self.word(place + 1) == "and"
        if self._is_of_kin(place):
            return True
        return (plain not in SELDOM_NAMES or plain in MONTHS) and self._acts(place)

    def _is_called(self, place: int) -> bool:
        """Tell "a girl named Ada", "named her Ada", "my name is Ada", "they call me Ada"."""
        before, second = self.word(place - 1), self.word(place - 2).lower()
        if before in ("named", "called"):
            return second in SOMEBODY
        if before in ("her", "him", "them"):
            return second == "named"
        if before == "me":
            return second in ("call", "called", "calls")
        return before in ("is", "was", "are") and self.word(place - 2) in ("name", "names", "Name")

    def _is_of_kin(self, place: int) -> bool:
        """Tell "my little sister Ada" and "her boss, Ada"."""
        return (
            self.gap(place) in (" ", ", ")
            and self.word(place - 1).lower() in KIN
            and any(self.word(place - back).lower() in WHOSE for back in (2, 3, 4))
        )

    def _acts(self, place: int) -> bool:
        """Tell "Ada said", "Ada called me", "Ada and I" and "Ada's place"."""
        after, second, gap = self.word(place + 1), self.word(place + 2), self.gap(place + 1)
        if gap == "'s ":
            return after in OWNED
        if gap != " ":
            return False
        if after == "and":
            return second in ("I", "me")
        return after in SPEAKS or (after in TO_ME and second == "me")

    def _is_in_title(self, place: int) -> bool:
        """Tell whether a word is one of several with capitals: "Red Robin", "Olive Garden"."""
        before, after = self.word(place - 1), self.word(place + 1)
        if (
            before[:1].isupper()
            and self.gap(place) == " "
            and before.lower() not in NOBODY
            and not self.starts_sentence(place - 1)
        ):
            return True
        return (
            after[:1].isupper()
            and self.gap(place + 1) == " "
            and after.lower() in NOBODY
            and after != "I"
        )

    def take(self, places: list[int], taken: list[bool]) -> None:
        """Take words for names, with their surnames and with whom an "and" joins them to."""
        left = places[::-1]
        while left:
            place = left.pop()
            if taken[place]:
                continue
            last = self._last_of(place)
            taken[place : last + 1] = [True] * (last + 1 - place)
            left += [
                joined
                for joined, between in ((place - 2, place - 1), (last + 2, last + 1))
                if self.word(between) == "and" and self._may_join(joined) and not taken[joined]
            ]

    def _may_join(self, place: int) -> bool:
        word = self.word(place)
        plain = word.lower()
        capital = word[:1].isupper() and len(word) > 2 and not word.isupper()
        told = capital and plain not in NOBODY and plain not in SELDOM_NAMES
        return told and not self.starts_sentence(place)

    def _last_of(self, place: int) -> int:
        """Give the place of the last word that belongs to a name: three more at most."""
        last = place
        for after in range(place + 1, min(place + 4, len(self.words))):
            if self.gap(after) != " ":
                break
            word = self.words[after]
            if word in SMALL:
                continue
            # Where all is in capitals, nothing tells a surname from the next word.
            if not word[0].isupper() or (len(word) > 1 and word.isupper()):
                break
            if word.lower() in NOBODY:
                break
            last = after
        return last
