"""Runs one step: its inputs resolved and verified, its work done, its result sealed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.errors import UserError
from src.pipeline.caller import launched, launcher_run
from src.pipeline.faults import explain, is_away
from src.pipeline.keys import (
    Key,
    make_key,
    nearest_key,
    outside_of,
    project_reader,
    sentence,
)
from src.pipeline.results import (
    ENTRY_POINT,
    PARENT,
    READ,
    REASON,
    REUSED,
    STEP,
    SUMMARY,
    Output,
    Sealed,
    key_tags,
)
from src.pipeline.seals import holds
from src.pipeline.space import Space, counted_of, free_spaces
from src.pipeline.step import ROOT, Step, build, content_of, upstream
from src.pipeline.stopping import Stopped
from src.pipeline.temporary import temporary_folder

if TYPE_CHECKING:
    from src.pipeline.runs import Store

OWN = ("force", "parent")  # what every step takes besides its parameters, and none hands on


@dataclass
class Context:
    """What a step sees while it runs: its parameters, inputs as local paths, and a place to write.

    Attributes
    ----------
    params
        The step's params model.
    parts
        What `params` picked, each with its own params model.
    run_id
        The run that records this.
    made
        Artifacts kept elsewhere than under the run (a logged model), by name.
    details
        What the seal keeps beside the artifacts: `summary` is the result in a sentence.
    say
        Shows progress.
    step, key
        What is run, and what its result depends on.
    spaces
        What is to be searched, by the name of the parameter.
    read
        Digests of what comes from outside and changes while people use it, as it was when the
        step read it: they take the place of those that the key was made with.
    metrics, tables
        What the step has logged.
    """

    params: Any
    parts: tuple[tuple[Any, Any], ...]
    inputs: Mapping[str, Output]
    run_id: str
    folder: Path
    store: Store
    say: Callable[[str], None]
    step: Step
    key: Key
    spaces: Mapping[str, Space] = field(default_factory=dict)
    made: dict[str, Output] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Mapping[str, list[Any]]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Give the digest of the step's key."""
        return self.key.digest

    def input(self, name: str) -> Path:
        """Bring an input here and verify it against the digest in its run's seal.

        Raises
        ------
        UserError
            It is gone or not what was sealed.
        """
        return self.bring(self.inputs[name], f"inputs/{name}")

    def bring(self, made: Output, place: str) -> Path:
        """Bring an artifact to a place of its own here, and verify it as `input` does."""
        from src.pipeline.content import content_digest

        into = self.folder / place
        into.mkdir(parents=True)
        path = Path(self.store.download(made.uri, into))
        if content_digest(path) != made.digest:
            raise UserError(
                f"{made.uri} is not what the step that made it sealed: altered or cut.",
                "Run that step again with -P force=true.",
            )
        return path

    def earlier(self, *inputs: str) -> Iterator[Sealed]:
        """List finished results that differ from this one in these inputs at most, newest first.

        Those of which something is gone or altered are left out.
        """
        for past, key in alike(self.step, self.key, self.store):
            same = replace(self.key, inputs={**self.key.inputs, **chosen(key.inputs, inputs)})
            if past.purged:
                continue
            if same == key and all(holds(made, self.store.sizes) for made in past.outputs.values()):
                yield past

    def past(self) -> Iterator[Sealed]:
        """List finished results with these parameters, newest first, whatever code and inputs.

        Those that were refused, and those of which something is gone or altered, are left out.
        """
        for past, key in alike(self.step, self.key, self.store):
            whole = all(holds(made, self.store.sizes) for made in past.outputs.values())
            if key.params == self.key.params and not past.details.get("refused") and whole:
                yield past

    def fetch(self, uri: str, name: str) -> Path:
        """Bring something that is no input here, under a name of its own."""
        into = self.folder / "fetched" / name
        into.mkdir(parents=True)
        return Path(self.store.download(uri, into))

    def output(self, name: str) -> Path:
        """Give the place where an artifact is to be written."""
        path = self.folder / "outputs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def keep(self, name: str, digest: str = "") -> None:
        """Seal an artifact that lies at `output(name)`, by its digest if that is known already."""
        self.made[name] = self.uploaded(name, digest)

    def uploaded(self, name: str, digest: str = "") -> Output:
        """Put what lies at `output(name)` among the run's artifacts."""
        from src.pipeline.content import content_digest

        path = self.output(name)
        self.store.upload(self.run_id, path)
        return Output(f"runs:/{self.run_id}/{name}", digest or content_digest(path))

    def publish(self, name: str, uri: str, check: Callable[[Path], None]) -> None:
        """Hand on an artifact that is kept elsewhere than under the run, once it is proven.

        It is read back from where it is kept, so that what is digested is what others will load.
        """
        from src.pipeline.content import content_digest

        path = self.fetch(uri, name)
        self.made[name] = Output(uri, content_digest(path))
        check(path)

    def log_table(self, name: str, columns: Mapping[str, list[Any]]) -> None:
        """Log a small table that the tracking UI shows."""
        import mlflow

        self.tables[name] = columns
        mlflow.log_table(dict(columns), name, run_id=self.run_id)

    def log_metrics(self, metrics: Mapping[str, float]) -> None:
        """Log metrics on the run, all at once."""
        import mlflow

        self.metrics |= metrics
        mlflow.log_metrics(dict(metrics), run_id=self.run_id)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log more parameters on the run, such as fitted settings."""
        import mlflow

        mlflow.log_params(dict(params))


def find_inputs(
    step: Step, typed: Mapping[str, str], steps: Mapping[str, Step], store: Store
) -> dict[str, Output]:
    """Resolve what a step reads: what was named, else the newest sealed result there is.

    Raises
    ------
    UserError
        Nothing that this code and these parameters would produce is there yet.
    """
    found = dict[str, Output]()
    for other in upstream(step, steps):
        missing = [name for name in other.writes if name in step.reads and not typed.get(name)]
        if not missing:
            continue
        inputs = find_inputs(other, typed, steps, store)
        made, _ = find_result(other, key_for(other, typed, inputs), store)
        if made is None:
            given = " ".join(f"-P {n}={v}" for n, v in typed.items() if n not in OWN)
            raise UserError(
                f"no finished {other.name} of this code with these parameters is there to read.",
                f"Make one: mlflow run . -e main -P until={other.name} {given}".rstrip()
                + f" — or name one: -P {missing[0]}=runs:/<id>/{missing[0]}",
            )
        if other.halts and made.details.get("refused"):
            raise UserError(
                f"{other.name} refused what {step.name} would read: "
                f"{made.details.get('summary', '')}",
                f"To read it all the same, name it: -P {missing[0]}={made.outputs[missing[0]].uri}",
            )
        found |= {name: made.outputs[name] for name in missing}
    named = {name: store.output(typed[name]) for name in step.reads if typed.get(name)}
    return found | named


def key_for(step: Step, typed: Mapping[str, str], inputs: Mapping[str, Output]) -> Key:
    """Compute a step's key from what was typed and the inputs resolved."""
    digests = {name: made.digest for name, made in inputs.items()}
    return make_key(step, build(step.params, typed), typed, digests, project_reader())


