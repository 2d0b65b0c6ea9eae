"""Rows of the forgotten leave tables; everything else in them stays as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.entities import Run

from src.data.forgotten import Forgotten, Mark, marks_of
from src.data.privacy import pseudonym
from src.data.sample import sample
from src.data.schema import ENTRIES, SPLITS
from src.data.seen import write_trained_on
from src.forgetting import kept as past
from src.forgetting import purging
from src.pipeline.content import content_digest
from src.pipeline.keys import Key
from src.pipeline.results import Output, key_tags, read_seal, seal_tags
from tests.data.conftest import MakeEntries

pytestmark = pytest.mark.integration

N = 6


@pytest.fixture
def client(tmp_path: Path) -> mlflow.MlflowClient:
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("made", (tmp_path / "artifacts").as_uri())
    return client


@pytest.fixture
def entries(make_entries: MakeEntries) -> pa.Table:
    """Six entries, in turn by Anna and Ben."""
    return make_entries(
        [{"author": pseudonym("Anna" if i % 2 else "Ben"), "label": "neutral"} for i in range(N)]
    )


def split_of(entries: pa.Table) -> pa.Table:
    sides = pa.array(["train" if i % 2 else "test" for i in range(entries.num_rows)], pa.string())
    return entries.append_column("split", sides)


def kept(client: mlflow.MlflowClient) -> list[past.Kept]:
    return [past.kept_by(run) for run in past.all_runs(client, "none")]


def run(client: mlflow.MlflowClient, folder: Path, **params: str) -> Run:
    """Record a sealed run of what lies in a folder."""
    run = client.create_run("1")
    run_id = run.info.run_id
    for name, value in params.items():
        client.log_param(run_id, name, value)
    outputs = dict[str, Output]()
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            client.log_artifacts(run_id, str(path), path.name)
            outputs[path.name] = Output(f"runs:/{run_id}/{path.name}", content_digest(path))
        else:
            client.log_artifact(run_id, str(path))
    key = Key("made", {}, {}, {}, {})
    for tag, value in (key_tags(key) | seal_tags(key, outputs, {})).items():
        client.set_tag(run_id, tag, value)
    client.set_terminated(run_id)
    return client.get_run(run_id)


def forget(client: mlflow.MlflowClient, people: Forgotten, folder: Path) -> Any:
    look = past.look(kept(client), people, people.marks, folder / "looked")
    return look, purging.purge(client, kept(client), people, look.marks, folder / "looked")


def whom(**asked: str) -> Forgotten:
    return Forgotten(frozenset[Mark]().union(*marks_of([asked])))


def artifact(run: Run, name: str) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://")) / name


def test_rows_leave_by_author_and_their_ids_elsewhere(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    SPLITS.write(tmp_path / "a" / "splits", [split_of(entries)])
    made = run(client, tmp_path / "a")
    ids = pa.table({"id": [f"e{i}" for i in range(N)], "score": list(range(N))})
    for name, splits in (("b", made.info.run_id), ("c", "0" * 32)):
        (tmp_path / name / "predictions").mkdir(parents=True)
        pq.write_table(ids, tmp_path / name / "predictions" / "part.parquet")
        run(client, tmp_path / name, splits=f"runs:/{splits}/splits")
    look, purge = forget(client, whom(author="Anna"), tmp_path)
    assert sorted(purge.rows.values()) == [3, 3]
    left = SPLITS.read(artifact(made, "splits"))
    assert left["id"].to_pylist() == ["e0", "e2", "e4"]
    assert left["text"].to_pylist() == entries["text"].to_pylist()[::2]
    found = {
        one.run.data.params.get("splits", ""): pq.read_table(artifact(one.run, "predictions"))
        for one in kept(client)
        if "predictions" in one.names
    }
    assert found[f"runs:/{made.info.run_id}/splits"]["score"].to_pylist() == [0, 2, 4]
    # The same ids below other splits are other people's.
    assert found[f"runs:/{'0' * 32}/splits"]["score"].to_pylist() == list(range(N))
    assert not purging.purge(
        client, kept(client), whom(author="Anna"), look.marks, tmp_path / "t"
    ).rows


def test_an_entry_leaves_by_its_id_wherever_it_is(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    ENTRIES.write(tmp_path / "a" / "entries", [entries])
    made = run(client, tmp_path / "a")
    assert forget(client, whom(author="e3"), tmp_path)[1].rows == {}
    _, purge = forget(client, whom(entry="e3"), tmp_path)
    assert purge.rows == {f"{made.info.run_id}/entries": 1}
    assert "e3" not in ENTRIES.read(artifact(made, "entries"))["id"].to_pylist()


def test_what_a_model_was_trained_on_is_counted_and_then_leaves(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    SPLITS.write(tmp_path / "a" / "splits", [split_of(entries)])
    run(client, tmp_path / "a")
    write_trained_on(tmp_path / "b" / "trained_on", [entries.slice(0, 4)])
    trained = run(client, tmp_path / "b")
    look, purge = forget(client, whom(author="Anna"), tmp_path)
    assert look.trained == {trained.info.run_id: 2}
    assert purge.rows[f"{trained.info.run_id}/trained_on"] == 4  # a text and an id of each
    again, _ = forget(client, whom(author="Anna"), tmp_path)
    assert again.trained == {trained.info.run_id: 0}


def test_a_seal_names_what_is_there_now_and_is_marked(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    ENTRIES.write(tmp_path / "a" / "entries", [entries])
    made = run(client, tmp_path / "a")
    forget(client, whom(author="Anna"), tmp_path)
    tags = client.get_run(made.info.run_id).data.tags
    sealed = read_seal(made.info.run_id, tags, 0)
    assert sealed
    assert sealed.purged
    assert sealed.outputs["entries"].digest == content_digest(artifact(made, "entries"))


def test_what_stays_keeps_its_metadata_and_types(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    table = split_of(entries).replace_schema_metadata(
        {"author_rule": "waived", "privacy": "strict"}
    )
    SPLITS.write(tmp_path / "a" / "splits", [table])
    made = run(client, tmp_path / "a")
    before = {p.name: p.read_bytes() for p in artifact(made, "splits").iterdir()}
    forget(client, whom(author="Anna"), tmp_path)
    after = {p.name: p.read_bytes() for p in artifact(made, "splits").iterdir()}
    assert after["test.parquet"] == before["test.parquet"]  # Ben's alone
    schema = pq.read_schema(artifact(made, "splits") / "train.parquet")
    assert schema.metadata[b"privacy"] == b"strict"
    assert schema.names == SPLITS.schema.names
    assert pq.read_table(artifact(made, "splits") / "train.parquet").num_rows == 0


def test_a_logged_sample_loses_what_looks_like_them(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    table = split_of(entries)
    SPLITS.write(tmp_path / "a" / "splits", [table])
    made = run(client, tmp_path / "a")
    (tmp_path / "b").mkdir()
    columns = sample(table, N, 0)
    data = [list(row) for row in zip(*columns.values(), strict=True)]
    text = json.dumps({"columns": list(columns), "data": data})
    (tmp_path / "b" / "data_sample.json").write_text(text)
    shown = run(client, tmp_path / "b", splits=f"runs:/{made.info.run_id}/splits")
    forget(client, whom(author="Anna"), tmp_path)
    left = json.loads(artifact(shown, "data_sample.json").read_text())
    assert left["columns"] == list(columns)
    assert [row[0] for row in left["data"]] == ["test"] * 3  # Anna's were those of train


def test_cut_tables_are_named_where_sealed_and_removed_where_a_kill_left_them(
    client: mlflow.MlflowClient, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "part.parquet").write_bytes(b"PAR1 and then nothing")
    left = client.create_run("1").info.run_id
    client.log_artifacts(left, str(tmp_path / "a"), "entries")
    hidden = artifact(client.get_run(left), ".artifact.uploading.x1")
    hidden.write_text("what was being written")
    sealed = run(client, tmp_path / "a")
    _, purge = forget(client, whom(author="Anna"), tmp_path)
    assert purge.unreadable == (f"{sealed.info.run_id}/part.parquet",)
    assert not artifact(client.get_run(left), "entries").exists()
    assert not hidden.exists()


def test_runs_that_are_deleted_lose_rows_too(
    client: mlflow.MlflowClient, entries: pa.Table, tmp_path: Path
) -> None:
    ENTRIES.write(tmp_path / "a" / "entries", [entries])
    made = run(client, tmp_path / "a")
    client.delete_run(made.info.run_id)
    _, purge = forget(client, whom(author="Anna"), tmp_path)
    assert sum(purge.rows.values()) == 3
