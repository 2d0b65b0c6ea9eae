"""Models load anywhere: in fresh environments with the declared requirements and nothing else.

Every family's model is in a real registry behind a real `mlflow server` on loopback. It is loaded
there by version, stage, `latest` and alias, and by path from a read-only copy, in a process that
has imported its own `src`, `models` and `steps`, in an empty folder, without any network but
loopback, on each Python found and on the newest MLflow, an old one and the oldest allowed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from packaging.requirements import Requirement

from src.promotion import quiet
from src.training.family import families
from src.training.packaging import log_model
from tests.fakes import environment, tracking
from tests.models.conftest import model_class
from tests.models.corpus import NOTHING_KNOWN, TEXTS

pytestmark = [pytest.mark.slow, pytest.mark.integration]

ASKED = TEXTS[:6] + [text for text in NOTHING_KNOWN.values() if isinstance(text, str)]
FOREIGN = Path(__file__).with_name("foreign.py")
# The newest release and the oldest that the requirements allow, and one between.
WANTED = [("3.11", "3.17.2"), ("3.12", "3.10.1"), ("3.13", "3.3.1"), ("3.13", "3.17.2")]
BESIDE = "fastapi"  # installs in the same environment as a service does
PLAIN = {".py", ".json", ".npz", ".onnx"}  # an ONNX graph names operators and holds arrays
MOST_REQUIREMENTS = 5  # three, and two more of models with an encoder


@dataclass
class Shelf:
    """A registry with every family's model, and read-only copies of the model folders."""

    uri: str
    versions: dict[str, str]
    copies: dict[str, Path]
    requirements: list[str]
    expected: dict[str, Any]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and the workers it started: they are one process group."""
    os.killpg(process.pid, 15)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait(30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A tracking server that serves artifacts itself, and the folder it keeps them in."""
    folder = tmp_path_factory.mktemp("server")
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1", "--serve-artifacts"),
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        env=environment(folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        start_new_session=True,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(f"{url}/health", process)
        yield url, folder
    finally:
        stop(process)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shelf(
    server: tuple[str, Path], folder_of: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    url, _ = server
    copies = tmp_path_factory.mktemp("copies")
    shelf = Shelf(url, {}, {}, [], {})
    try:
        with tracking(url):
            client = mlflow.MlflowClient(url)
            for key, family in families().items():
                try:
                    folder = folder_of(family)
                except pytest.skip.Exception:
                    continue
                with mlflow.start_run():
                    uri = log_model(family.task, folder, {"task": family.task.name})
                name = family.task.registered_name
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    version = mlflow.register_model(uri, name)
                shelf.versions[key] = f"models:/{name}/{version.version}"
                copy = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(copies / key)))
                shelf.copies[key] = copy
                model = model_class(family).from_folder(folder)
                shelf.expected[key] = model.predict(None, pd.DataFrame({"text": ASKED}))
                lines = (copy / "requirements.txt").read_text().split("\n")
                shelf.requirements += [r for r in lines if r and r not in shelf.requirements]
                with quiet():
                    client.transition_model_version_stage(
                        name, version.version, "Production", archive_existing_versions=True
                    )
                client.set_registered_model_alias(name, "champion", version.version)
        yield shelf
    finally:
        shutil.rmtree(copies, ignore_errors=True)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("environments")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def python_of(version: str) -> str:
    """Find an interpreter of a minor version."""
    uv = uv_path()
    found = subprocess.run(
        [uv, "python", "find", "--no-project", "--no-config", version],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": ""},
    )
    known = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if known:
        return str(known[-1])
    if found.returncode:
        pytest.skip(f"there is no Python {version} here")
    return found.stdout.strip()


def uv_path() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    known = [Path(__file__).parents[2] / ".uv/bin/uv"]
    found = found or next((str(path) for path in known if path.exists()), None)
    if not found:
        pytest.skip("uv is not installed")
    return found


