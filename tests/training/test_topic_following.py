"""Which version new topics follow, and what may be asked of that."""

from types import SimpleNamespace

import pytest
from mlflow.models import Model

from src import registry
from src.errors import UserError
from src.pipeline.keys import Key
from src.pipeline.results import Output, Sealed
from src.training.family import families
from src.training.topic_following import (
    FollowParams,
    check,
    fit_following,
    made_the_champion,
    merged,
    opened,
    outside,
    predecessor,
)

pytestmark = pytest.mark.unit


@pytest.fixture
def champion(monkeypatch):
    """Say what the champion is; nobody at first."""
    there = SimpleNamespace(found=None)
    monkeypatch.setattr(registry, "champion", lambda name: there.found)
    monkeypatch.setattr(registry, "identity_of", lambda uri: f"identity of {uri}")
    return there


def version(**more):
    given = {"uri": "models:/topics/3", "identity": "new", "digest": "d", "tags": {}}
    return SimpleNamespace(**{**given, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("3+7", {7: 3}),
        ("3+7,2+9", {7: 3, 9: 2}),
        ("3 + 7 , 2+9+4", {7: 3, 9: 2, 4: 2}),
        ("3+7,", {7: 3}),
    ],
)
def test_ids_to_merge(text, expected):
    assert merged(text) == expected


@pytest.mark.parametrize(
    "text",
    ["3", "3+", "+3", "3-7", "a+b", "3+7;2+9", "3++7", "-3+7", "3,7", "3+7²", "3+3", "3+7,7+2"],
)
def test_what_is_no_list_of_ids_is_refused(text):
    with pytest.raises(UserError) as caught:
        merged(text)
    assert caught.value.message == f"merge={text} is no list of ids, each named once."
    assert "3+7,2+9" in caught.value.hint
    with pytest.raises(UserError):
        check(FollowParams(merge=text))


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (FollowParams(update=True, merge="1+2"), "update and merge are two things"),
        (FollowParams("topics"), "follow=topics is no version"),
    ],
)
def test_what_contradicts_itself_is_refused(params, why):
    with pytest.raises(UserError, match=why):
        check(params)


@pytest.mark.parametrize(
    "params",
    [
        FollowParams(),
        FollowParams(follow="none"),
        FollowParams(update=True),
        FollowParams(follow="models:/topics/3", merge="1+2"),
    ],
)
def test_what_may_be_asked(params):
    check(params)


@pytest.mark.parametrize(
    "params", [FollowParams("none", update=True), FollowParams("none", merge="1+2")]
)
def test_who_starts_anew_has_nothing_to_update_or_merge(params):
    with pytest.raises(UserError, match="follow=none starts anew") as caught:
        check(params)
    assert "models:/" in caught.value.hint


def test_followed_is_what_is_named_or_else_the_champion(champion):
    assert predecessor(FollowParams()) == ("", "")
    assert outside(FollowParams()) == {"predecessor": "none"}
    champion.found = version()
    assert predecessor(FollowParams()) == ("models:/topics/3", "new")
    assert outside(FollowParams()) == {"predecessor": "new"}
    named = "models:/topics/1"
    assert predecessor(FollowParams(follow=named)) == (named, f"identity of {named}")
    assert predecessor(FollowParams(follow="none")) == ("", "")
    assert outside(FollowParams(follow="none")) == {"predecessor": "none"}


@pytest.mark.parametrize("params", [FollowParams(update=True), FollowParams(merge="1+2")])
@pytest.mark.parametrize(
    ("uri", "family", "why"),
    [
        (None, "semantic", "there is no version to follow"),
        ("models:/topics/3", "nmf", "the family nmf starts anew"),
    ],
)
def test_update_and_merge_need_a_version_and_a_family_that_goes_on(
    champion, tmp_path, params, uri, family, why
):
    champion.found = uri and version(uri=uri)
    context = SimpleNamespace(params=SimpleNamespace(seed=7))
    chosen = families("topics")[family]
    with pytest.raises(UserError, match=why) as caught:
        fit_following(params, context, chosen, chosen.params(), None, None, tmp_path)
    assert "-P family=semantic" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"no manifest", b'{"schema_version": 99, "sha256": {}}'])
def test_a_version_that_is_no_topic_model_of_ours_is_named(tmp_path, content):
    if content:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "manifest.json").write_bytes(content)
    context = SimpleNamespace(fetch=lambda uri, name: tmp_path)
    with pytest.raises(UserError, match="models:/other/1 is no topic model") as caught:
        opened(context, "models:/other/1", 5)
    assert "follow=none" in caught.value.hint


@pytest.mark.parametrize("noted", [{"min_authors": 4}, {}, None])
def test_a_version_that_fewer_authors_were_asked_for_is_not_followed(tmp_path, noted):
    """Its names and words may be one person's; one that says nothing is older than the question."""
    (tmp_path / "candidate").mkdir()
    Model(metadata=noted).save(str(tmp_path / "candidate" / "MLmodel"))
    context = SimpleNamespace(fetch=lambda uri, name: tmp_path)
    least = (noted or {}).get("min_authors", 1)
    with pytest.raises(UserError, match=f"models:/mine/1 was made with min_authors={least}") as why:
        opened(context, "models:/mine/1", 5)
    assert "follow=none" in why.value.hint
    assert f"min_authors={least}" in why.value.hint
    with pytest.raises(UserError, match="no topic model"):  # it was asked enough, and is no model
        opened(context, "models:/mine/1", least)


def key(before):
    return Key("train", {}, {"model": "topics"}, {"splits": "s", "predecessor": before}, {})


def test_the_training_that_made_the_champion_is_found_though_it_followed_another(champion):
    """Only the champion is new since: it is what this very training made."""
    made = Sealed("run", {"candidate": Output("models:/m-1", "d")}, {})
    store = {key("old").digest: made}
    champion.found = version(tags={"data.predecessor": "old"})
    assert made_the_champion(key("new"), store.get) is made


@pytest.mark.parametrize(
    "found",
    [
        None,
        version(identity="another", tags={"data.predecessor": "old"}),  # another is followed
        version(),  # it does not say what it followed
        version(tags={"data.predecessor": "older"}),  # that training is not there
        version(digest="e", tags={"data.predecessor": "old"}),  # it made something else
    ],
)
def test_no_other_training_stands_for_it(champion, found):
    champion.found = found
    made = Sealed("run", {"candidate": Output("models:/m-1", "d")}, {})
    assert made_the_champion(key("new"), {key("old").digest: made}.get) is None
