"""The trials of a search: each a run below its step's, found again where the search has died."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache

from mlflow.entities import Param, Run
from mlflow.exceptions import MlflowException

from src.errors import UserError
from src.pipeline.execute import Context, one_line
from src.pipeline.results import FAILURE, PARENT, TRIAL, TRIED
from src.pipeline.runs import OPEN
from src.pipeline.step import Value

PAGE = 1000  # runs that a store gives at once


@dataclass(frozen=True)
class Trial:
    """What came of one choice of values.

    Attributes
    ----------
    number
        From 1.
    params
        The values tried, by name.
    value
        The metric, None where these values cannot be fitted; `failure` then says why.
    """

    number: int
    params: Mapping[str, Value]
    value: float | None
    failure: str = ""


class Trials:
    """Records the trials of a step's run, and finds those of earlier runs of the same key.

    A trial that ended carries one tag, written last, whose *name* holds the key's digest: names
    of tags are indexed, their values are not. It has no tag that a step's run has.

    Parameters
    ----------
    context
        Of the step.
    metric
        What the trials measure.
    """

    def __init__(self, context: Context, metric: str) -> None:
        self.store, self.client = context.store, context.store.client
        self.parent_id, self.tag, self.metric = context.run_id, TRIED + context.digest, metric

    def earlier(self) -> list[Trial]:
        """List from number 1 on the trials of runs that died: those that finished were sealed.

        Whoever makes a finished result again, by `force`, wants nothing of what made it.
        """
        found, finished = dict[int, Trial](), cache(self._finished)
        for run in self._ended():
            if not finished(run.data.tags[PARENT]):
                trial = Trial(**json.loads(run.data.tags[self.tag]))
                found[trial.number] = trial
        return [found[n] for n in itertools.takewhile(found.__contains__, itertools.count(1))]

    def _finished(self, run_id: str) -> bool:
        return bool(self.client.get_run(run_id).info.status == "FINISHED")

    def _ended(self) -> Iterator[Run]:
        query, token = f"tags.`{self.tag}` LIKE '%'", None
        while True:
            page = self.client.search_runs(
                [self.store.experiment_id], query, max_results=PAGE, page_token=token
            )
            yield from (run for run in page if run.info.status in ("FINISHED", "FAILED"))
            token = page.token
            if not token:
                return

    def run(self, number: int, params: Mapping[str, Value], fit: Callable[[], float]) -> Trial:
        """Try values in a run of its own, which says how it ended: FINISHED, FAILED or KILLED.

        Parameters
        ----------
        fit
            Gives the metric. Its UserError is the trial's failure; any other error is raised.
        """
        tags = {TRIAL: str(number), PARENT: self.parent_id}
        made = self.client.create_run(
            self.store.experiment_id, tags=tags, run_name=f"trial {number}"
        )
        run_id = made.info.run_id
        OPEN.add(run_id)
        try:
            logged = [Param(name, str(value)) for name, value in params.items()]
            self.client.log_batch(run_id, params=logged)
            try:
                trial = Trial(number, params, fit())
            except UserError as error:
                trial = Trial(number, params, None, one_line(error))
            self._end(run_id, trial)
        except BaseException as error:
            self.store.note_failure(run_id, one_line(error), error)
            with suppress(MlflowException):
                stopped = isinstance(error, KeyboardInterrupt)
                self.client.set_terminated(run_id, "KILLED" if stopped else "FAILED")
            raise
        OPEN.discard(run_id)
        return trial

    def _end(self, run_id: str, trial: Trial) -> None:
        if trial.value is None:
            self.client.set_tag(run_id, FAILURE, trial.failure)
        else:
            self.client.log_metric(run_id, self.metric, trial.value)
        self.client.set_tag(run_id, self.tag, json.dumps(asdict(trial)))
        self.client.set_terminated(run_id, "FAILED" if trial.value is None else "FINISHED")
