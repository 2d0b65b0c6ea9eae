"""What clean removes, and above all what it never does: on a real store with made-up results."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src.errors import UserError
from src.history import cleaning
from src.history.cleaning import CLEANED, clean, plan
from src.pipeline.keys import Key
from src.pipeline.owner import me
from src.pipeline.results import SEAL, Output, key_tags, seal_tags
from src.pipeline.runs import Store
from src.pipeline.seals import files_of, holds, local_path
from tests.fakes import tracking

pytestmark = [pytest.mark.integration, pytest.mark.slow]

NAME = "journal_sentiment_analyzer"


@dataclass
class Made:
    """A store, and a way to put runs into it as steps would."""

    store: Store

    def run(
        self,
        step: str,
        code: str = "now",
        inputs: dict[str, Output] | None = None,
        status: str = "FINISHED",
        content: str = "",
        seal: bool = True,
        **params: Any,
    ) -> tuple[str, dict[str, Output]]:
        """Record a run of a step that wrote one artifact, named like the step."""
        client, read = self.store.client, inputs or {}
        digests = {name: made.digest for name, made in read.items()}
        key = Key(step, {"f.py": code}, params, digests, {"python": "3.13"})
        run = client.create_run(self.store.experiment_id, tags=key_tags(key), run_name=step)
        run_id = run.info.run_id
        for name, made in read.items():
            client.log_param(run_id, name, made.uri)
        said = content or json.dumps([step, digests, params])
        client.log_text(run_id, said, f"{step}/part.txt")
        client.log_text(run_id, "<p>card</p>", "card.html")
        folder = local_path(run.info.artifact_uri) or Path()
        location = str(folder / step)
        digest = hashlib.sha256(said.encode()).hexdigest()
        output = Output(f"runs:/{run_id}/{step}", digest, location, files_of(folder / step))
        if seal and status == "FINISHED":
            for name, value in seal_tags(key, {step: output}, {"summary": "s"}).items():
                client.set_tag(run_id, name, value)
        if status != "RUNNING":
            client.set_terminated(run_id, status)
        return run_id, {step: output}

    def version(self, run_id: str, **tags: str) -> None:
        """Register a version that a run made."""
        client = self.store.client
        uri = client.get_run(run_id).info.artifact_uri
        client.create_model_version(NAME, f"{uri}/train", run_id=run_id, tags=tags)

    def there(self, run_id: str) -> bool:
        """Tell whether a run's artifacts are all there."""
        folder = local_path(self.store.client.get_run(run_id).info.artifact_uri)
        return bool(folder and (folder / "card.html").exists())

    def removed(self) -> dict[str, str]:
        """Say what would go, and why."""
        return {removal.run.info.run_id: removal.why for removal in plan(self.store).removals}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: making one takes seconds."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch, tracking(f"sqlite:///{folder}/mlflow.db"):
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_ARTIFACTS_DESTINATION", str(folder / "artifacts"))
        Store().client.create_registered_model(NAME)
    return folder / "mlflow.db"


