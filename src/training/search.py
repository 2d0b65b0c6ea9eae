"""Searches the spaces that a family declares for the values that do best on validation entries."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.space import Space, spaces_of
from src.training.family import Family, check_distributions, families

if TYPE_CHECKING:
    import pyarrow as pa
    from optuna.distributions import BaseDistribution

    from src.pipeline.execute import Context
    from src.pipeline.trials import Trial

    # the trial's number and its values; gives what came of it
    Try = Callable[[int, Mapping[str, Any]], Trial]


def check_search(family: Family) -> None:
    """Make sure that a family can be searched, before anything heavy is imported.

    Raises
    ------
    UserError
        It declares nothing to search, or Optuna is not installed.
    """
    if not spaces_of(family.params):
        known = [f.name for f in families(family.task.name).values() if spaces_of(f.params)]
        raise UserError(
            f"the family {family.name} declares no parameter to search.",
            f"Families that do: {', '.join(known) or 'none'}. Or leave trials out.",
        )
    check_distributions("a search (trials)", ("optuna",), "search")


def search(context: Context, family: Family, own: Any, train: pa.Table, valid: pa.Table) -> Any:
    """Try as many values as the step's `trials` says, and log the best.

    Returns
    -------
    The family's parameters with the best values in the place of those that were searched.

    Raises
    ------
    UserError
        No validation entry can be judged, or no values tried can be fitted.
    """
    from src.evaluation.gates import CONTESTS
    from src.pipeline.trials import Trials

    check_judged(family, valid)
    name, total = family.task.name, context.params.trials
    metric = CONTESTS[name].metric
    trials = Trials(context, f"valid_{metric}")
    done = trials.earlier()[:total]
    if done:
        context.say(f"train: going on after {len(done)} trials of a search that was stopped")

    def attempt(number: int, values: Mapping[str, Any]) -> Trial:
        def fit() -> float:
            return score(context, family, replace(own, **values), train, valid, metric)

        return trials.run(number, values, fit)

    for trial in optimise(context.spaces, context.params.seed, total, tuple(done), attempt):
        done.append(trial)
        best = best_of(done)
        said = "cannot be fitted" if trial.value is None else f"{metric} {trial.value:.4f}"
        so_far = f", best so far {best.value:.4f} of trial {best.number}" if best else ""
        context.say(f"train: trial {trial.number} of {total}: {said}{so_far}")
    best = best_of(done)
    if best is None:
        raise UserError(
            f"none of the {total} trials could be fitted. The last: {done[-1].failure}",
            "Give values that fit by hand, without trials.",
        )
    context.log_params({f"best_{name}": value for name, value in best.params.items()})
    return replace(own, **best.params)


def optimise(
    spaces: Mapping[str, Space], seed: int, total: int, done: Sequence[Trial], attempt: Try
) -> Iterator[Trial]:
    """Go on with a search by TPE (Bergstra et al., 2011) until there are `total` trials.

    The defaults come first. Each choice has its own seed and else rests on the trials before it
    alone, so that a search that goes on chooses as one that never stopped.

    Parameters
    ----------
    done
        The first trials of the same search, by number.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    spread = {name: distribution(space) for name, space in spaces.items()}

    def state(trial: Trial) -> TrialState:
        return TrialState.FAIL if trial.value is None else TrialState.COMPLETE

    for past in done:
        values = dict(past.params)
        study.add_trial(
            create_trial(state=state(past), value=past.value, params=values, distributions=spread)
        )
    if not done:
        study.enqueue_trial({name: space.first for name, space in spaces.items()})
    for number in range(len(done) + 1, total + 1):
        study.sampler = optuna.samplers.TPESampler(seed=seed_of(seed, number))
        asked = study.ask(spread)
        trial = attempt(number, asked.params)
        study.tell(asked, trial.value, state=state(trial))
        yield trial


def distribution(space: Space) -> BaseDistribution:
    """Say it in Optuna's words."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not space.is_range:
        return CategoricalDistribution(space.values)
    low, high = space.values
    if isinstance(space.first, int):
        return IntDistribution(int(low), int(high), log=space.log)
    return FloatDistribution(float(low), float(high), log=space.log)


def seed_of(seed: int, number: int) -> int:
    """Give each trial of each search a seed of its own, within 32 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4])


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """Find the trial with the highest metric, the first among equals; None if all failed."""
    fitted = (trial for trial in trials if trial.value is not None)
    return max(fitted, key=lambda trial: trial.value or 0.0, default=None)


def check_judged(family: Family, valid: pa.Table) -> None:
    """Make sure that there is something to judge trials on.

    Raises
    ------
    UserError
        There is no validation entry whose truth is known.
    """
    from src.evaluation.tasks import TASKS

    rule = TASKS[family.task.name]
    if valid.num_rows and (not rule.needs_truth or any(valid[rule.truth_column].to_pylist())):
        return
    what = f"has a {rule.truth_column}" if valid.num_rows else "is there"
    raise UserError(
        f"a search has nothing to go by: no validation entry {what}.",
        "Give a source with more of them, -P source=…, or leave trials out.",
    )


def score(
    context: Context, family: Family, own: Any, train: pa.Table, valid: pa.Table, metric: str
) -> float:
    """Fit, and measure on the validation entries as the step itself does.

    Raises
    ------
    UserError
        These values cannot be fitted, or what they fit cannot be measured.
    """
    from src.evaluation.evaluate import measure
    from src.training import packaging

    with tempfile.TemporaryDirectory(dir=context.folder) as name:
        folder = Path(name)
        family.fit(train, valid, own, folder, context.params.seed, lambda line: None)
        model = packaging.load(family.task, folder)
        rows = model.predict(None, valid.select(["text"]).to_pandas())
    measured = measure(family.task.name, valid, rows, getattr(model, "topics", None))
    if metric not in measured:
        raise UserError(f"the answers have no {metric}.", "Try values nearer to the defaults.")
    return measured[metric]
