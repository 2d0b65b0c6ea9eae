"""What has arrived beside a reference: every kind of drift is caught, and nothing else is."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from src.data.schema import ENTRIES
from src.errors import UserError
from src.monitoring.compare import FEWEST, Found, compare, enough
from src.monitoring.features import OTHER, answer_names, language_reader, words
from src.monitoring.live import live_figures
from src.monitoring.reference import LEAST_AUTHORS, Reference, make_reference, some_authors
from tests.fakes import FEELINGS, SUBJECTS

pytestmark = pytest.mark.unit

TASKS = ("sentiment", "topics")
TOPICS = [{"topic_id": n, "topic_name": name} for n, name in enumerate(SUBJECTS)]
COMMON = ["today", "then", "again", "after", "before", "we", "went", "home", "slowly", "and"]
COMMON += ["it", "was", "a", "long", "day"]


def entry(draw: random.Random, feeling: str, subject: str, longer: int = 1) -> str:
    own = draw.choices(FEELINGS[feeling], k=2 * longer) + draw.choices(SUBJECTS[subject], k=3)
    own += draw.choices(COMMON, k=8 * longer)
    draw.shuffle(own)
    return " ".join(own)


def table(texts: list[str], each: int = 3, labels: Any = None) -> pa.Table:
    """Entries of authors who wrote `each`, dated over the months of a year."""
    n = len(texts)
    months = np.array([f"2024-{1 + i * 12 // n:02}-03" for i in range(n)], "datetime64[us]")
    columns = {
        "id": [f"{i:06}" for i in range(n)],
        "text": texts,
        "author": [f"{i // each:032x}" for i in range(n)],
        "created_at": pa.array(months).cast(pa.timestamp("us", tz="UTC")),
        "label": labels or [None] * n,
        "score": [None] * n,
        "topics": [None] * n,
        "source": ["journal.csv"] * n,
    }
    return pa.table(columns, schema=ENTRIES.schema)


def diary(n: int, seed: int, feelings: tuple[str, ...] = tuple(FEELINGS)) -> list[str]:
    draw = random.Random(seed)
    subjects = list(SUBJECTS)
    return [entry(draw, draw.choice(feelings), draw.choice(subjects)) for _ in range(n)]


def answer(task: str, texts: list[str]) -> list[dict[str, Any]]:
    """Answer by the words of feelings and subjects, as a model would."""
    found = []
    for text in texts:
        own = set(text.split())
        feeling = max(FEELINGS, key=lambda name: (len(own & set(FEELINGS[name])), name))
        subject = max(SUBJECTS, key=lambda name: (len(own & set(SUBJECTS[name])), name))
        named = [{"topic_id": list(SUBJECTS).index(subject), "confidence": 0.9}]
        scores = {name: 0.8 if name == feeling else 0.1 for name in FEELINGS}
        sure = {"sentiment": feeling, "confidence_level": "high", "all_scores": scores}
        clear = {"topic_details": named if own & set(SUBJECTS[subject]) else []}
        found.append(sure if task == "sentiment" else clear)
    return found


@cache
def reference(task: str) -> Reference:
    train, test = diary(1_500, 0), diary(600, 1)
    return make_reference(task, table(train), table(test), answer(task, test), TOPICS)


def look(task: str, texts: list[str], left_out: int = 0, seed: int = 7, **more: Any) -> Found:
    params = SimpleNamespace(model=task, alpha=0.01, least=0.1, seed=seed)
    entries = table(texts, **more)
    return compare(params, reference(task), entries, answer(task, texts), TOPICS, left_out)


@pytest.mark.parametrize("task", TASKS)
def test_entries_of_the_kind_are_no_drift(task: str) -> None:
    for seed in range(100, 103):
        found = look(task, diary(300, seed))
        assert not found.drifted
        assert set(found.shifts) == {"length", "language", "vocabulary", "embedding", "predictions"}
        assert found.sentence(3).startswith("No drift: 300 entries are like what version 3 was")


def test_longer_entries_are_caught() -> None:
    draw = random.Random(5)
    texts = [entry(draw, "neutral", draw.choice(list(SUBJECTS)), 4) for _ in range(150)]
    found = look("sentiment", diary(150, 5) + texts)
    assert "length" in found.drifted


@pytest.mark.parametrize("task", TASKS)
def test_other_words_are_caught(task: str) -> None:
    others = {"home": "houm", "day": "dei"} | dict.fromkeys(COMMON[:6], "yolo")
    swapped = [" ".join(others.get(w, w) for w in text.split()) for text in diary(300, 6)]
    found = look(task, swapped)
    assert "vocabulary" in found.drifted
    assert "predictions" not in found.drifted
    assert set(found.new_words) == {"houm", "dei", "yolo"}


def test_another_language_is_caught_as_entries_and_as_rows_that_ingest_left_out() -> None:
    german = [f"Das Wetter war heute schön und ich bin {n} Stunden gelaufen" for n in range(100)]
    found = look("sentiment", diary(200, 7) + german)
    assert "language" in found.drifted
    assert found.slices[0].name == "language de"
    assert found.slices[0].without < 0.1
    found = look("sentiment", diary(200, 7), left_out=100)
    assert found.drifted == ["language"]
    assert found.shifts["language"].effect == pytest.approx(1 / 3, abs=0.05)


def test_a_shift_of_classes_is_caught() -> None:
    found = look("sentiment", diary(300, 8, ("negative", "negative", "neutral", "positive")))
    assert "predictions" in found.drifted
    (first, *_) = found.changes
    assert (first.name, first.word) == ("negative, high", "grew")
    assert "more of negative, high" in found.sentence(1)


def test_a_new_topic_is_caught_in_the_month_that_it_came() -> None:
    hospital = ["nurse ward surgeon ward pills " + " ".join(COMMON[:6])] * 75
    found = look("topics", diary(225, 9) + hospital)
    assert {"embedding", "predictions", "vocabulary"} & set(found.drifted)
    assert {"nurse", "ward", "surgeon", "pills"} == set(found.new_words)
    assert found.changes[0].name == "entries without a clear topic"
    assert found.changes[0].word == "grew"
    without = {own.name: own.without for own in found.slices}
    assert min(without, key=without.__getitem__).startswith("month 2024-1")


def test_one_person_who_writes_much_is_not_everybody() -> None:
    mine = ["nurse ward surgeon " + " ".join(COMMON[:6])] * 80
    entries = table(diary(220, 10))
    flood = table(mine, each=80).set_column(0, "id", pa.array([f"x{n}" for n in range(80)]))
    flood = flood.set_column(2, "author", pa.array(["f" * 32] * 80))
    both = pa.concat_tables([entries, flood])
    params = SimpleNamespace(model="topics", alpha=0.01, least=0.1, seed=7)
    texts = both["text"].to_pylist()
    found = compare(params, reference("topics"), both, answer("topics", texts), TOPICS)
    assert not found.drifted
    assert not found.new_words  # words of one person alone


def test_a_reference_holds_no_words_of_few_authors_and_no_entry(tmp_path: Path) -> None:
    texts = diary(600, 11)
    for place in range(0, 3 * (LEAST_AUTHORS - 1), 3):
        texts[place] += " zanzibar"
    made = make_reference("topics", table(texts), table(texts), answer("topics", texts), TOPICS)
    made.write(tmp_path / "reference")
    said = (tmp_path / "reference" / "reference.json").read_text()
    assert "zanzibar" not in said
    assert not any(text in said for text in texts)
    assert min(made.sums["length"].totals.tolist()) >= 3 * LEAST_AUTHORS  # whole blocks alone
    assert sum(path.stat().st_size for path in (tmp_path / "reference").iterdir()) < 500_000


def test_a_reference_is_the_same_bytes_each_time_and_reads_back(tmp_path: Path) -> None:
    made = [
        make_reference("topics", table(t), table(t), answer("topics", t), TOPICS)
        for t in [diary(300, 12)] * 2
    ]
    for name, own in zip("ab", made, strict=True):
        own.write(tmp_path / name)
    for file in ("reference.json", "reference.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    again = Reference.read(tmp_path / "a")
    assert again.vocabulary == made[0].vocabulary
    assert np.allclose(again.sums["embedding"].values, made[0].sums["embedding"].values, atol=1e-5)


def test_a_reference_of_another_version_is_refused(tmp_path: Path) -> None:
    reference("topics").write(tmp_path / "r")
    path = tmp_path / "r" / "reference.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 9}))
    with pytest.raises(UserError, match="another version"):
        Reference.read(tmp_path / "r")


def test_too_few_authors_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(UserError, match=rf"60 entries of 20 authors.*{FEWEST} authors are needed"):
        enough(table(diary(60, 1)), reference("topics"))
    enough(table(diary(90, 1)), reference("topics"))
    few = make_reference(
        "topics", table(diary(90, 2)), table(diary(90, 2)), answer("topics", diary(90, 2)), TOPICS
    )
    with pytest.raises(UserError, match=r"trained on too few authors.* 50 are needed"):
        enough(table(diary(90, 1)), few)


def test_labels_that_came_later_say_how_right_it_is() -> None:
    texts, feelings = diary(60, 13, ("negative",)), ["negative"] * 50 + ["positive"] * 10
    entries, answers = table(texts, labels=feelings), answer("sentiment", texts)
    tags = {"metric.accuracy": "0.900 [0.880, 0.920]"}
    live = live_figures("sentiment", entries, answers, None, tags, 7)
    now, before = live["accuracy"]
    assert now.value == pytest.approx(50 / 60)
    assert now.low < now.value < now.high
    assert before == "0.900 [0.880, 0.920]"
    assert live_figures("sentiment", entries.slice(0, 20), answers[:20], None, tags, 7) == {}


@pytest.mark.parametrize("text", ["", "😀", "1 2 3", "<NAME> <EMAIL>", "\u0301" * 500, "a" * 9_000])
def test_any_text_is_looked_at(text: str) -> None:
    texts = [*diary(120, 14), *[text or "."] * 20]
    found = look("topics", texts)
    assert found.n_entries == 140
    assert json.loads(json.dumps(found.as_dict(1)))["entries"] == 140


def test_what_stands_for_names_is_no_word() -> None:
    assert words("<NAME> met <EMAIL> at Bob's") == ["met", "at", "bob's"]


def test_languages_are_told() -> None:
    language = language_reader()
    assert language("Today I went to the shop and then back home") == "en"
    assert language("Heute war ich im Laden und bin dann nach Hause gegangen") == "de"
    assert language("ok") == "unsure"


def test_answers_are_named() -> None:
    assert answer_names("topics", [{"topic_details": []}]) == ["(none)"]
    assert OTHER in reference("topics").columns["vocabulary"]


def test_whole_authors_are_drawn_of_many_entries() -> None:
    entries = table(diary(300, 15), each=5)
    some = some_authors(entries, 100, 7)
    assert some.num_rows == 100
    assert all(n == 5 for n in some["author"].value_counts().field("counts").to_pylist())
    assert some_authors(entries, 300, 7).num_rows == 300