@pytest.fixture(
    scope="session", params=WANTED, ids=lambda wanted: "python{}-mlflow{}".format(*wanted)
)
def foreign(
    request: pytest.FixtureRequest, environments: Path, shelf: Shelf
) -> tuple[Path, str, str]:
    """A fresh environment with the models' declared requirements, at one MLflow release."""
    python, release = request.param
    path = environments / f"{python}-{release}"
    uv, quietly = uv_path(), {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run(
        [uv, "venv", "-q", "--no-project", "--python", python_of(python), str(path)],
        check=True,
        env=quietly,
    )
    requirements = path / "declared.txt"
    requirements.write_text("\n".join(shelf.requirements))
    subprocess.run(
        [
            *(uv, "pip", "install", "-q", "--python", str(path / "bin/python")),
            *("-r", str(requirements), f"mlflow=={release}"),
        ],
        check=True,
        env=quietly,
    )
    return path / "bin/python", python, release


def offline() -> list[str]:
    """Words that start a process without any network but loopback, where the system can."""
    words = ["unshare", "--net", "sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "-"]
    can = shutil.which("unshare") and not os.getuid()
    if not can or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        return []
    return words


def service(folder: Path) -> Path:
    """A service's code, with packages of the same names as this project's."""
    for package in ("src", "models", "steps"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text('WHOSE = "the service\'s"\n')
    return folder


def ask(python: Path, tmp_path: Path, *uris: str, alone: bool = False, tracking: str = "") -> Any:
    """Load models in a service's process and let them answer."""
    empty = tmp_path / "empty"
    empty.mkdir()
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [
            *(offline() if alone else []),
            str(python),
            str(FOREIGN),
            str(service(tmp_path / "s")),
            *uris,
        ],
        input=json.dumps(ASKED),
        capture_output=True,
        text=True,
        cwd=empty,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            # Whatever asks for another host than loopback is sent nowhere.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MLFLOW_TRACKING_URI": tracking,
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not any(text in done.stderr for text in TEXTS)
    return json.loads(done.stdout)


def test_from_the_registry_through_a_server(
    foreign: tuple[Path, str, str], shelf: Shelf, tmp_path: Path
) -> None:
    """Two versions of one model and both models in one process, by every name there is."""
    python, minor, release = foreign
    newest = {uri.rpartition("/")[0]: key for key, uri in shelf.versions.items()}
    by_name = {
        f"{name}{end}": key
        for name, key in newest.items()
        for end in ("/latest", "/Production", "@champion")
    }
    asked = {uri: key for key, uri in shelf.versions.items()} | by_name
    seen = ask(python, tmp_path, *asked, tracking=shelf.uri)
    assert (seen["python"], seen["mlflow"]) == (minor, release)
    assert seen["packages"] == []
    for uri, key in asked.items():
        assert seen["answers"][uri] == shelf.expected[key], uri
    assert len(asked) > len({uri.rpartition("/")[0] for uri in shelf.versions.values()}) * 4


def test_from_a_read_only_copy_without_a_network(
    foreign: tuple[Path, str, str], shelf: Shelf, tmp_path: Path
) -> None:
    python, _, _ = foreign
    copies = {str(path): key for key, path in shelf.copies.items()}
    before = {path: state(Path(path)) for path in copies}
    for path in copies:
        read_only(Path(path))
    try:
        seen = ask(python, tmp_path, *copies, alone=True)
    finally:
        for path in copies:
            read_only(Path(path), writable=True)
    assert seen["answers"] == {path: shelf.expected[key] for path, key in copies.items()}
    assert {path: state(Path(path)) for path in copies} == before
    # Some MLflow releases make a store of their own where they are started; models leave nothing.
    assert set(seen["files"]) <= {"mlflow.db", "mlruns"}
    if offline():
        assert not seen["online"]


def state(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def read_only(folder: Path, writable: bool = False) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o755 if path.is_dir() else 0o644) if writable else 0o555 & path.stat().st_mode)


def test_requirements_are_few_and_install_beside_a_service(
    foreign: tuple[Path, str, str], shelf: Shelf
) -> None:
    python, _, _ = foreign
    names = {Requirement(line).name for line in shelf.requirements}
    assert len(names) <= MOST_REQUIREMENTS
    assert not names & {"torch", "transformers", "scikit-learn", "skops", "joblib"}
    assert all("<" in line and ">=" in line for line in shelf.requirements)
    planned = subprocess.run(
        [
            *(uv_path(), "pip", "install", "-q", "--dry-run", "--python", str(python)),
            *(BESIDE, *shelf.requirements),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert planned.returncode == 0, planned.stderr


def test_every_file_of_every_logged_model_is_plain(shelf: Shelf) -> None:
    """No pickle, joblib or skops: code that is ours, settings as JSON, arrays without objects."""
    import numpy as np

    beside = {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "registered_model_meta",
    }
    for copy in shelf.copies.values():
        for path in (p for p in copy.rglob("*") if p.is_file()):
            content = path.read_bytes()
            assert path.name in beside or path.suffix in PLAIN
            assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as arrays:
                    assert all(arrays[name].dtype != object for name in arrays)
            if path.suffix == ".py":
                assert not any(
                    word in content
                    for word in (
                        b"pickle.load",
                        b"joblib",
                        b"skops",
                        b"eval(",
                        b"exec(",
                        b"allow_pickle=True",
                    )
                )


def test_a_tampered_artifact_is_refused_through_mlflow(shelf: Shelf, tmp_path: Path) -> None:
    for key, copy in shelf.copies.items():
        broken = tmp_path / key
        shutil.copytree(copy, broken)
        (weights,) = broken.rglob("weights.npz")
        content = bytearray(weights.read_bytes())
        content[len(content) // 2] ^= 1
        weights.write_bytes(content)
        with pytest.raises(Exception, match="is not what training wrote"):
            mlflow.pyfunc.load_model(str(broken))