@pytest.fixture
def made(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    shutil.copy(template, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with tracking(uri):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr(cleaning, "of_now", lambda key: key.code == {"f.py": "now"})
        yield Made(Store())


def test_what_failed_or_was_killed_goes_and_what_finished_stays(made: Made) -> None:
    failed, _ = made.run("ingest", status="FAILED")
    killed, _ = made.run("split", status="KILLED")
    done, _ = made.run("ingest")
    assert made.removed() == {failed: "failed", killed: "killed"}
    assert all(map(made.there, (failed, killed, done)))
    clean(plan(made.store), made.store)
    assert [made.there(each) for each in (failed, killed, done)] == [False, False, True]


def test_runs_of_others_are_left_alone(made: Made) -> None:
    client = made.store.client
    foreign = client.create_run(
        made.store.experiment_id, tags={"mlflow.project.entryPoint": "main"}
    )
    client.log_text(foreign.info.run_id, "theirs", "card.html")
    client.set_terminated(foreign.info.run_id, "FAILED")
    clean(plan(made.store), made.store)
    assert made.there(foreign.info.run_id)


def test_an_older_result_of_the_same_work_is_superseded(made: Made) -> None:
    old, _ = made.run("ingest", source="x")
    new, _ = made.run("ingest", source="x")
    other, _ = made.run("ingest", source="y")
    assert made.removed() == {old: "superseded"}
    clean(plan(made.store), made.store)
    assert not made.there(old)
    assert made.there(new)
    assert made.there(other)


def test_what_the_code_of_now_would_reuse_stays_although_other_code_ran_since(made: Made) -> None:
    mine, _ = made.run("ingest", code="now")
    theirs, _ = made.run("ingest", code="branch")
    assert made.removed() == {}
    oldest, _ = made.run("split", code="older")
    made.run("split", code="old")
    assert made.removed() == {oldest: "superseded"}
    assert made.there(mine)
    assert made.there(theirs)


def test_what_nothing_leads_to_any_more_is_superseded_too(made: Made) -> None:
    before, entries = made.run("ingest", code="old", content="before")
    split, _ = made.run("split", code="old", inputs={"entries": entries["ingest"]})
    made.run("ingest", code="now", content="after")
    assert made.removed() == {before: "superseded", split: "superseded"}


def test_content_that_comes_out_equal_still_leads_on(made: Made) -> None:
    before, entries = made.run("ingest", code="old", content="equal")
    split, _ = made.run("split", code="old", inputs={"entries": entries["ingest"]})
    made.run("ingest", code="now", content="equal")
    assert made.removed() == {before: "superseded"}
    assert made.there(split)


def test_a_version_keeps_all_that_it_rests_on(made: Made) -> None:
    """Entries, split, training run and verdict, though all are superseded and one was killed."""
    ingest, entries = made.run("ingest", code="old", content="a")
    split, splits = made.run("split", code="old", inputs={"entries": entries["ingest"]})
    train, model = made.run("train", code="old", inputs={"splits": splits["split"]}, model="s")
    judge, verdict = made.run("evaluate", code="old", inputs={"candidate": model["train"]})
    register, _ = made.run("register", inputs={"evaluation": verdict["evaluate"]}, status="KILLED")
    digest = model["train"].digest
    made.version(train, **{"run.register": register, "pipeline.digest": digest})
    again, _ = made.run("evaluate", code="older", inputs={"candidate": model["train"]}, seed=8)
    made.run("ingest", code="now", content="b")
    made.run("train", code="now", inputs={"splits": splits["split"]}, model="s")
    assert made.removed() == {}
    made.store.client.delete_model_version(NAME, "1")
    assert {register, judge, again} <= set(made.removed())
    assert all(map(made.there, (ingest, split, train, judge, again)))


def test_a_result_that_was_accepted_keeps_the_artifacts_it_stands_for(made: Made) -> None:
    old, outputs = made.run("ingest", code="old")
    client = made.store.client
    key = Key("ingest", {"f.py": "now"}, {}, {}, {"python": "3.13"})
    tags = {**key_tags(key), **seal_tags(key, outputs, {})}
    accepted = client.create_run(made.store.experiment_id, tags=tags)
    client.set_terminated(accepted.info.run_id)
    assert made.removed() == {}
    assert made.there(old)


def test_nothing_is_cleaned_while_a_pipeline_is_at_work(made: Made) -> None:
    made.run("ingest", status="FAILED")
    running, _ = made.run("split", status="RUNNING")
    for name, value in me().as_tags().items():
        made.store.client.set_tag(running, name, value)
    with pytest.raises(UserError, match="split is running"):
        plan(made.store)


def test_a_pipeline_that_starts_meanwhile_gets_the_seals_back(made: Made) -> None:
    old, outputs = made.run("ingest")
    made.run("ingest")
    found = plan(made.store)
    running, _ = made.run("split", status="RUNNING")
    for name, value in me().as_tags().items():
        made.store.client.set_tag(running, name, value)
    with pytest.raises(UserError, match="split is running"):
        clean(found, made.store)
    tags = made.store.client.get_run(old).data.tags
    assert any(name.startswith(SEAL) for name in tags)
    assert CLEANED not in tags
    assert holds(outputs["ingest"], made.store.sizes)


def test_a_version_registered_meanwhile_stops_it(made: Made) -> None:
    old, _ = made.run("train")
    made.run("train")
    found = plan(made.store)
    made.version(old)
    with pytest.raises(UserError, match="registered meanwhile"):
        clean(found, made.store)
    assert made.there(old)
    assert plan(made.store).removals == ()


def test_a_clean_that_was_killed_is_ended_by_the_next(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = made.run("ingest", source="x")
    new, _ = made.run("ingest", source="x")

    def die(location: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            clean(plan(made.store), made.store)
    tags = made.store.client.get_run(old).data.tags
    assert not any(name.startswith(SEAL) for name in tags)
    assert made.removed() == {old: "cleaned before"}
    clean(plan(made.store), made.store)
    assert not made.there(old)
    assert made.there(new)
    assert made.removed() == {}


def test_logged_models_go_with_their_run_and_stay_with_a_version(made: Made) -> None:
    client, places = made.store.client, {}
    for name, status in (("kept", "FINISHED"), ("gone", "FAILED")):
        run_id, _ = made.run("train", status=status, family=name)
        model = client.create_logged_model(made.store.experiment_id, name, run_id)
        folder = local_path(model.artifact_location) or Path()
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(name)
        places[name] = folder
    clean(plan(made.store), made.store)
    assert (places["kept"] / "MLmodel").exists()
    assert not places["gone"].exists()


def test_a_model_that_a_failed_run_logged_stays_where_a_version_needs_it(made: Made) -> None:
    client = made.store.client
    run_id, _ = made.run("train", status="FAILED")
    model = client.create_logged_model(made.store.experiment_id, "candidate", run_id)
    client.create_model_version(NAME, f"models:/{model.model_id}")
    assert made.removed() == {}


def test_artifacts_outside_the_runs_own_place_are_left(made: Made, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    run_id, _ = made.run("ingest", status="FAILED")
    run = made.store.client.get_run(run_id)
    run.info._artifact_uri = str(precious)
    assert cleaning.places(run, (), made.store) == {}


@pytest.mark.parametrize("seed", range(6))
def test_after_a_clean_all_is_reused_and_every_version_is_whole(made: Made, seed: int) -> None:
    """Whatever the history: random results, codes, failures and versions."""
    draw = random.Random(seed)
    ours: dict[str, list[dict[str, Output]]] = {"ingest": [], "split": [], "train": []}
    reads = {"split": ("entries", "ingest"), "train": ("splits", "split")}
    wanted: list[list[str]] = []
    lineage: dict[str, list[str]] = {}
    for _ in range(22):
        step = draw.choice(list(ours))
        inputs, behind = {}, list[str]()
        if step in reads:
            name, maker = reads[step]
            if not ours[maker]:
                continue
            inputs = {name: draw.choice(ours[maker])[maker]}
            behind = lineage[inputs[name].uri.split("/")[1]]
        status = draw.choice(["FINISHED"] * 4 + ["FAILED", "KILLED"])
        run_id, outputs = made.run(
            step,
            code=draw.choice(["now", "old", "older"]),
            inputs=inputs,
            status=status,
            content=f"{step} {draw.randrange(3)}",
            seed=draw.randrange(2),
        )
        lineage[run_id] = [*behind, run_id]
        if status == "FINISHED":
            ours[step].append(outputs)
            if step == "train" and draw.random() < 0.3:
                made.version(run_id, **{"pipeline.digest": outputs["train"].digest})
                wanted.append(lineage[run_id])
    store = made.store
    digests = {
        name.removeprefix(SEAL)
        for run in cleaning.every(store)
        for name in run.data.tags
        if name.startswith(SEAL) and json.loads(run.data.tags["pipeline.key.code"])["f.py"] == "now"
    }
    before = {digest: store.find(digest) for digest in digests}
    reached = reachable(store, before)
    clean(plan(store), store)
    assert {d: store.find(d) for d in reached} == {d: before[d] for d in reached}
    for digest in reached:
        found = before[digest]
        assert found
        assert all(holds(output, store.sizes) for output in found.outputs.values())
    assert all(made.there(run_id) for behind in wanted for run_id in behind)
    assert plan(store).removals == ()


def reachable(store: Store, found: dict[str, Any]) -> set[str]:
    """The keys of now that `main` could come to: what they read is made by what it would find."""
    keys = {
        d: cleaning.read_key(store.client.get_run(s.run_id).data.tags) for d, s in found.items()
    }
    at, there = set[str](), set[str]()
    for step in ("ingest", "split", "train"):
        for digest, key in keys.items():
            if key.step == step and set(key.inputs.values()) <= there:
                at.add(digest)
                there |= {o.digest for o in found[digest].outputs.values()}
    return at
