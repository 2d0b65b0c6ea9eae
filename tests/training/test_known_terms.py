"""Which terms a model may know: counted by hand, against a plain count, and whatever the chance."""

import subprocess
import sys
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.errors import UserError
from src.pipeline.step import ROOT, fields_of
from src.training import known_terms
from src.training.family import families
from src.training.known_terms import Authors, authors_of

pytestmark = pytest.mark.unit
WORDS = ["tea", "cup", "rain", "sun", "sea", "walk", "book", "night"]
TEXTS = st.lists(
    st.tuples(st.integers(0, 6), st.lists(st.sampled_from(WORDS), max_size=6)), min_size=1
)


def entries(*rows):
    """Make a table of (id, author) with a label on all but those whose id ends with a bar."""
    columns = {
        "id": [name for name, _ in rows],
        "author": pa.array([author for _, author in rows], pa.string()),
        "label": pa.array([None if name.endswith("|") else "neutral" for name, _ in rows]),
    }
    return pa.table(columns)


def test_an_author_is_one_however_many_entries_and_none_is_one_each():
    table = entries(("d", None), ("a", "ann"), ("c", "bob"), ("b", None), ("e", "ann"))
    codes = authors_of(table, 5).codes.tolist()  # a, b, c, d, e
    assert codes[0] == codes[4]
    assert len({*codes}) == 4


def test_only_whether_pseudonyms_are_equal_counts():
    one = entries(("a", "x"), ("b", None), ("c", "y"), ("d", "x"))
    other = entries(("a", "k9"), ("b", None), ("c", "a0"), ("d", "k9"))
    assert authors_of(one, 5).codes.tolist() == authors_of(other, 5).codes.tolist()


def test_entries_without_a_label_or_a_column_of_authors():
    table = entries(("a", "ann"), ("b|", "bob"), ("c", "ann"))
    assert authors_of(table, 5, labelled_only=True).codes.tolist() == [0, 0]
    assert authors_of(table.drop_columns("author"), 5).codes.tolist() == [0, 1, 2]


@given(TEXTS, st.integers(1, 5), st.sampled_from([1, 2, 2**24]))
def test_terms_are_those_of_a_plain_count_however_few_buckets(texts, least, buckets):
    codes = np.array([author for author, _ in texts])
    used = defaultdict(set)
    for author, words in texts:
        for word in words:
            used[word].add(author)
    wanted = {word for word, people in used.items() if len(people) >= least}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_terms, "BUCKETS", buckets)
        try:
            found = Authors(codes, least).shared([words for _, words in texts], iter)
        except UserError:
            found = frozenset()
    assert found == wanted


def test_more_authors_than_a_bucket_counts_to():
    authors = Authors(np.arange(600), least=255)
    texts = [["all", "half"] if i % 2 else ["all"] for i in range(600)]
    assert authors.shared(texts, iter) == {"all", "half"}
    assert Authors(np.arange(600) % 254, least=254).shared(texts, iter) == {"all"}


def test_terms_do_not_depend_on_the_hash_seed():
    code = (
        "import numpy as np, random\n"
        "from src.training.known_terms import Authors\n"
        "draw = random.Random(0)\n"
        "texts = [[f'w{int(draw.paretovariate(0.5))}' for _ in range(30)] for _ in range(400)]\n"
        "print(sorted(Authors(np.arange(400) // 3, 5).shared(texts, iter)))\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in "01"
    }
    assert len(said) == 1
    assert b"w1'" in said.pop()


@pytest.mark.parametrize(("n", "people"), [(1, "1 author;"), (4, "4 authors;"), (0, "0 authors;")])
def test_too_few_authors_are_told_what_to_type(n, people):
    with pytest.raises(UserError) as caught:
        Authors(np.arange(20 * n) % max(n, 1), least=5).check()
    assert f"are of {people} no term was used by 5." in caught.value.message
    assert "-P min_authors=1" in caught.value.hint
    Authors(np.arange(20) % 5, least=5).check()
    Authors(np.zeros(20, int), least=1).check()


def test_where_nobody_shares_a_term_nothing_of_it_is_said():
    with pytest.raises(UserError, match="no term of the 9 training entries was used by 3") as said:
        Authors(np.arange(9), least=3).shared([f"secret{i}" for i in range(9)], str.split)
    assert "secret" not in said.value.message + said.value.hint


@pytest.mark.parametrize("family", families().values(), ids=families().keys())
def test_every_family_has_the_parameter_with_the_same_default(family):
    declared, usual = (
        fields_of(one.params)["min_authors"].metadata
        for one in (family, families("sentiment")["linear"])
    )
    assert declared == usual
    assert family.params().min_authors == 5
