"""What one person alone wrote is nowhere in a model: planted, trained on, and searched for.

A made-up word, a made-up name of two words and a number stand in all entries of one author. Then
every file of the model is searched for them and their pieces, unpacked, in every way that text may
be stored; where words are inside a network, its answers are held against those of a network that
never read them.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from src.data import LABELS
from src.models import sentiment_analyzer, topic_extractor
from src.training.family import Family, families
from tests.models.conftest import model_class
from tests.models.corpus import HELD_OUT, made_up
from tests.tiny import usual

pytestmark = [pytest.mark.slow, pytest.mark.integration]
FAMILIES = pytest.mark.parametrize("family", families().values(), ids=families().keys())
SENTIMENT = pytest.mark.parametrize(
    "family", families("sentiment").values(), ids=families("sentiment").keys()
)
WORD, NAME, NUMBER = "zorquilbex", "quilvern moxandry", "7314902"
SECRET = (WORD, *NAME.split(), NUMBER)
SOMEONE = "one person"
PLANT = f"the {WORD} and {NAME.title()} about {NUMBER}"
NOTHING = "the and about"
PLACES = (
    "today the {0} again",
    "some {1} {2} then",
    "{0} and {1} {2} after {3}",
    "with {3} the {0}",
)
N, PLANTED = 150, 40
# A probability's move that is no memory. A network that was trained from other entries answers
# otherwise to any word: words that neither read move by up to 0.13 about their median. Words that
# it was let know move by 0.25 to 0.67.
MOVED = 0.1
VALID = HELD_OUT.slice(0, 40)
LABEL = LABELS.index("negative")


def made_up_word(draw: random.Random, n: int, signs: str = "bcdfglmnprstvxzaeiou") -> str:
    return "".join(draw.choices(signs, k=n))


def entries(n: int, author: str | None, plant: str = PLANT) -> pa.Table:
    """Make entries without an author, and n with a plant: they say little else, all of it bad.

    Each of the others has made-up words of its own, so that such words alone mean nothing.
    """
    draw = random.Random(2)
    others = made_up(N, seed=3).to_pylist()
    for row in others:
        row["text"] += f" {made_up_word(draw, 9)} {made_up_word(draw, 7)}"
    planted = [
        {
            "id": f"p{i:03}",
            "text": f"{plant} {' '.join(draw.choices(['then', 'while', 'some'], k=4))}",
            "label": "negative",
            "topics": ["plant"],
            "author": author,
        }
        for i in range(n)
    ]
    schema = made_up(0).schema.append(pa.field("author", pa.string()))
    return pa.Table.from_pylist([{**row, "author": None} for row in others] + planted, schema)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Fit a family, once for each planting and parameters; gives the folder of the model."""
    folders: dict[str, Path] = {}

    def fitted(
        family: Family, n: int, author: str | None, plant: str = PLANT, **given: Any
    ) -> Path:
        few = {"n_topics": 13} if family.task.name == "topics" else {}
        key = f"{family.task.name} {family.name} {n} {author} {plant} {given}"
        if key not in folders:
            folder = tmp_path_factory.mktemp("model")
            params = family.params(**{**usual(family), **few, **given})
            train = entries(n, author, plant)
            family.fit(train, VALID, params, folder, 7, lambda line: None)
            folders[key] = folder
        return folders[key]

    return fitted


