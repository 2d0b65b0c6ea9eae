from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from src.data.ingestion import ingest
from src.data.schema import ENTRIES
from src.data.sources import check, find
from src.data.sources.huggingface import HuggingFaceParams
from src.errors import UserError
from tests.fakes import open_folder, told_to_others

ROOT = Path(__file__).resolve().parents[3]
TEXT = {"dtype": "string", "_type": "Value"}
MOODS = {"names": ["negative", "neutral", "positive"], "_type": "ClassLabel"}
THEMES = {"names": ["work", "sleep"], "_type": "ClassLabel"}

pytestmark = pytest.mark.unit


def write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=2)


def save(
    folder: Path, table: pa.Table, features: dict[str, Any], split: str, files: int = 1
) -> Path:
    """Write what `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{place:05d}-of-{files:05d}.arrow" for place in range(files)]
    rows = -(-table.num_rows // files)
    for place, name in enumerate(names):
        write_arrow(folder / name, table.slice(place * rows, rows))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features, "splits": {}}))
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_split": split,
        "_format_type": None,
    }
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def save_all(folder: Path) -> Path:
    """Write what `DatasetDict.save_to_disk` writes."""
    features = {"text": TEXT, "label": MOODS}
    save(
        folder / "train",
        pa.table({"text": ["one", "two", "three"], "label": [0, 2, -1]}),
        features,
        "train",
        2,
    )
    save(folder / "test", pa.table({"text": ["four"], "label": [1]}), features, "test")
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return folder


def params(folder: Path, **more: Any) -> HuggingFaceParams:
    return HuggingFaceParams(source=str(folder), languages="any", **more)


def read(folder: Path, **more: Any) -> list[dict[str, Any]]:
    given = params(folder, **more)
    check(given)
    source = find(str(folder))
    assert source.name == "huggingface"
    return [row for table in source.read(given) for row in table.to_pylist()]


def seen(folder: Path, **more: Any) -> list[tuple[Any, ...]]:
    return [(row["text"], row["label"], row["source"]) for row in read(folder, **more)]


def fingerprint(folder: Path, **more: Any) -> str:
    return find(str(folder)).fingerprint(params(folder, **more))


def problem(folder: Path, **more: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        read(folder, **more)
    assert "SECRET" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value


def test_splits_come_in_their_own_order_with_the_names_of_classes(tmp_path: Path) -> None:
    folder = save_all(tmp_path / "moods")
    train = [("one", "negative", "train"), ("two", "positive", "train"), ("three", None, "train")]
    test = [("four", "neutral", "test")]
    assert seen(folder) == train + test
    assert seen(folder, dataset_split="test") == seen(folder / "test") == test
    report = ingest(params(folder), tmp_path / "entries")
    assert report.labels == {"negative": 1, "neutral": 1, "none": 1, "positive": 1}
    assert ENTRIES.read(tmp_path / "entries").num_rows == 4


def test_an_unknown_split_gets_the_nearest(tmp_path: Path) -> None:
    error = problem(save_all(tmp_path / "moods"), dataset_split="tests")
    assert "has no split 'tests'" in error.message
    assert error.hint == "Did you mean test?"


def test_every_column_is_read_whatever_its_type(tmp_path: Path) -> None:
    table = pa.table(
        {
            "other": [[1.0]],
            "content": pa.array(["a day"], pa.large_string()),
            "user_id": [7],
            "tags": [[1, 0]],
            "date": pa.array([1_700_000_000], pa.timestamp("s")),
            "score": pa.array([4.5], pa.float32()),
        }
    )
    features = {"content": TEXT, "tags": {"feature": THEMES, "_type": "List"}}
    (row,) = read(save(tmp_path / "a", table, features, ""))
    assert (row["text"], row["author"], row["topics"]) == ("a day", "7", ["sleep", "work"])
    assert (row["score"], row["source"]) == ("4.5", "a")
    assert row["created_at"].startswith("2023-11-14 22:13:20")
    (older,) = read(save(tmp_path / "b", table, features | {"tags": [THEMES]}, ""))
    assert older["topics"] == ["sleep", "work"]


def test_a_folder_of_the_cache_is_read_too(tmp_path: Path) -> None:
    table = pa.table({"text": ["one", "two"], "label": [0, 1]})
    write_arrow(tmp_path / "my-moods-train-00000-of-00002.arrow", table)
    write_arrow(tmp_path / "my-moods-train-00001-of-00002.arrow", table)
    write_arrow(tmp_path / "my-moods-test.arrow", table.slice(1))
    write_arrow(tmp_path / "cache-1a2b.arrow", table)
    features = {"text": TEXT, "label": MOODS}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": features}))
    assert [row[0] for row in seen(tmp_path, dataset_split="train")] == ["one", "two"] * 2
    assert seen(tmp_path, dataset_split="test") == [("two", "neutral", "test")]


def test_other_folders_are_not_mistaken_for_one(tmp_path: Path) -> None:
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / "a.csv").write_text("text\none\n")
    assert find(str(tmp_path)).name == "files"


def test_the_fingerprint_follows_content_and_names_of_classes(tmp_path: Path) -> None:
    one, other = save_all(tmp_path / "one"), save_all(tmp_path / "other")
    known = fingerprint(one)
    assert fingerprint(other) == known
    assert fingerprint(one, dataset_split="train") != known
    info = other / "train" / "dataset_info.json"
    info.write_text(info.read_text().replace("neutral", "calm"))
    assert fingerprint(other) != known


@pytest.mark.parametrize(
    ("hurt", "message"),
    [
        ("cut", "data-00000-of-00001.arrow is cut or no stream"),
        ("edge", "data-00000-of-00001.arrow is cut or no stream"),
        ("words", "data-00000-of-00001.arrow is cut or no stream"),
        ("gone", "lacks its file data-00000-of-00001.arrow"),
        ("state", "state.json is cut or no JSON"),
        ("none", "holds no Arrow files"),
        ("text", "no column of texts"),
    ],
)
def test_what_is_cut_or_missing_is_named(tmp_path: Path, hurt: str, message: str) -> None:
    column = "words" if hurt == "text" else "text"
    table = pa.table({column: ["SECRET"] * 5})
    folder = save(tmp_path / "a", table, {column: TEXT}, "train")
    file = folder / "data-00000-of-00001.arrow"
    whole = file.read_bytes()
    if hurt == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif hurt == "edge":  # at the end of a batch, where Arrow sees nothing amiss
        file.write_bytes(whole[:-8])
    elif hurt == "words":
        file.write_bytes(b"SECRET" + whole)
    elif hurt == "gone":
        file.unlink()
    elif hurt == "state":
        (folder / "state.json").write_text('{"_data')
    elif hurt == "none":
        (folder / "state.json").write_text("{}")
    assert message in problem(folder).message


def test_a_file_that_may_not_be_read_is_named() -> None:
    with open_folder() as folder:
        good, bad = (
            save(folder / name, pa.table({"text": ["one"]}), {"text": TEXT}, "train")
            for name in ("good", "bad")
        )
        assert not told_to_others(good, bad)
        (bad / "data-00000-of-00001.arrow").chmod(0)
        assert "may not be read" in told_to_others(good, bad)


def test_checking_imports_neither_arrow_nor_datasets(tmp_path: Path) -> None:
    folder = save_all(tmp_path / "moods")
    code = (
        "import sys\n"
        "from src.data.sources import check, find\n"
        f"source = find({str(folder)!r})\n"
        f"params = source.params(source={str(folder)!r})\n"
        "check(params); source.fingerprint(params)\n"
        "print(sorted({'numpy', 'pandas', 'pyarrow', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
