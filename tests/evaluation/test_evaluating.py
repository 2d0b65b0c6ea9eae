"""From predictions as the contract has them to an evaluation."""

import json

import numpy as np
import pyarrow as pa
import pytest

from src.errors import UserError
from src.evaluation import evaluate as evaluating
from src.evaluation.evaluate import evaluate
from src.evaluation.evaluation import Evaluation
from src.evaluation.gates import GATES
from src.evaluation.sentiment import CLASSES
from src.evaluation.tasks import TASKS, Predictions

pytestmark = pytest.mark.unit

N = 600
THEMES = [["tea", "cup", "kettle"], ["rain", "walk", "coat"], ["sleep", "night", "dream"]]


def labelled(n=N, seed=0):
    labels = np.random.default_rng(seed).choice(CLASSES, size=n).tolist()
    return pa.table({"id": [f"e{i}" for i in range(n)], "text": ["x"] * n, "label": labels})


def answers(truth, share_right, seed=1, digest="candidate"):
    """A calibrated model: right as often as it says."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in truth["label"].to_pylist():
        others = [name for name in CLASSES if name != label]
        given = label if label and rng.random() < share_right else str(rng.choice(others))
        scores = dict.fromkeys(CLASSES, (1 - share_right) / 2) | {given: share_right}
        rows.append({"sentiment": given, "confidence": share_right, "all_scores": scores})
    return Predictions(rows, None, digest)


def themed(n=N, seed=0):
    rng = np.random.default_rng(seed)
    theme = rng.integers(0, 3, size=n)
    texts = [" ".join(rng.choice(THEMES[t], size=2, replace=False)) for t in theme]
    table = pa.table(
        {"id": [f"e{i}" for i in range(n)], "text": texts, "topics": [[f"gold {t}"] for t in theme]}
    )
    return table, theme


def topic_answers(theme, words=THEMES, covered=1.0, digest="candidate"):
    rows = [
        {"topics": [], "topic_details": [{"topic_id": int(t), "topic_name": "", "confidence": 0.9}]}
        if i < covered * len(theme)
        else {"topics": [], "topic_details": []}
        for i, t in enumerate(theme)
    ]
    topics = [{"topic_id": i, "topic_name": "", "words": own} for i, own in enumerate(words)]
    return Predictions(rows, topics, digest)


def judged(task, truth, candidate, champion=None, shared=None, train=None, **options):
    shared = np.ones(truth.num_rows, bool) if shared is None else shared
    train = truth if train is None else train
    options = {"seed": 0, "n_resamples": 200} | options
    return evaluate(task, truth, train, candidate, champion, shared, **options)


def test_a_good_sentiment_model_is_promoted_and_says_why():
    truth = labelled()
    found = judged("sentiment", truth, answers(truth, 0.8))
    assert found.promote
    assert found.gates.keys() == {gate.code for gate in GATES["sentiment"]}
    assert (found.n_entries, found.n_unlabelled, found.n_resamples) == (N, 0, 200)
    assert found.metrics["accuracy"].value == pytest.approx(0.8, abs=0.05)
    assert found.baseline["recall_macro"].value == pytest.approx(1 / 3)
    assert "beats the trivial baseline by" in found.gates["beats-baseline"].sentence


def test_a_model_that_forgets_a_class_or_guesses_is_not_promoted():
    truth = labelled()
    guesses = judged("sentiment", truth, answers(truth, 1 / 3))
    assert not guesses.promote
    rows = [
        row if row["sentiment"] != "neutral" else row | {"sentiment": "positive"}
        for row in answers(truth, 0.8).rows
    ]
    forgetful = judged("sentiment", truth, Predictions(rows, None, "forgetful"))
    assert not forgetful.gates["recall-neutral"].passed
    assert "recall of neutral 0.000" in forgetful.verdict


def test_a_model_of_shuffled_labels_is_not_promoted_though_it_beats_one_constant_answer():
    truth = labelled(5000)
    guesses = judged("sentiment", truth, answers(truth, 1 / 3))
    assert guesses.gates["beats-baseline"].passed
    assert not guesses.gates["beats-chance"].passed
    assert "is below 0.36" in guesses.gates["beats-chance"].sentence


def test_overconfidence_is_found():
    truth = labelled()
    rows = [
        row | {"all_scores": dict.fromkeys(CLASSES, 0.005) | {row["sentiment"]: 0.99}}
        for row in answers(truth, 0.6).rows
    ]
    found = judged("sentiment", truth, Predictions(rows, None, "loud"))
    assert [code for code, gate in found.gates.items() if not gate.passed] == ["calibration"]


def test_entries_without_a_label_are_left_out_and_counted():
    truth = labelled()
    labels = [label if i % 3 else None for i, label in enumerate(truth["label"].to_pylist())]
    partly = truth.set_column(2, "label", pa.array(labels))
    known = np.array([bool(label) for label in labels])
    candidate = answers(truth, 0.8)
    found = judged("sentiment", partly, candidate)
    assert (found.n_entries, found.n_unlabelled) == (400, 200)
    whole = judged("sentiment", truth.filter(pa.array(known)), candidate.where(known))
    assert found.metrics == whole.metrics


def test_no_entry_to_judge_is_a_users_mistake():
    truth = labelled(5)
    bare = truth.drop_columns(["label"])
    unlabelled = truth.set_column(2, "label", pa.array([None] * 5, pa.string()))
    for table in (bare, unlabelled):
        with pytest.raises(UserError, match="no entry has a label") as raised:
            judged("sentiment", table, answers(truth, 0.8), train=truth)
        assert "-P source=" in raised.value.hint
    with pytest.raises(UserError, match="no entry was held out"):
        judged("sentiment", truth.slice(0, 0), Predictions([], None, "x"), train=truth)
    with pytest.raises(UserError, match="no entry was held out"):
        judged("topics", themed(5)[0].slice(0, 0), Predictions([], [], "x"))
    with pytest.raises(UserError, match="training entry"):
        judged("sentiment", truth, answers(truth, 0.8), train=unlabelled)


def test_a_better_model_replaces_the_champion_and_a_worse_one_does_not():
    truth = labelled()
    strong = answers(truth, 0.85, digest="strong")
    weak = answers(truth, 0.60, seed=2, digest="weak")
    up, down = judged("sentiment", truth, strong, weak), judged("sentiment", truth, weak, strong)
    assert up.promote
    assert up.champion_digest == "weak"
    assert up.champion.differences["f1_macro"].low > 0
    assert down.passed
    assert not down.promote
    assert "worse than the champion" in down.verdict
    gain, loss = up.champion.differences["accuracy"], down.champion.differences["accuracy"]
    assert (gain.low, gain.high) == pytest.approx((-loss.high, -loss.low))


@pytest.mark.parametrize("task", TASKS)
def test_the_same_model_again_differs_by_exactly_nothing(task):
    if task == "sentiment":
        truth = labelled()
        model = answers(truth, 0.8)
    else:
        truth, theme = themed()
        model = topic_answers(theme)
    found = judged(task, truth, model, model)
    assert found.passed
    assert not found.promote
    for gap in found.champion.differences.values():
        assert (gap.low, gap.value, gap.high) == (0.0, 0.0, 0.0)
    assert "not better than the champion" in found.verdict


def test_only_shared_entries_are_compared():
    truth = labelled()
    shared = np.arange(N) < 250
    weak = answers(truth, 0.6, seed=2, digest="weak")
    # where the champion was trained it knows every answer; that must not count
    perfect = answers(truth, 1.0)
    rows = [weak.rows[i] if shared[i] else perfect.rows[i] for i in range(N)]
    found = judged(
        "sentiment", truth, answers(truth, 0.85), Predictions(rows, None, "leaky"), shared
    )
    assert found.promote
    assert (found.champion.n_entries, found.champion.n_left_out) == (250, N - 250)
    assert found.n_entries == N


@pytest.mark.parametrize("n_shared", [0, 1, 99])
def test_too_few_shared_entries_keep_the_champion(n_shared):
    truth = labelled()
    shared = np.arange(N) < n_shared
    found = judged("sentiment", truth, answers(truth, 0.9), answers(truth, 0.4, seed=2), shared)
    assert found.passed
    assert not found.promote
    assert f"{n_shared} held-out entries" in found.champion.verdict.sentence
    assert Evaluation.from_json(found.to_json()).promote is False


def test_a_good_topic_model_is_promoted():
    truth, theme = themed()
    found = judged("topics", truth, topic_answers(theme))
    assert found.promote
    assert found.metrics["nmi"].value == pytest.approx(1.0)
    assert found.metrics["map"].value == pytest.approx(1.0)
    assert found.metrics["npmi"].value > 0.3 > found.baseline["npmi"].value
    assert found.baseline["coverage"].value == 1.0


def test_topics_without_gold_are_judged_by_the_rest():
    truth, theme = themed()
    bare = judged("topics", truth.drop_columns(["topics"]), topic_answers(theme))
    empty = truth.set_column(2, "topics", pa.array([None] * N, pa.list_(pa.string())))
    assert bare.promote
    assert "nmi" not in bare.metrics
    assert bare.n_unlabelled == N
    assert judged("topics", empty, topic_answers(theme)).metrics == bare.metrics


def test_topics_that_fail():
    truth, theme = themed()
    silent = judged("topics", truth, topic_answers(theme, covered=0.3))
    assert not silent.gates["coverage"].passed
    mixed = [["tea", "rain", "sleep"], ["cup", "walk", "night"], ["kettle", "coat", "dream"]]
    incoherent = judged("topics", truth, topic_answers(theme, words=mixed))
    assert not incoherent.gates["beats-baseline"].passed
    repeating = judged("topics", truth, topic_answers(theme, words=[THEMES[0]] * 3))
    assert not repeating.gates["diversity"].passed
    none_at_all = judged("topics", truth, Predictions([{"topic_details": []}] * N, [], "none"))
    assert not none_at_all.passed
    assert none_at_all.metrics["npmi"].value == -1.0


@pytest.mark.parametrize("task", TASKS)
def test_the_same_input_and_seed_give_the_same_bytes(task):
    truth, theme = (labelled(), None) if task == "sentiment" else themed()
    model = answers(truth, 0.8) if theme is None else topic_answers(theme)
    rival = answers(truth, 0.7, seed=3) if theme is None else topic_answers(theme, THEMES[::-1])
    first, again, other = (judged(task, truth, model, rival, seed=seed) for seed in (0, 0, 1))
    assert first.to_json() == again.to_json()
    assert first.to_json() != other.to_json()
    for name, figure in first.metrics.items():
        assert figure.low <= figure.value <= figure.high, name
        assert figure.value == pytest.approx(other.metrics[name].value), name


def test_large_inputs_get_fewer_resamples(monkeypatch):
    truth = labelled(300)
    monkeypatch.setattr(evaluating, "MAX_DRAWS", 300 * 120)
    assert judged("sentiment", truth, answers(truth, 0.8)).n_resamples == 120
    monkeypatch.setattr(evaluating, "MAX_DRAWS", 1)
    found = judged("sentiment", truth, answers(truth, 0.8))
    assert json.loads(found.to_json())["n_resamples"] == evaluating.MIN_RESAMPLES


@pytest.mark.parametrize(
    "damage",
    [
        {"all_scores": {"negative": 1.0}},
        {"all_scores": {"negative": 0.5, "neutral": 0.5, "positive": 0.5}},
        {"all_scores": {"negative": float("nan"), "neutral": 0.5, "positive": 0.5}},
        {"all_scores": {"negative": -0.5, "neutral": 1.0, "positive": 0.5}},
        {"all_scores": {"negative": None, "neutral": 0.5, "positive": 0.5}},
        {"all_scores": None},
        {"sentiment": "secret words of an entry"},
        {"sentiment": ["positive"]},
    ],
    ids=range(8),
)
def test_broken_sentiment_answers_are_refused_without_quoting_them(damage):
    truth = labelled(50)
    good = answers(truth, 0.8)
    broken = Predictions([*good.rows[:-1], {**good.rows[-1], **damage}], None, "d1ge57")
    for candidate, champion in ((broken, None), (good, broken)):
        with pytest.raises(UserError, match="d1ge57 break the contract") as raised:
            judged("sentiment", truth, candidate, champion)
        assert "secret" not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    "row",
    [
        {"topics": []},
        {"topic_details": None},
        {"topic_details": [{"topic_id": 1}]},
        {"topic_details": ["sleep"]},
        {"topic_details": [{"topic_id": 1, "confidence": float("nan")}]},
        {"topic_details": [{"topic_id": 1, "confidence": 1.5}]},
    ],
    ids=range(6),
)
def test_broken_topic_answers_are_refused(row):
    truth, theme = themed(20)
    good = topic_answers(theme)
    with pytest.raises(UserError, match="break the contract"):
        judged("topics", truth, Predictions([*good.rows[:-1], row], good.topics, "x"))


def test_an_answer_too_few_is_refused():
    truth = labelled(50)
    short = Predictions(answers(truth, 0.8).rows[:-1], None, "short")
    with pytest.raises(UserError, match="49 answers for 50 entries"):
        judged("sentiment", truth, short)