def find_result(step: Step, key: Key, store: Store) -> tuple[Sealed | None, str]:
    """Find a result to reuse, or say why the work has to be done.

    Returns
    -------
    result, reason
        One of them is empty. A sealed result counts if what it made, and what it did outside the
        pipeline, is still there and unchanged.
    """
    found = store.find(key.digest) or step.instead(key, store.find)
    if found is None:
        return None, reason_for(step, key, store)
    broken = [name for name, made in found.outputs.items() if not holds(made, store.sizes)]
    if broken:
        return None, f"the seal does not hold: {', '.join(broken)} gone or altered since"
    if not step.holds(found.details):
        return None, "what its last run did outside the pipeline was undone since"
    return found, ""


def reason_for(step: Step, key: Key, store: Store) -> str:
    """Say what differs from the nearest past run of the same kind."""
    past = nearest_key(key, [past for _, past in alike(step, key, store)])
    return sentence(key.why(past)) if past else "first run"


def alike(step: Step, key: Key, store: Store) -> list[tuple[Sealed, Key]]:
    """List the newest sealed runs of the same step and group, newest first."""
    kind = key.params.get(step.group)
    return [found for found in store.past(step.name) if found[1].params.get(step.group) == kind]


def execute(
    step: Step,
    typed: Mapping[str, str],
    steps: Mapping[str, Step],
    store: Store,
    say: Callable[[str], None],
) -> tuple[Sealed, bool]:
    """Run one step, or find that it need not run.

    Returns
    -------
    result, reused

    Raises
    ------
    UserError
        A mistake; the run, if one was started, says so and is FAILED.
    """
    inputs = find_inputs(step, typed, steps, store)
    key = key_for(step, typed, inputs)
    forced = typed.get("force") == "true"
    result, reason = (None, "forced") if forced else find_result(step, key, store)
    if result is None:
        step.ahead(build(step.params, typed))

        def done() -> Sealed | None:
            return None if forced else find_result(step, key, store)[0]

        run_id, parent = launcher_run(), typed.get("parent", "")
        with store.claim(key.digest, step.name, run_id, done, say, parent) as result:
            if result is None:
                return perform(step, typed, inputs, key, reason, store, say), False
    if launched():
        note_reuse(step.title(build(step.params, typed)), result, store)
    return result, True


