"""`source=<folder>`: a Hugging Face dataset on disk, read without the `datasets` package.

That is what `Dataset.save_to_disk` and `DatasetDict.save_to_disk` write, and the folder of Arrow
files that `load_dataset` leaves in its cache. Such a folder is known by its files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.data.sources.columns import match
from src.data.sources.formats import arrow_table
from src.data.sources.source import IngestParams, Source
from src.errors import UserError
from src.pipeline.step import nearest, param

if TYPE_CHECKING:
    import pyarrow as pa

INFO, STATE, SPLITS = "dataset_info.json", "state.json", "dataset_dict.json"
END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream of Arrow's that was written to its end


@dataclass(frozen=True)
class HuggingFaceParams(IngestParams):
    """What a Hugging Face dataset takes besides."""

    dataset_split: str = param(
        "", "Split of a Hugging Face dataset, like train; all of them if empty"
    )


@dataclass(frozen=True)
class Split:
    """One split on disk: its name, its Arrow files in order, and what its columns are."""

    name: str
    files: tuple[Path, ...]
    features: dict[str, Any]


def recognises(path: Path) -> bool:
    """Tell whether a folder holds a dataset of this kind."""
    if (path / SPLITS).is_file() or (path / STATE).is_file():
        return True
    return (path / INFO).is_file() and any(path.glob("*.arrow"))


def values(path: Path) -> dict[str, Any]:
    """Read a JSON file that describes a dataset; empty where there is none.

    Raises
    ------
    UserError
        It is cut or no JSON object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path} is cut or no JSON.", "Save the dataset again: save_to_disk")
    return found


def splits(params: HuggingFaceParams) -> list[Split]:
    """List the splits that are wanted, in the dataset's own order.

    Raises
    ------
    UserError
        The split named is not there, or files of one are missing.
    """
    path = Path(params.source)
    names = values(path / SPLITS).get("splits")
    found = [saved(path / name, name) for name in names] if names else [saved(path, "")]
    if not names and not (path / STATE).exists():
        found = cached(path)
    if not params.dataset_split:
        return found
    chosen = [split for split in found if split.name == params.dataset_split]
    if not chosen:
        raise UserError(
            f"{path} has no split {params.dataset_split!r}.",
            nearest(params.dataset_split, [split.name for split in found if split.name]),
        )
    return chosen


def saved(folder: Path, name: str) -> Split:
    """Describe a split that `save_to_disk` wrote."""
    state = values(folder / STATE)
    files = [folder / str(each["filename"]) for each in state.get("_data_files", ())]
    features = values(folder / INFO).get("features") or {}
    return Split(name or str(state.get("_split") or ""), tuple(files), features)


def cached(folder: Path) -> list[Split]:
    """Describe the splits in a folder of the cache: `<dataset>-<split>[-00000-of-00002].arrow`."""
    features = values(folder / INFO).get("features") or {}
    found = dict[str, list[Path]]()
    for file in sorted(folder.glob("*.arrow")):
        if not file.name.startswith("cache-"):
            stem = file.stem.partition("-of-")[0]
            stem = stem.rpartition("-")[0] if stem != file.stem else stem
            found.setdefault(stem.rpartition("-")[2], []).append(file)
    return [Split(name, tuple(files), features) for name, files in found.items()]


def check(params: HuggingFaceParams) -> None:
    """Check that every file is there and whole, and that there is a column of texts.

    Raises
    ------
    UserError
        The first thing that is wrong.
    """
    path = Path(params.source)
    found = splits(params)
    if not any(split.files for split in found):
        raise UserError(f"{path} holds no Arrow files.", "Save the dataset again: save_to_disk")
    for split in found:
        for file in split.files:
            try:
                with file.open("rb") as opened:
                    opened.seek(-min(len(END), file.stat().st_size), 2)
                    whole = opened.read() == END
            except FileNotFoundError:
                raise UserError(
                    f"{path} lacks its file {file.name}.",
                    "Copy the whole folder, or save it again.",
                ) from None
            except PermissionError:
                raise UserError(f"{file} may not be read.", f"chmod u+r {file}") from None
            if not whole:
                raise _cut(file)
        if split.features:
            match(split.features, params, split.name or path.name)


def _cut(file: Path) -> UserError:
    return UserError(
        f"{file.name} is cut or no stream of Arrow's.", "Copy it again, or save the dataset again."
    )


def fingerprint(params: HuggingFaceParams) -> str:
    """Digest the splits' names, what their columns are, and their files' bytes."""
    total = hashlib.sha256()
    for split in splits(params):
        total.update(f"{split.name}\0{json.dumps(split.features, sort_keys=True)}\n".encode())
        for file in split.files:
            with file.open("rb") as opened:
                total.update(hashlib.file_digest(opened, "sha256").digest())
    return total.hexdigest()


def read(params: HuggingFaceParams) -> Iterator[pa.Table]:
    """Stream the splits' rows as tables of `src.data.raw.RAW`."""
    import pyarrow as pa

    from src.data.raw import ROWS

    for split in splits(params):
        name = split.name or Path(params.source).name
        for file in split.files:
            try:
                with pa.OSFile(str(file)) as opened, pa.ipc.open_stream(opened) as stream:
                    roles = match(stream.schema.names, params, name)
                    for batch in stream:
                        for start in range(0, batch.num_rows, ROWS):
                            rows = batch.slice(start, ROWS).select(list(set(roles.values())))
                            yield arrow_table(named(rows, split.features), roles, name)
            except (pa.ArrowInvalid, OSError):
                raise _cut(file) from None


def named(batch: pa.RecordBatch, features: dict[str, Any]) -> pa.RecordBatch:
    """Put the names of classes in the place of their numbers; -1 is none."""
    import pyarrow as pa

    for place, column in enumerate(batch.schema.names):
        feature = features.get(column)
        inner: Any = feature.get("feature", feature) if isinstance(feature, dict) else feature
        inner = inner[0] if isinstance(inner, list) and inner else inner
        names = inner.get("names") if isinstance(inner, dict) else None
        if not names or inner.get("_type") != "ClassLabel":
            continue
        known: dict[Any, str] = dict(enumerate(names))
        cells = [
            [known.get(cell) for cell in cells] if isinstance(cells, list) else known.get(cells)
            for cells in batch.column(place).to_pylist()
        ]
        listed = pa.types.is_nested(batch.schema.field(place).type)
        words = pa.array(cells, pa.list_(pa.string()) if listed else pa.string())
        batch = batch.set_column(place, column, words)
    return batch


SOURCE = Source(
    name="huggingface",
    help="a Hugging Face dataset that lies on disk: its folder",
    public=False,
    check=check,
    fingerprint=fingerprint,
    read=read,
    params=HuggingFaceParams,
    recognises=recognises,
)
