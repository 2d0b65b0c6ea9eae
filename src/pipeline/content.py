"""Digests of content: what an artifact says, not how its bytes happen to be stored."""

from __future__ import annotations

import ast
import hashlib
import json
from contextlib import suppress
from pathlib import Path

from src.pipeline.code import Plain

# MLflow writes these beside a model; they hold times, ids and folders.
BESIDE_A_MODEL = {"MLmodel", "conda.yaml", "python_env.yaml", "registered_model_meta"}


def content_digest(path: Path) -> str:
    """Digest an artifact: 64 hex digits.

    Tables count by their Arrow data, JSON by its values, a model by its files without what MLflow
    notes beside them, code by its syntax, anything else by its bytes.
    """
    if path.is_dir() and any(path.rglob("*.parquet")):
        from src.data.schema import tables_digest

        return str(tables_digest(path))
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    total = hashlib.sha256()
    for file in files:
        name = file.name if file == path else file.relative_to(path).as_posix()
        if path.is_file() or (name not in BESIDE_A_MODEL and "__pycache__" not in file.parts):
            total.update(f"{name}\0{file_digest(file)}\n".encode())
    return total.hexdigest()


def file_digest(file: Path) -> str:
    """Digest one file by its kind."""
    if file.suffix == ".parquet":
        from src.data.schema import tables_digest

        return str(tables_digest(file))
    data = file.read_bytes()
    with suppress(ValueError, SyntaxError):  # a cut file counts by its bytes
        if file.suffix == ".json":
            data = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
        elif file.suffix == ".py":
            data = ast.dump(Plain().visit(ast.parse(data))).encode()
    return hashlib.sha256(data).hexdigest()