def perform(
    step: Step,
    typed: Mapping[str, str],
    inputs: Mapping[str, Output],
    key: Key,
    reason: str,
    store: Store,
    say: Callable[[str], None],
) -> Sealed:
    """Do a step's work in a run of its own and seal it."""
    params = build(step.params, typed)
    picked = step.parts(params)
    parts = tuple((part.value, build(part.params, typed)) for part in picked)
    logged: dict[str, Any] = {name: made.uri for name, made in inputs.items()} | content_of(params)
    spaces = dict[str, Space]()
    for part in picked:
        logged |= counted_of(part, typed)
        spaces |= free_spaces(part, typed)
    tags = key_tags(key) | {REASON: reason} | below(step, typed)
    with (
        temporary_folder() as folder,
        store.run(step.title(params), tags, logged) as run,
    ):
        run_id, start = run.info.run_id, time.monotonic()
        context = Context(params, parts, inputs, run_id, folder, store, say, step, key, spaces)
        try:
            for name, made in inputs.items():
                store.link_input(run_id, name, made)
            step.run(context)
            outputs = dict(context.made)
            for name in step.writes:
                if name not in outputs:
                    outputs[name] = context.uploaded(name)
            outputs = {name: store.locate(made) for name, made in outputs.items()}
            check_outside(step, params, typed, inputs, key, context.read)
            log_card(context, typed, reason, time.monotonic() - start)
        except BaseException as error:
            store.note_failure(run_id, one_line(error), error)
            log_failure_card(context, typed, error)
            raise
        summary = context.details.get("summary", "")
        marks = {SUMMARY: summary}
        if context.read:
            key = replace(key, inputs={**key.inputs, **context.read})
            marks |= key_tags(key) | {READ: ",".join(sorted(context.read))}
        store.describe(run_id, marks, f"{summary}\n\nWhy it ran: {reason}")
        store.seal(run_id, key, outputs, context.details)
    return Sealed(run_id, outputs, context.details)


def log_card(context: Context, typed: Mapping[str, str], reason: str, seconds: float) -> None:
    """Put a step's card beside its artifacts; one that cannot be drawn is said, and no failure."""
    from src.cards.run_card import FILE, step_card

    try:
        title, command = context.step.title(context.params), command_of(context, typed)
        html = step_card(context, title, reason, seconds, command)
    except Exception as error:
        context.say(f"{context.step.name}: its card could not be drawn: {one_line(error)}")
        return
    context.store.client.log_text(context.run_id, html, FILE)


def log_failure_card(context: Context, typed: Mapping[str, str], error: BaseException) -> None:
    """Put a card beside what a failed step has left: what went wrong, and the way out."""
    from src.cards.run_card import FILE, failure_card, settings

    if not isinstance(error, Exception) or is_away(error):
        return
    known = error if isinstance(error, UserError) else explain(error)
    known = known or UserError(one_line(error), "")
    with suppress(Exception):  # what failed may be the store; the step's own error is the news
        title, command = context.step.title(context.params), command_of(context, typed)
        html = failure_card(title, known, settings(context), command)
        context.store.client.log_text(context.run_id, html, FILE)


def command_of(context: Context, typed: Mapping[str, str]) -> str:
    """Write the command that runs a step again on the same inputs and code."""
    from src.cards.run_card import again

    run = context.store.client.get_run(context.run_id)
    commit = run.data.tags.get("mlflow.source.git.commit", "")
    inputs = {name: made.uri for name, made in context.inputs.items()}
    return again(context.step.name, typed, inputs, commit)


def chosen(given: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Give the items of these names, where they are there."""
    return {name: given[name] for name in names if name in given}


def check_outside(
    step: Step,
    params: Any,
    typed: Mapping[str, str],
    inputs: Mapping[str, Output],
    key: Key,
    read: Iterable[str],
) -> None:
    """Make sure that what came from outside the pipeline stayed the same while the step ran.

    What the step has `read` at one moment, and says what it was then, may change as it likes.

    Raises
    ------
    UserError
        It changed: nobody could say what the result was made from.
    """
    digests = {name: made.digest for name, made in inputs.items()}
    outside = outside_of(step, params, typed, digests)
    changed = [
        name
        for name, digest in outside.items()
        if key.inputs[name] != digest and name not in set(read)
    ]
    if changed:
        raise UserError(
            f"the {', '.join(changed)} changed while {step.name} ran; its result is not kept.",
            "Run again once nobody writes to it.",
        )


def below(step: Step, typed: Mapping[str, str]) -> dict[str, str]:
    """Give the tags that put a run below the driver's, where no launcher of its machine did."""
    parent = typed.get("parent")
    return {PARENT: parent, ENTRY_POINT: step.name} if parent else {}


def note_reuse(title: str, result: Sealed, store: Store) -> None:
    """Mark the launcher's own run as a reuse and point to the result."""
    links = "".join(f"\n- {name}: `{made.uri}`" for name, made in result.outputs.items())
    text = f"Nothing to do: reused {run_link(result.run_id, store.experiment_id)}.\n{links}\n"
    marks = {STEP: title.partition(" ")[0], REUSED: result.run_id, "mlflow.runName": title}
    store.describe(launcher_run(), marks, text)


def run_link(run_id: str, experiment_id: str) -> str:
    """Write a Markdown link to a run, which works in the tracking UI."""
    return f"[{run_id[:8]}](#/experiments/{experiment_id}/runs/{run_id})"


def one_line(error: BaseException) -> str:
    """Say what went wrong without quoting data: only our own errors are known not to."""
    if isinstance(error, UserError):
        return f"{error.message} {error.hint}".strip()
    if isinstance(error, Stopped):
        return str(error)
    if known := explain(error):
        return f"{known.message} {known.hint}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename.startswith(str(ROOT)) and ".venv" not in f.filename]
    where = f" at {Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{where}"
