"""The file of wanted topics: what it may hold, and which mistake is named."""

import json

import pytest

from src.errors import UserError
from src.training.topic_seeds import EXAMPLE, Seeds, read_seeds, seeds_digest

pytestmark = pytest.mark.unit


@pytest.fixture
def written(tmp_path):
    def write(content, name="seeds.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def test_names_with_phrases(written):
    found = read_seeds(written({" sleep ": ["slept badly", "woke up"], "money": [], "茶": ["tea"]}))
    assert found == Seeds(
        ["sleep", "money", "茶"], [["slept badly", "woke up"], ["money"], ["tea"]]
    )


def test_no_path_means_no_wanted_topics():
    assert read_seeds("") == Seeds()
    assert seeds_digest("") == "none"


def test_the_example_of_the_hint_is_right(written):
    assert read_seeds(written(json.loads(EXAMPLE))).names == ["sleep", "money"]


def test_a_path_is_seen_from_where_the_person_stands(written, tmp_path, monkeypatch):
    written({"sleep": []}, "topics/own.json")
    monkeypatch.setattr("src.training.topic_seeds.caller_folder", lambda: tmp_path)
    assert read_seeds("topics/own.json").names == ["sleep"]


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        (b"sleep, money", "is not JSON"),
        (b"", "is not JSON"),
        (b'{"caf\xe9": []}', "is not JSON"),  # Latin-1
        ([], "holds no object of names"),
        (["sleep"], "holds no object of names"),
        ({}, "holds no object of names"),
        ("sleep", "holds no object of names"),
        (None, "holds no object of names"),
        ({"x" * 101: ["a"]}, "a name has 101 characters, not 1 to 100"),
        ({"": ["a"]}, "a name has 0 characters"),
        ({"  ": ["a"]}, "a name has 2 characters"),
        ({"two\nlines": ["a"]}, "in a line"),
        ({"sleep": "slept badly"}, "'sleep' has no list of phrases"),
        ({"sleep": None}, "'sleep' has no list of phrases"),
        ({"sleep": {"slept": 1}}, "'sleep' has no list of phrases"),
        ({"sleep": ["slept", 3]}, "'sleep' has no list of phrases"),
        ({"sleep": [""]}, "'sleep' has no list of phrases"),
        ({"money": ["rent"], "sleep": [["slept"]]}, "'sleep' has no list of phrases"),
        ({"sleep": ["a"], " sleep": ["b"]}, "two names differ only in spaces"),
    ],
)
def test_each_mistake_is_named(written, content, mistake):
    path = written(content)
    with pytest.raises(UserError) as caught:
        read_seeds(path)
    assert mistake in caught.value.message
    assert caught.value.message.startswith(f"seeds={path}")
    assert EXAMPLE in caught.value.hint


@pytest.mark.parametrize(("name", "why"), [("no.json", "FileNotFoundError"), ("", "IsADirectory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, why):
    with pytest.raises(UserError, match=rf"cannot be read \({why}"):
        read_seeds(str(tmp_path / name))


def test_the_digest_is_of_what_is_wanted_and_not_of_where_it_stands(written):
    one = seeds_digest(written({"sleep": ["slept"], "money": []}))
    assert one == seeds_digest(written({"sleep": ["slept"], "money": []}, "else/where.json"))
    assert one == seeds_digest(written(b'{ "sleep":["slept"],\n"money":["money"] }'))
    others = [
        seeds_digest(written(content))
        for content in (
            {"sleep": ["slept", "woke"], "money": []},
            {"sleep": ["slept"]},
            {"money": [], "sleep": ["slept"]},  # the first is topic 0
            {"sleeping": ["slept"], "money": []},
        )
    ]
    assert len({one, *others}) == 5
    with pytest.raises(UserError, match="is not JSON"):
        seeds_digest(written(b"{"))
