"""The driver: plans a chain of steps, then reuses or starts each with `mlflow.run`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline import console
from src.pipeline.backends import LOCAL
from src.pipeline.caller import FOLDER, caller_folder, launcher_run
from src.pipeline.execute import alike, find_result, key_for, one_line, run_link
from src.pipeline.faults import AWAY, is_away
from src.pipeline.jobs import Job
from src.pipeline.keys import sentence
from src.pipeline.owner import OWNER, me
from src.pipeline.patience import lose_patience
from src.pipeline.results import REUSED, STEP, Output, Sealed
from src.pipeline.seals import holds
from src.pipeline.stopping import DRIVER

if TYPE_CHECKING:
    from src.pipeline.runs import Store

NOTHING = "Nothing to do: every step is reused."
ATTEMPTS = 2  # a step that the store cut off, perhaps in the middle of a write, runs once more


@dataclass(frozen=True)
class Done:
    """What became of a job.

    Attributes
    ----------
    outcome
        "reuse", "run", or "accept" where the last result is taken as good.
    reason
        Why it runs; for a reused one, how old the result is.
    result
        None in a plan, where nothing was run.
    """

    job: Job
    outcome: str
    reason: str
    result: Sealed | None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give the same for machines."""
        result = self.result
        return {
            "step": self.job.step.name,
            "group": self.job.group,
            "outcome": self.outcome,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
            "run_id": result.run_id if result else None,
            "summary": result.details.get("summary", "") if result else "",
            "refused": self.refused,
            "outputs": {n: o.uri for n, o in result.outputs.items()} if result else {},
        }

    @property
    def refused(self) -> bool:
        """Whether the step finished with a verdict against."""
        return bool(self.result and self.result.details.get("refused"))


@dataclass
class Chain:
    """Jobs in order, with the artifacts made so far.

    Attributes
    ----------
    halted
        Says where a refusal has ended the chain; empty where none has.
    """

    jobs: Iterable[Job]
    store: Store
    force: str = ""
    accept: str = ""
    until: str = ""
    made: dict[tuple[str, str], Output] = field(default_factory=dict)
    halted: str = ""

    def inputs(self, job: Job) -> dict[str, Output] | None:
        """Give the inputs of a job; None while one of them is still to be made."""
        found = {name: self.lookup(name, job.group) for name in job.step.reads}
        return {n: m for n, m in found.items() if m} if all(found.values()) else None

    def lookup(self, name: str, group: str) -> Output | None:
        """Find an artifact of this job's model, else one that all share."""
        return self.made.get((name, group)) or self.made.get((name, ""))

    def keep(self, job: Job, result: Sealed) -> None:
        """Remember what a job made for those behind it."""
        self.made |= {(name, job.group): output for name, output in result.outputs.items()}

    def consider(self, job: Job) -> Done:
        """Decide whether a job can be reused; touches nothing but the store's index."""
        inputs = self.inputs(job)
        if inputs is None:
            missing = [n for n in job.step.reads if not self.lookup(n, job.group)]
            return Done(job, "run", f"input {', '.join(missing)} will change", None)
        if job.step.name == self.force:
            return Done(job, "run", "forced", None)
        key = key_for(job.step, job.typed, inputs)
        result, reason = find_result(job.step, key, self.store)
        if result is None and job.step.name == self.accept:
            return Done(job, "accept", reason, None)
        if result is None:
            return Done(job, "run", reason, None)
        return Done(job, "reuse", reused_from(result), result)

    def plan(self) -> Iterator[Done]:
        """Say for each job what would happen."""
        for job in self.jobs:
            done = self.consider(job)
            if done.result:
                self.keep(job, done.result)
            else:
                self.made = {k: m for k, m in self.made.items() if not made_by(job, k)}
            yield done
            if self.halts(done):
                return

    def run(self, parent: Callable[[], str], tell: Callable[[Done], None]) -> Iterator[Done]:
        """Reuse or start each job in turn; `tell` hears of each before and after.

        Raises
        ------
        UserError
            A step failed; says which and, in a line, why.
        """
        for job in self.jobs:
            done = self.consider(job)
            tell(done)
            result = done.result
            if result is None:
                start = time.monotonic()
                with self.claim(job, parent()) as made:
                    if made:
                        reason = f"made meanwhile by run {made.run_id[:8]}…"
                        done = replace(done, outcome="reuse", reason=reason, result=made)
                    else:
                        do = self.take if done.outcome == "accept" else self.start
                        done = replace(done, result=do(job, parent(), done.reason))
                result = done.result
                assert result is not None  # noqa: S101 - for the type checker
                done = replace(done, seconds=time.monotonic() - start)
                tell(done)
            self.keep(job, result)
            yield done
            if self.halts(done):
                return

    def halts(self, done: Done) -> bool:
        """Tell whether nothing may be made from what a job made."""
        if done.refused and done.job.step.halts:
            self.halted = f"Stopped: nothing is made from what {done.job.title} refused."
        return bool(self.halted)

    def behind(self, job: Job) -> list[str]:
        """Name the jobs that come after one."""
        titles = [other.title for other in self.jobs]
        return titles[titles.index(job.title) + 1 :]

    def take(self, job: Job, parent_id: str, reason: str) -> Sealed:
        """Take the last result as good, since the author of the change vouches for it."""
        key = key_for(job.step, job.typed, self.inputs(job) or {})
        kept = (
            past
            for past, _ in alike(job.step, key, self.store)
            if not past.purged
            and all(holds(made, self.store.sizes) for made in past.outputs.values())
        )
        past = next(kept, None)
        if past is None:
            raise UserError(
                f"there is no past result of {job.title} to accept.", "Leave accept= out."
            )
        return self.store.accept(key, past, job.title, parent_id, reason)

    def claim(self, job: Job, parent_id: str) -> AbstractContextManager[Sealed | None]:
        """Hold the claim to a job's work, or wait for the result that somebody else makes."""
        key = key_for(job.step, job.typed, self.inputs(job) or {})

        def made() -> Sealed | None:
            forced = job.step.name == self.force
            return None if forced else find_result(job.step, key, self.store)[0]

        return self.store.claim(key.digest, job.title, parent_id, made, console.progress)

    def start(self, job: Job, parent_id: str, reason: str) -> Sealed:
        """Run a job's step as a project run of its own, below the parent."""
        inputs = self.inputs(job) or {}
        parameters: dict[str, Any] = dict(job.typed)
        parameters |= {name: made.uri for name, made in inputs.items()}
        if job.step.name == self.force:
            parameters["force"] = "true"
        if job.backend.name != LOCAL:
            parameters["parent"] = parent_id
        for _ in range(ATTEMPTS):
            with console.captured(title=job.title, later=self.behind(job)) as output:
                finished = self.store.start(job.step.name, job.title, parameters, job.backend)
            if finished:
                break
            said = self.store.failure(parent_id, job.step.name) or last_words(output)
            if not said.startswith(AWAY):
                break
        if not finished:
            raise UserError(
                f"{job.title} failed: {said}", f"To see more: {command(job, parameters)}"
            )
        key = key_for(job.step, job.typed, inputs)
        result = self.store.find(key.digest) or self.store.read_below(parent_id, job.step.name, key)
        if result is None:
            there = self.store.key_below(parent_id, job.step.name)
            other = sentence(key.why(there)) if there else ""
            raise UserError(
                f"{job.title} finished, but no sealed run of its key is there."
                + (f" What ran differs: {other}." if other else ""),
                "Did the code or the source change while it ran, or has its machine another "
                "environment? Run again.",
            )
        return result


