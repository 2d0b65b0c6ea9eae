"""`evaluation.json`: the same bytes for the same evaluation, and nothing else is read."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import UserError
from src.evaluation.behaviour import Failures
from src.evaluation.bootstrap import Estimate
from src.evaluation.evaluation import Comparison, Evaluation
from src.evaluation.gates import Verdict
from src.evaluation.journal import Journal

pytestmark = pytest.mark.unit

GOOD = Evaluation(
    task="sentiment",
    candidate_digest="c0ffee",
    n_entries=1200,
    n_unlabelled=34,
    n_resamples=1000,
    metrics={"f1_macro": Estimate(2 / 3, 0.64, 0.69), "ece": Estimate(0.04, 0.03, 0.05)},
    baseline={"f1_macro": Estimate(0.2, 0.19, 0.21)},
    gates={"beats-baseline": Verdict(True, "it does"), "calibration": Verdict(True, "it is")},
    champion=None,
)
LESSER = Comparison(
    digest="decade",
    n_entries=1100,
    n_left_out=100,
    metrics={"f1_macro": Estimate(0.6, 0.57, 0.63)},
    differences={"f1_macro": Estimate(0.06, 0.04, 0.08)},
    verdict=Verdict(True, "better than the champion: by 0.06"),
)
CONTESTED = dataclasses.replace(
    GOOD,
    champion=LESSER,
    journal=Journal(571, 69, 0, {"journal_f1_macro": Estimate(0.5, 0.4, 0.6)}),
    behaviour={"name": Failures(25, 2, 0.125), "negation": Failures(33, 30)},
)


def test_gates_and_champion_decide():
    assert GOOD.passed
    assert GOOD.promote
    assert GOOD.champion_digest is None
    assert GOOD.verdict == "Good enough: all 2 gates passed, and there is no champion."
    assert CONTESTED.promote
    assert CONTESTED.champion_digest == "decade"
    assert CONTESTED.verdict == "All 2 gates passed; better than the champion: by 0.06."
    equal = dataclasses.replace(LESSER, verdict=Verdict(False, "not better"))
    held = dataclasses.replace(GOOD, champion=equal)
    assert held.passed
    assert not held.promote
    failed = dataclasses.replace(
        CONTESTED, gates=CONTESTED.gates | {"calibration": Verdict(False, "it is not")}
    )
    assert not failed.passed
    assert not failed.promote
    assert failed.verdict == "Not good enough: it is not."


numbers = st.floats(-1e9, 1e9)
figures = st.dictionaries(
    st.text(max_size=8), st.builds(Estimate, numbers, numbers, numbers), max_size=3
)
verdicts = st.builds(Verdict, st.booleans(), st.text(max_size=20))
comparisons = st.builds(
    Comparison, st.text(), st.integers(), st.integers(), figures, figures, verdicts
)
anything = st.builds(
    Evaluation,
    st.text(),
    st.text(),
    st.integers(),
    st.integers(),
    st.integers(),
    figures,
    figures,
    st.dictionaries(st.text(max_size=8), verdicts, max_size=3),
    st.none() | comparisons,
    st.none() | st.builds(Journal, st.integers(), st.integers(), st.integers(), figures),
    st.dictionaries(
        st.text(max_size=8),
        st.builds(Failures, st.integers(), st.integers(), st.none() | numbers),
        max_size=3,
    ),
)


@settings(max_examples=50)
@given(anything)
def test_what_is_read_is_what_was_written(evaluation):
    text = evaluation.to_json()
    again = Evaluation.from_json(text)
    assert again.to_json() == text
    assert list(again.gates.items()) == list(evaluation.gates.items())
    assert (again.passed, again.promote) == (evaluation.passed, evaluation.promote)


def test_the_bytes_do_not_depend_on_order_or_the_last_bits():
    turned = dataclasses.replace(
        CONTESTED,
        metrics={
            "ece": Estimate(0.04 * (1 + 1e-15), 0.03, 0.05),
            "f1_macro": Estimate(2 / 3, 0.64, 0.69),
        },
    )
    assert turned.to_json() == CONTESTED.to_json()
    assert '"value": 0.6666666667' in CONTESTED.to_json()
    assert list(json.loads(CONTESTED.to_json())) == sorted(json.loads(CONTESTED.to_json()))


def test_the_file_says_what_register_and_people_need():
    content = json.loads(CONTESTED.to_json())
    assert content["schema_version"] == 2
    assert content["passed"] is content["promote"] is True
    assert content["champion_digest"] == content["champion"]["digest"] == "decade"
    assert content["gates"][0] == {"code": "beats-baseline", "passed": True, "sentence": "it does"}
    assert content["verdict"] == CONTESTED.verdict
    assert content["journal"]["metrics"]["journal_f1_macro"]["value"] == 0.5
    assert content["behaviour"]["name"] == {"pairs": 25, "failures": 2, "largest_change": 0.125}


def test_what_is_logged_has_a_name_for_every_figure_of_the_candidate():
    logged = CONTESTED.logged
    assert (logged["ece"], logged["ece_low"], logged["ece_high"]) == (0.04, 0.03, 0.05)
    assert logged["journal_f1_macro_high"] == 0.6
    assert logged["behaviour_failures"] == pytest.approx(32 / 58)
    assert logged["behaviour_failures_name"] == pytest.approx(0.08)
    assert logged["swap_largest_change_name"] == 0.125
    assert "swap_largest_change_negation" not in logged
    assert GOOD.logged.keys() == {f"{n}{e}" for n in GOOD.metrics for e in ("", "_low", "_high")}


def test_journal_and_behaviour_decide_nothing():
    hopeless = Journal(571, 69, 0, {"journal_f1_macro": Estimate(0.0, 0.0, 0.0)})
    poor = dataclasses.replace(GOOD, journal=hopeless, behaviour={"name": Failures(25, 25, 2.0)})
    assert (poor.promote, poor.verdict) == (GOOD.promote, GOOD.verdict)


def test_an_infinite_figure_is_not_written():
    broken = dataclasses.replace(GOOD, metrics={"log_loss": Estimate(float("inf"), 0.0, 1.0)})
    with pytest.raises(ValueError, match="JSON"):
        broken.to_json()


@pytest.mark.parametrize("version", [0, 1, 3, "2", None, True, 2.0])
def test_other_versions_are_refused_with_a_way_out(version):
    text = json.dumps(json.loads(GOOD.to_json()) | {"schema_version": version})
    with pytest.raises(UserError, match="schema version") as raised:
        Evaluation.from_json(text)
    assert "evaluate" in raised.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "3", '"text"', "{}", "[" * 100_000, '{"schema_version": 2}'],
    ids=range(9),
)
def test_other_files_are_refused(text):
    with pytest.raises(UserError, match="not an evaluation"):
        Evaluation.from_json(text)


@pytest.mark.parametrize("field", json.loads(CONTESTED.to_json()).keys() - {"schema_version"})
@pytest.mark.parametrize(
    "value", [None, [], "x", 7, {"a": 1}, [{"code": "a"}], {"a": {"value": 1}}]
)
def test_a_damaged_field_is_refused_or_not_read(field, value):
    text = json.dumps(json.loads(CONTESTED.to_json()) | {field: value})
    try:
        read = Evaluation.from_json(text)
    except UserError as error:
        assert error.hint
    else:
        readable = {"task", "candidate_digest"} if value == "x" else {"n_entries"}
        readable |= {"n_unlabelled", "n_resamples"} if value == 7 else set()
        readable |= {"verdict", "champion_digest"}  # for readers; worked out from the rest
        readable |= {"champion", "journal"} if value is None else set()
        readable |= {"gates"} if value == [] else set()
        assert field in readable
        assert json.loads(read.to_json()).keys() == json.loads(text).keys()


@pytest.mark.parametrize("word", ["passed", "promote"])
def test_a_decision_changed_by_hand_is_refused(word):
    text = json.dumps(json.loads(CONTESTED.to_json()) | {word: False})
    with pytest.raises(UserError, match="changed by hand"):
        Evaluation.from_json(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"0.5"', "1", "true", "null"])
def test_figures_that_are_no_finite_numbers_are_refused(number):
    text = GOOD.to_json().replace('"value": 0.2', f'"value": {number}')
    with pytest.raises(UserError):
        Evaluation.from_json(text)
