"""Where a pretrained encoder lies: a folder, Hugging Face's cache, a logged model, a package.

Nothing here imports torch: what was typed is checked, and counts for reuse, before anything heavy.
Only weights in safetensors are taken, which cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import UserError
from src.pipeline.caller import caller_folder
from src.training import minilm

LOGGED = "models:/"
PACKAGED = "minilm"  # the one backbone that a package index carries, pinned by its hash
FIXED = re.compile(r"models:/(m-\w+|[^/@]+/\d+)")  # stages and aliases move
HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
COUNTED = {".json", ".txt", ".model", ".safetensors"}  # files of a backbone, by their ending
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt")
# Their first position is the one after that of padding (create_position_ids_from_input_ids).
SHIFTED = {"camembert", "data2vec-text", "mpnet", "roberta", "xlm-roberta"}


@dataclass(frozen=True)
class Backbone:
    """Folders of a backbone's weights with their config, and of its tokenizer."""

    model: Path
    tokenizer: Path

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` says."""
        config: dict[str, Any] = json.loads((self.model / "config.json").read_bytes())
        return config

    @property
    def positions(self) -> int:
        """The most tokens it reads at once; a million where it does not say."""
        config = self.config
        most = int(config.get("max_position_embeddings") or 10**6)
        if config.get("model_type") in SHIFTED:
            most -= int(config.get("pad_token_id") or 0) + 1
        return most

    def digest(self) -> str:
        """Digest the files that count, whatever the folder: 64 hex digits."""
        total = hashlib.sha256()
        for folder in (self.model, self.tokenizer):
            for path in sorted(folder.iterdir()):
                if path.suffix in COUNTED and path.is_file():
                    with path.open("rb") as file:
                        content = hashlib.file_digest(file, "sha256").hexdigest()
                    total.update(f"{path.name}\0{content}\n".encode())
        return total.hexdigest()


def check(name: str, download: bool, max_tokens: int) -> None:
    """Check that a backbone is where it is said to be, whole, and reads so many tokens.

    Of a logged model only the name is checked: it lies in the store.

    Raises
    ------
    UserError
        It is not there, incomplete, may change under its name, or reads fewer tokens.
    """
    if name.startswith(LOGGED):
        if not FIXED.fullmatch(name):
            raise UserError(
                f"backbone={name} names no fixed version: what it stands for can change.",
                f"Name the version: -P backbone={LOGGED}<name>/<number>",
            )
        return
    if name == PACKAGED:
        minilm.WEIGHTS.check()
        check_length(max_tokens, minilm.POSITIONS)
    elif found := _here(name):
        check_whole(found, max_tokens)
    elif not (download and HUB_NAME.fullmatch(name)):
        raise UserError(
            f"the backbone {name!r} is neither a folder ({_folder(name)}) nor in the local "
            f"Hugging Face cache ({hub_cache()}).",
            "Name a folder: -P backbone=/path/to/folder, or a logged model: "
            f"-P backbone={LOGGED}<name>/<version>, or let it be fetched: -P download=true, "
            f"or take the small one that comes as a package: -P backbone={PACKAGED}",
        )


def check_whole(backbone: Backbone, max_tokens: int) -> None:
    """Check that a backbone's folders hold what is needed.

    Raises
    ------
    UserError
        Files are missing, or it reads fewer tokens.
    """
    missing = [] if (backbone.model / "config.json").is_file() else ["config.json"]
    if not any(backbone.model.glob("*.safetensors")):
        missing.append("*.safetensors")
    if not any((backbone.tokenizer / name).is_file() for name in TOKENIZERS):
        missing.append(f"a tokenizer ({' or '.join(TOKENIZERS)})")
    if missing:
        raise UserError(
            f"the backbone in {backbone.model} lacks {', '.join(missing)}.",
            "Write it with save_pretrained of the model and of its tokenizer.",
        )
    try:
        most = backbone.positions
    except (ValueError, TypeError, AttributeError):
        raise UserError(
            f"{backbone.model / 'config.json'} is no configuration of a model.",
            "Write it with the model's save_pretrained.",
        ) from None
    check_length(max_tokens, most)


def check_length(max_tokens: int, most: int) -> None:
    """Check that a backbone reads so many tokens.

    Raises
    ------
    UserError
        It reads fewer.
    """
    if max_tokens > most:
        raise UserError(
            f"max_tokens={max_tokens} is more than the {most} that the backbone reads at once.",
            f"Longer entries are read in parts: -P max_tokens={most}",
        )


def fingerprint(name: str, download: bool) -> str:
    """Say in a word what content a checked name stands for, wherever it lies.

    A folder's is its digest, a hub name's the commit, a logged model's its fixed name. A name that
    is to be fetched is looked up on the hub.

    Raises
    ------
    UserError
        The hub cannot be asked.
    """
    if name.startswith(LOGGED):
        return name
    if name == PACKAGED:
        return minilm.WEIGHTS.sha256
    if _folder(name).is_dir():
        return Backbone(_folder(name), _folder(name)).digest()
    if snapshot := _cached(name):
        return f"{name}@{snapshot.name}"
    if not download:
        return f"{name}@none"
    from huggingface_hub import HfApi

    try:
        return f"{name}@{HfApi().model_info(name).sha}"
    except Exception as error:  # of whatever lies between here and the hub
        raise _unreachable(name, error) from None


@contextmanager
def opened(name: str, download: bool, max_tokens: int) -> Iterator[Backbone]:
    """Bring a backbone here and check it; what came from a store is removed afterwards.

    Raises
    ------
    UserError
        As `check`, or it cannot be fetched.
    """
    check(name, download, max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        if name == PACKAGED:
            found = _packaged(Path(folder))
        elif name.startswith(LOGGED):
            found = _logged(name, folder)
        else:
            found = _here(name) or _fetched(name)
        check_whole(found, max_tokens)
        yield found


def hub_cache() -> Path:
    """Say where Hugging Face's libraries keep what they fetched."""
    if folder := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/huggingface"
    return Path(os.environ.get("HF_HOME", base)).expanduser() / "hub"


def _folder(name: str) -> Path:
    return caller_folder() / Path(name).expanduser()


def _here(name: str) -> Backbone | None:
    folder = _folder(name) if _folder(name).is_dir() else _cached(name)
    return Backbone(folder, folder) if folder else None


def _cached(name: str) -> Path | None:
    """Find the snapshot that a hub name's main branch had when it was last fetched."""
    if not HUB_NAME.fullmatch(name):
        return None
    kept = hub_cache() / f"models--{name.replace('/', '--')}"
    try:
        snapshot = kept / "snapshots" / (kept / "refs" / "main").read_text().strip()
    except OSError:
        return None
    return snapshot if snapshot.is_dir() else None


def _fetched(name: str) -> Backbone:
    from huggingface_hub import snapshot_download

    try:
        path = Path(snapshot_download(name, allow_patterns=[f"*{ending}" for ending in COUNTED]))
    except Exception as error:  # of whatever lies between here and the hub
        raise _unreachable(name, error) from None
    return Backbone(path, path)


def _unreachable(name: str, error: Exception) -> UserError:
    return UserError(
        f"the backbone {name!r} cannot be fetched from the hub ({type(error).__name__}).",
        "Check the name and the connection, or name a folder: -P backbone=/path/to/folder",
    )


def _packaged(folder: Path) -> Backbone:
    minilm.unpack_weights(folder)
    return Backbone(folder, folder)


def _logged(uri: str, into: str) -> Backbone:
    """Download a model that was logged with the flavour of transformers."""
    path = downloaded("backbone", uri, into)
    return Backbone(path / "model", path / "components" / "tokenizer")


def downloaded(what: str, uri: str, into: str) -> Path:
    """Download a logged model into a folder.

    Raises
    ------
    UserError
        It cannot be read; says what it was wanted for.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=into))
    except (MlflowException, OSError) as error:
        raise UserError(
            f"the {what} {uri} cannot be read from the store ({type(error).__name__}).",
            "Check its name and version in the tracking UI.",
        ) from None