def last_words(output: Sequence[str]) -> str:
    """Find why a process failed in what it printed: its error, else its last line."""
    for number, line in enumerate(output):
        if line.startswith("error: "):
            return " ".join([line.removeprefix("error: "), *list(output)[number + 1 :]])
    last = f"; its last line: {output[-1]}" if output else ""
    return f"its process ended without a reason: killed, or out of memory{last}"


def made_by(job: Job, made: tuple[str, str]) -> bool:
    """Tell whether an artifact is one that a job makes anew."""
    name, group = made
    return name in job.step.writes and group == job.group


def command(job: Job, parameters: Mapping[str, Any]) -> str:
    """Write the command that runs one job alone."""
    given = " ".join(f"-P {name}={value}" for name, value in parameters.items())
    return f"python -m steps {job.step.name} {given}".rstrip()


def reused_from(result: Sealed) -> str:
    """Say which run is reused and how old it is."""
    return f"run {result.run_id[:8]}… ({age(result.ended)})"


def age(ended: int) -> str:
    """Say how long ago a run ended, in its largest unit."""
    seconds = max(0.0, time.time() - ended / 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


class Parent:
    """The driver's own run, which the steps' runs are nested under.

    One that nothing has to run under is never started; the one that `mlflow run` made for this
    process is then marked as a reuse, and ends with it.
    """

    def __init__(self, store: Store, title: str) -> None:
        self.store = store
        self.title = title
        self.run_id = ""

    def __call__(self) -> str:
        """Give the run's id; starts it when first asked."""
        if not self.run_id:
            prepare_environment(self.store)
            tags = {STEP: self.title.partition(" ")[0]}
            run = self.stack.enter_context(self.store.run(self.title, tags, {}))
            self.run_id = run.info.run_id
        return self.run_id

    def __enter__(self) -> Parent:
        self.stack = ExitStack().__enter__()
        return self

    def __exit__(self, *error: Any) -> bool | None:
        if self.run_id and error[1] is not None:
            self.store.note_failure(self.run_id, one_line(error[1]), error[1])
        return self.stack.__exit__(*error)


def drive(chain: Chain, title: str, as_json: bool) -> int:
    """Reuse or run each job, show it as it goes, and record it on the parent run.

    Returns
    -------
    exit code
        0, or 3 where a step finished with a verdict against.
    """
    store, finished, marks = chain.store, list[Done](), dict[str, str]()
    failed = ""

    def tell(done: Done) -> None:
        # What is about to run is on the live table, where there is one.
        if done.result is None and console.watched():
            return
        if as_json:
            console.progress(console.row(done.job.title, *words(done)))
            return
        address = place_of(store, done.result.run_id) if done.result else ""
        console.say_row(done.job.title, *words(done), address=address)

    store.close_stale()
    with Parent(store, title) as parent:
        try:
            for done in chain.run(parent, tell):
                finished.append(done)
            if not parent.run_id:
                marks = {STEP: title.partition(" ")[0], REUSED: "every step"}
                marks |= {"mlflow.runName": title}
        except KeyboardInterrupt as error:
            failed = f"stopped: {str(error) or 'interrupted'}"
            kept = ", ".join(done.job.title for done in finished) or "nothing was finished yet"
            console.progress(f"stopped. Kept: {kept}.")
            raise
        except BaseException as error:
            failed = one_line(error)
            if is_away(error):
                lose_patience()
            raise
        finally:
            if recorded := parent.run_id or launcher_run():
                tags, text = record(finished, store.experiment_id)
                head = chain.halted or (NOTHING if marks else "")
                store.describe(recorded, marks | tags, f"{head}\n\n{text}".lstrip())
            if parent.run_id:
                log_card(chain, title, finished, failed, parent.run_id)
    ran = [done for done in finished if done.outcome != "reuse"]
    if as_json:
        steps = [done.as_dict() for done in finished]
        console.say_json({"run_id": recorded or None, "steps": steps, "halted": chain.halted})
    elif chain.halted or not ran:
        console.say(chain.halted or NOTHING)
    else:
        console.progress(f"Its card: python -m steps show {recorded[:8]}")
    return 3 if any(done.refused for done in finished) else 0


def log_card(chain: Chain, title: str, finished: Iterable[Done], failed: str, run_id: str) -> None:
    """Put the card that ties the steps' runs on the parent run; without it nothing is lost."""
    from src.cards.pipeline_card import last_figures, pipeline_card, stages_of
    from src.cards.run_card import FILE, again

    jobs, store = list(chain.jobs), chain.store
    with suppress(Exception):
        stages = stages_of(jobs, finished, failed, store)
        typed = {name: value for job in jobs for name, value in job.typed.items()}
        own = {"model": title.partition(" ")[2]} | ({"until": chain.until} if chain.until else {})
        commit = store.client.get_run(run_id).data.tags.get("mlflow.source.git.commit", "")
        html = pipeline_card(
            title, stages, last_figures(store, run_id, jobs), again("main", typed | own, {}, commit)
        )
        store.client.log_text(run_id, html, FILE)


def place_of(store: Store, run_id: str) -> str:
    """Say where a run can be looked at: on the tracking server, else its card on this machine."""
    if not console.terminal(sys.stdout):
        return ""
    from src.pipeline.opening import address_of

    with suppress(Exception):  # a link is no reason to fail
        return address_of(store, run_id)
    return ""


def words(done: Done) -> tuple[str, str]:
    """Show a job's state in two cells: before it runs, when it is done, when it is reused."""
    if done.result is None:
        return done.outcome, done.reason
    summary = done.result.details.get("summary", "")
    if done.outcome == "reuse":
        return "reuse", f"{done.reason}  {summary}"
    took = f"{done.seconds:,.1f} s"
    return "refused" if done.refused else "done", f"{took:>7}  {summary}"


def record(finished: Iterable[Done], experiment_id: str) -> tuple[dict[str, str], str]:
    """Write what became of the jobs as tags, and as a Markdown table with links in the UI."""
    tags = dict[str, str]()
    text = "| step | outcome | why | run | result |\n|---|---|---|---|---|\n"
    for done in finished:
        run_id = done.result.run_id if done.result else ""
        summary = done.result.details.get("summary", "") if done.result else ""
        tags[f"pipeline.{done.outcome}.{done.job.title.replace(' ', '.')}"] = run_id
        link = run_link(run_id, experiment_id) if run_id else ""
        reason = "" if done.outcome == "reuse" else done.reason
        text += f"| {done.job.title} | {done.outcome} | {reason} | {link} | {summary} |\n"
    return tags, text


def prepare_environment(store: Store) -> None:
    """Let child processes find this Python, this store and the caller's folder."""
    folder = str(Path(sys.executable).parent)
    if os.environ["PATH"].split(os.pathsep)[0] != folder:
        os.environ["PATH"] = folder + os.pathsep + os.environ["PATH"]
    os.environ[FOLDER] = str(caller_folder())
    os.environ[DRIVER] = me().as_tags()[OWNER]
    os.environ["MLFLOW_EXPERIMENT_ID"] = store.experiment_id
