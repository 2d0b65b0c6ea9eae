"""Searching a family's space: what is declared, chosen, counted for reuse, and gone on with."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from src.errors import UserError
from src.pipeline import jobs
from src.pipeline.code import Reader
from src.pipeline.keys import make_key, project_reader
from src.pipeline.space import Space, free_spaces, spaces_of
from src.pipeline.step import ROOT, Part, build, fields_of, param
from src.pipeline.trials import Trial
from src.training import family as family_module
from src.training import search as search_module
from src.training.family import TASKS, Family, families
from src.training.search import check_search, optimise, search, seed_of
from steps.train import ENTRY, TrainParams
from tests.models.corpus import ENTRIES, HELD_OUT

pytestmark = pytest.mark.unit

SPACES = {
    "c": Space(1.0, (0.05, 20.0), True),
    "k": Space(2, (1, 5), False),
    "how": Space("a", ("a", "b"), False),
}


def attempt(number: int, values: Any) -> Trial:
    """A landscape with its top at c=e, k=4, how=a and a hole at k=3; kept as tags keep it."""
    value = -((math.log(values["c"]) - 1) ** 2) - abs(values["k"] - 4) - (values["how"] == "b")
    made = Trial(number, dict(values), None if values["k"] == 3 else value)
    return Trial(**json.loads(json.dumps(asdict(made))))


def run(seed: int, total: int, done: list[Trial] | None = None) -> list[Trial]:
    return [*(done or []), *optimise(SPACES, seed, total, done or [], attempt)]


def test_a_search_gone_on_with_at_any_point_chooses_as_one_that_never_stopped() -> None:
    whole = run(7, 20)
    assert any(trial.value is None for trial in whole), "failed trials have to be among them"
    for point in range(21):
        assert run(7, 20, whole[:point]) == whole
    assert run(7, 12) == whole[:12]


def test_the_defaults_come_first_and_the_seed_decides_the_rest() -> None:
    one, other = run(7, 6), run(8, 6)
    assert one[0] == other[0]
    assert one[0].params == {"c": 1.0, "k": 2, "how": "a"}
    assert not {t.params["c"] for t in one[1:]} & {t.params["c"] for t in other[1:]}
    assert len({seed_of(seed, number) for seed in range(9) for number in range(9)}) == 81


def test_values_stay_within_their_spaces_and_get_better() -> None:
    tried = run(7, 40)
    assert all(0.05 <= t.params["c"] <= 20 and t.params["k"] in range(1, 6) for t in tried)
    best = search_module.best_of(tried)
    assert best
    assert best.params["k"] == 4
    assert best.value is not None
    assert best.value > -0.3


def test_declared_spaces_hold_the_default_and_lie_within_the_range() -> None:
    searched = {name for name, found in families().items() if spaces_of(found.params)}
    assert {"sentiment/linear", "sentiment/example", "topics/nmf"} <= searched
    for found in families().values():
        for name, space in spaces_of(found.params).items():
            rule = fields_of(found.params)[name].metadata
            if space.is_range:
                low, high = (float(value) for value in space.values)
                assert low <= float(space.first) <= high, name
                assert rule["low"] <= low < high <= rule["high"], name
                assert not space.log or low > 0, name
            else:
                assert space.first in space.values, name
                assert not rule["choices"] or set(space.values) <= set(rule["choices"]), name


def test_a_family_without_a_space_names_those_that_have_one() -> None:
    with pytest.raises(UserError, match="plain declares no parameter to search") as caught:
        check_search(Family("plain", TASKS["sentiment"], print))
    assert "example, linear" in caught.value.hint


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family_module, "_installed", lambda name: name != "optuna")
    jobs.check_step(ENTRY, {"model": "topics"})
    with pytest.raises(UserError, match="needs optuna, which this Python lacks") as caught:
        jobs.check_step(ENTRY, {"model": "topics", "trials": "1"})
    assert "-r pyproject.toml --extra search -c requirements.txt" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"trials": "1001"}, "trials=1001 is not within 0 to 1000"),
        ({"trials": "-1"}, "trials=-1 is not within 0 to 1000"),
        ({"trials": "3", "alpha": "1"}, "nothing is left to search: alpha are all given"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_work(
    typed: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        jobs.check_step(ENTRY, {"model": "sentiment", "family": "example", **typed})


def part(**typed: str) -> Part:
    return ENTRY.parts(build(TrainParams, {"model": "sentiment", **typed}))[0]


def test_what_is_typed_is_not_searched() -> None:
    typed = {"c": "1.0", "trials": "5"}
    assert set(free_spaces(part(**typed), typed)) == {"balance", "lexicon_strength"}
    assert free_spaces(part(), {}) == {}


def key(**typed: str) -> Any:
    typed = {"model": "sentiment", "family": "linear", **typed}
    return make_key(ENTRY, build(TrainParams, typed), typed, {}, project_reader())


def test_the_key_tells_a_default_that_is_typed_from_one_that_is_searched() -> None:
    assert key(c="0.5").digest == key().digest
    free, fixed = key(trials="5"), key(trials="5", c="0.5")
    assert free.digest != fixed.digest
    assert free.why(fixed) == ["param c: 0.5 → none", "param search.c: none → 0.5; 0.02 to 20, log"]


def test_the_key_counts_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Wider:
        c: float = param(0.5, "The same, searched wider", search=(0.01, 20.0))

    before, alone = key(trials="5"), key()
    linear = families("sentiment")["linear"]
    monkeypatch.setitem(families("sentiment"), "linear", replace(linear, params=Wider))
    assert key(trials="5").params["search.c"] != before.params["search.c"]
    assert key().params["c"] == alone.params["c"]


def test_optuna_and_the_search_count_only_where_they_are_used() -> None:
    reader = Reader(ROOT)

    def reached(**typed: str) -> Any:
        parts = ENTRY.parts(build(TrainParams, {"model": "topics", **typed}))
        return reader.reach([ENTRY.code, *(start for part in parts for start in part.code)])

    with_trials, without = reached(trials="5"), reached()
    assert with_trials.foreign - without.foreign == {"optuna"}
    assert "src/training/search.py" in with_trials.files
    assert "src/training/search.py" not in without.files


class Recorded:
    """Stands in for the runs of trials."""

    kept: list[Trial]

    def __init__(self, context: Any, metric: str) -> None:
        type(self).kept, self.metric = [], metric

    def earlier(self) -> list[Trial]:
        return []

    def run(self, number: int, params: Any, fit: Any) -> Trial:
        try:
            trial = Trial(number, params, fit())
        except UserError as error:
            trial = Trial(number, params, None, error.message)
        self.kept.append(trial)
        return trial


def look(
    family: Family, folder: Any, monkeypatch: pytest.MonkeyPatch, valid: pa.Table = HELD_OUT
) -> tuple[Any, list[str], dict[str, Any]]:
    """Search a family in four trials; give what was found, said and logged."""
    monkeypatch.setattr("src.pipeline.trials.Trials", Recorded)
    said, logged = list[str](), dict[str, Any]()
    context: Any = SimpleNamespace(
        params=TrainParams(model=family.task.name, trials=4),
        folder=folder,
        say=said.append,
        log_params=logged.update,
        spaces=spaces_of(family.params),
    )
    return search(context, family, family.params(), ENTRIES, valid), said, logged


@pytest.mark.parametrize("name", ["sentiment/example", "topics/nmf"])
def test_the_best_values_are_found_logged_and_said(
    name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = families()[name]
    own, said, logged = look(family, tmp_path, monkeypatch)
    values = [trial.value for trial in Recorded.kept if trial.value is not None]
    best = next(trial for trial in Recorded.kept if trial.value == max(values))
    assert own == family.params(**best.params)
    assert logged == {f"best_{name}": value for name, value in best.params.items()}
    assert [line.split(":")[1] for line in said] == [f" trial {n} of 4" for n in range(1, 5)]
    assert f"best so far {best.value:.4f} of trial {best.number}" in said[-1]
    assert not [text for text in ENTRIES["text"].to_pylist() if text in " ".join(said)]
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_fits_the_last_reason_is_said(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*arguments: Any) -> Any:
        raise UserError("there are too few words.", "Ask for less.")

    never = replace(families()["topics/nmf"], fit=fit)
    with pytest.raises(UserError, match=r"none of the 4 trials could be fitted.*too few words"):
        look(never, tmp_path, monkeypatch)


@pytest.mark.parametrize("n", [0, 50])
def test_without_truth_there_is_nothing_to_go_by(
    n: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    valid = HELD_OUT.slice(0, n)
    place = valid.schema.get_field_index("label")
    valid = valid.set_column(place, "label", pa.nulls(n, pa.string()))
    with pytest.raises(UserError, match="nothing to go by: no validation entry"):
        look(families()["sentiment/example"], tmp_path, monkeypatch, valid)


def test_a_trial_lives_as_long_as_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.pipeline import stale
    from src.pipeline.owner import me

    def made(tags: dict[str, str]) -> Any:
        return SimpleNamespace(data=SimpleNamespace(tags=tags))

    step = made(me().as_tags())
    client: Any = SimpleNamespace(get_run=lambda run_id: step)
    trial = made({"pipeline.trial": "3", "mlflow.parentRunId": "p"})
    assert stale.is_stale(client, trial) == ""
    monkeypatch.setattr(stale, "is_alive", lambda tags: False)
    assert stale.is_stale(client, trial) == "the process that started it is gone"