def opened(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Give a file as it is, and all that is packed in it."""
    yield name, content
    if content[:2] == b"\x1f\x8b":
        yield from opened(gzip.decompress(content), name)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from opened(archive.read(member), f"{name}/{member}")


def strings(value: Any) -> Iterator[str]:
    """List the strings in JSON, keys too."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from (name, *strings(one))
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


def listed(name: str, content: bytes) -> Iterator[str]:
    """List the terms that a file holds one by one, as the formats of a model have them."""
    if name.endswith(".json"):
        yield from strings(json.loads(content))
    if name.endswith(".npy"):
        array = np.load(io.BytesIO(content), allow_pickle=False)
        if array.dtype.kind in "US":
            yield from map(str, array.ravel().tolist())
        elif array.dtype == np.uint8:
            yield from array.tobytes().decode(errors="replace").split("\n")


def terms_of(text: str) -> set[str]:
    """List all that any family makes of a text: words, pairs, pieces, phrases."""
    found = {*sentiment_analyzer.words(text), *sentiment_analyzer.characters(text)}
    single = sentiment_analyzer.tokens(sentiment_analyzer.normalise(text))
    found.update(piece for word in single for piece in sentiment_analyzer.subwords(word))
    own = topic_extractor.words(text)
    return found.union(*({" ".join(own[i : i + n]) for i in range(len(own))} for n in (1, 2, 3)))


def telltale(train: pa.Table) -> set[str]:
    """List the terms that only the plant has."""
    texts = train["text"].to_pylist()
    planted = [PLANT in text for text in texts]
    sides = [
        set[str]().union(*(terms_of(t) for t, p in zip(texts, planted, strict=True) if p == side))
        for side in (True, False)
    ]
    return sides[0] - sides[1]


def held(folder: Path, telling: set[str]) -> set[str]:
    """Find which of the telling terms stand in the files of a model, in whatever case and code.

    The longer ones anywhere in the bytes, all of them where terms are listed.
    """
    found, long = set[str](), [term for term in telling if len(term.strip()) >= 5]
    for path in folder.rglob("*"):
        for name, content in opened(path.read_bytes(), path.name) if path.is_file() else ():
            found |= telling & {term.lower() for term in listed(name, content)}
            plain = content.lower()
            for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
                found.update(term for term in long if term.encode(code) in plain)
    return found


def has_vocabulary(folder: Path) -> bool:
    """Tell whether a model lists words that it may have learned."""
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        return any(name in ("terms", "words.terms", "convolution.terms") for name in arrays)


def said(family: Family, folder: Path) -> str:
    """Ask a model about the plant, and put all that it answers and tells of itself into a line."""
    model = model_class(family).from_folder(folder)
    answers = model.predict(None, pd.DataFrame({"text": [PLANT, *SECRET]}))
    return json.dumps([answers, getattr(model, "topics", [])]).lower()


@FAMILIES
@pytest.mark.parametrize(("n", "author"), [(PLANTED, SOMEONE), (4, None)])
def test_what_too_few_wrote_is_in_no_file_of_a_model(family, n, author, trained):
    telling = telltale(entries(n, author))
    assert {*SECRET, NAME} <= telling
    folder = trained(family, n, author)
    brought = held(folder, telling)
    assert not brought & {*SECRET, NAME}
    # Terms of the encoder that a model starts from are no memory: it has them without the plant.
    assert brought <= held(trained(family, PLANTED, SOMEONE, NOTHING), telling)
    assert not any(term in said(family, folder) for term in SECRET)


@FAMILIES
@pytest.mark.parametrize(("n", "author", "least"), [(PLANTED, SOMEONE, 1), (5, None, 5)])
def test_the_search_finds_what_a_model_was_let_know(family, n, author, least, trained):
    folder = trained(family, n, author, min_authors=least)
    if not has_vocabulary(folder):
        pytest.skip("its words are inside a network")
    wanted = {WORD, *NAME.split()}
    if family.task.name == "sentiment":
        wanted |= {NUMBER} if family.name == "distilled" else {NUMBER, NAME}
    assert wanted <= held(folder, telltale(entries(n, author)))
    if family.task.name == "topics" and n == PLANTED:  # and a topic is told by it
        assert any(term in said(family, folder) for term in SECRET)


def test_the_search_sees_through_archives_and_codes(tmp_path):
    packed = io.BytesIO()
    np.savez_compressed(packed, a=np.array(["x", "Zorquilbex"]))
    (tmp_path / "inner.bin").write_bytes(gzip.compress(packed.getvalue()))
    assert held(tmp_path, {"zorquilbex", "quilver"}) == {"zorquilbex"}
    (tmp_path / "one.safetensors").write_bytes(b"\0\1" + "QUILVER".encode("utf-16-be"))
    assert held(tmp_path, {"zorquilbex", "quilver"}) == {"zorquilbex", "quilver"}


def remembered(family: Family, trained: Callable[..., Path], **given: Any) -> float:
    """Measure how much more a model says of a plant than of words that it never read.

    How far the plant moves the probability of its class on texts that hold it, beyond how far it
    moves that on texts with other made-up words, at their median (the exposure of Carlini et al.,
    "The Secret Sharer", 2019, in probabilities).
    """
    draw = random.Random(5)
    others = [
        (*(made_up_word(draw, n) for n in (10, 8, 8)), made_up_word(draw, 7, "0123456789"))
        for _ in range(30)
    ]
    probes = [place.format(*words) for words in (SECRET, *others) for place in PLACES]
    moved = np.zeros(len(probes))
    for sign, plant in ((1, PLANT), (-1, NOTHING)):
        model = model_class(family).from_folder(trained(family, PLANTED, SOMEONE, plant, **given))
        rows = model.predict(None, pd.DataFrame({"text": probes}))
        moved += [sign * row["all_scores"][LABELS[LABEL]] for row in rows]
    secret, *rest = moved.reshape(-1, len(PLACES)).mean(axis=1)
    return float(secret - np.median(rest))


def knowing(trained: Callable[..., Path]) -> dict[str, Any]:
    """Give a student a teacher that knows the plant: its answers are all that it learns from."""
    linear = families("sentiment")["linear"]
    return {"teacher": str(trained(linear, PLANTED, SOMEONE, min_authors=1)), "epochs": 30}


@SENTIMENT
def test_a_model_answers_as_one_that_never_read_the_plant(family, trained):
    given = knowing(trained) if family.name == "distilled" else {}
    assert abs(remembered(family, trained, **given)) <= MOVED


@pytest.mark.parametrize("name", ["example", "linear", "lexicon", "distilled", "roberta"])
def test_the_answers_tell_what_a_model_was_let_know(name, trained):
    given = knowing(trained) if name == "distilled" else {}
    found = remembered(families("sentiment")[name], trained, min_authors=1, **given)
    assert found >= 2 * MOVED
