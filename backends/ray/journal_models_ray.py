"""A backend of MLflow Projects: an entry point runs as a job of a Ray cluster.

What is sent is the project's code, the command and the settings below. A cluster shows the
description of a job to everybody who may look at it, so that nothing secret may be in there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
from mlflow.exceptions import ExecutionException
from mlflow.projects import utils
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from mlflow.projects.utils import fetch_and_validate_project, get_or_create_run, load_project

# What travels: code, and no journal, database or model that lies beside it.
CARRIED = ("MLproject", "pyproject.toml", "python_env.yaml", "requirements.txt", "src", "steps")
RESOURCES = (
    "entrypoint_num_cpus",
    "entrypoint_num_gpus",
    "entrypoint_memory",
    "entrypoint_resources",
    "entrypoint_label_selector",
)
OF_MLFLOW = {value for name, value in vars(utils).items() if name.startswith("PROJECT_")}
SETTINGS = ("address", "runtime_env", "secrets_file", *RESOURCES)
PASSWORD = re.compile(r"://[^/\s:@]*:(?!\d{1,5}/)[^\s]*@")
SECRET = re.compile(
    r"password|passwd|secret|token(?!izer)|credential|apikey|(?:^|_)key(?:$|_)", re.IGNORECASE
)
QUERY = re.compile(r"[?&]([^=&\s]+)=[^&\s]")
HERE = {"localhost", "127.0.0.1", "::1"}

CONNECT_SECONDS = 5.0
LOST_SECONDS = 120.0  # a head node may start anew; without an answer for this long it is lost
POLL_SECONDS, SLOWEST_POLL_SECONDS = 0.5, 5.0
STOP_SECONDS = 8  # for the step to close its run, before Ray kills it


class Refused(ExecutionException):
    """Something that the caller can put right; nothing was started.

    Attributes
    ----------
    reason, hint
        What is wrong, and what to do about it.
    """

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(f"{reason} {hint}")
        self.reason = reason
        self.hint = hint


class RayBackend(AbstractBackend):
    """Starts entry points as jobs of a Ray cluster."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any],
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> RayJob:
        """Submit an entry point; MLflow says what the parameters are.

        Raises
        ------
        Refused
            Settings that cannot be used, or a cluster that cannot be reached.
        ExecutionException
            The job failed, where MLflow leaves it to the backend to wait.
        """
        settings = read_settings(backend_config)
        address = find_address(settings)
        check_tracking(tracking_uri, address)
        client = connect(address)
        folder = fetch_and_validate_project(project_uri, version, entry_point, params)  # type: ignore[no-untyped-call]
        project = load_project(folder)  # type: ignore[no-untyped-call]
        command = project.get_entry_point(entry_point).compute_command(params, None)
        secrets_file = settings.get("secrets_file", "")
        runtime_env = read_runtime_env(settings.get("runtime_env", {}))
        told = {
            "MLFLOW_TRACKING_URI": without_password(tracking_uri),
            "MLFLOW_EXPERIMENT_ID": str(experiment_id),
            "PIPELINE_OUTPUT_IS_SHARED": "true",  # Ray keeps it: errors are not to quote entries
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS),
            **runtime_env.get("env_vars", {}),
        }
        runtime_env["env_vars"] = told
        job = {
            "entrypoint": shell_command(command, secrets_file),
            "runtime_env": runtime_env,
            **{name: settings[name] for name in RESOURCES if name in settings},
        }
        refuse_secrets(job)
        run = get_or_create_run(  # type: ignore[no-untyped-call]
            None, project_uri, experiment_id, folder, version, entry_point, params
        )
        run_id = str(run.info.run_id)
        told["MLFLOW_RUN_ID"] = run_id
        submission_id = f"{entry_point}-{run_id}"
        try:
            with tempfile.TemporaryDirectory() as packed:
                if "working_dir" not in runtime_env:
                    runtime_env["working_dir"] = str(carry(Path(folder), Path(packed)))
                client.submit_job(**job, submission_id=submission_id)
        except BaseException as error:
            with suppress(Exception):  # it may have been taken all the same
                client.stop_job(submission_id)
            status = "FAILED" if isinstance(error, Exception) else "KILLED"
            mlflow.MlflowClient().set_terminated(run_id, status)
            if not isinstance(error, Exception):
                raise
            raise Refused(
                f"Ray did not take the job ({type(error).__name__}): {first_line(error)}",
                "Look at backend_config: its resources and runtime_env are Ray's own.",
            ) from error
        tell(f"Ray job {submission_id} at {address}")
        job_run = RayJob(client, submission_id, run_id)
        if not backend_config.get(utils.PROJECT_SYNCHRONOUS, True):
            job_run.finish()  # `mlflow run` waits for no plugin: its runs would stay open
        return job_run


class RayJob(SubmittedRun):
    """A job of a Ray cluster, with the run that it records.

    Parameters
    ----------
    client
        Ray's `JobSubmissionClient`.
    """

    def __init__(self, client: Any, submission_id: str, run_id: str) -> None:
        super().__init__()
        self.client = client
        self.submission_id = submission_id
        self._run_id = run_id
        self.logs = ""

    @property
    def run_id(self) -> str:
        """Give the id of the run."""
        return self._run_id

    def wait(self) -> bool:
        """Show what the job prints until it ends; True if it succeeded.

        Raises
        ------
        ExecutionException
            It did not; says how it ended, with the last that it said.
        """
        pause, heard, waits_for = POLL_SECONDS, time.monotonic(), ""
        while True:
            try:
                info = self.client.get_job_info(self.submission_id)
                self.show()
                heard = time.monotonic()
            except (OSError, RuntimeError) as error:  # the exceptions of requests are OSErrors
                if time.monotonic() - heard > LOST_SECONDS:
                    raise ExecutionException(
                        f"Ray has not answered for {LOST_SECONDS:.0f} s; its job "
                        f"{self.submission_id} may go on, and then counts for the next run"
                    ) from error
            else:
                if info.status.is_terminal():
                    break
                if info.status == "PENDING" and info.message != waits_for:
                    waits_for = info.message
                    tell(waits_for)
            time.sleep(pause)
            pause = min(SLOWEST_POLL_SECONDS, pause * 1.1)
        if info.status == "SUCCEEDED":
            return True
        code = info.driver_exit_code
        said = last_words(self.logs if code else info.message or "")
        how = "was stopped" if info.status == "STOPPED" else "failed"
        how += f" with exit code {code}" if code else ""
        self.close("FAILED")
        raise ExecutionException(f"its Ray job {how}: {said}")

    def finish(self) -> None:
        """Wait for the end and close the run; stops the job when interrupted."""
        try:
            self.wait()
        except KeyboardInterrupt:
            self.cancel()
            self.close("KILLED")
            raise
        self.close("FINISHED")

    def close(self, status: str) -> None:
        """Close the run, where its step has not."""
        client = mlflow.MlflowClient()
        if client.get_run(self.run_id).info.status in ("RUNNING", "SCHEDULED"):
            client.set_terminated(self.run_id, status)

    def show(self) -> None:
        """Print what the job has said since this was last asked."""
        shown = len(self.logs)
        self.logs = str(self.client.get_job_logs(self.submission_id))
        sys.stderr.write(self.logs[shown:])
        sys.stderr.flush()

    def get_status(self) -> str:
        """Give the status in MLflow's words."""
        status = str(self.client.get_job_status(self.submission_id))
        return {"PENDING": "SCHEDULED", "SUCCEEDED": "FINISHED", "STOPPED": "KILLED"}.get(
            status, status
        )

    def cancel(self) -> None:
        """Stop the job and wait, not for ever, until it has ended."""
        self.client.stop_job(self.submission_id)
        end = time.monotonic() + STOP_SECONDS + CONNECT_SECONDS
        while time.monotonic() < end:
            if self.client.get_job_status(self.submission_id).is_terminal():
                return
            time.sleep(POLL_SECONDS)


def read_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Take our settings out of what MLflow hands over, which adds its own.

    Raises
    ------
    Refused
        One is unknown, or of another type.
    """
    settings = {name: value for name, value in given.items() if name not in OF_MLFLOW}
    for name in settings:
        if name not in SETTINGS:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(SETTINGS)}."
            raise Refused(f"backend_config: unknown setting {name!r}.", hint)
    secrets_file = settings.get("secrets_file", "/")
    if not isinstance(secrets_file, str) or not secrets_file.startswith("/"):
        raise Refused(
            "backend_config: secrets_file is no absolute path.",
            "Name a file that each node of the cluster has, with lines NAME=value.",
        )
    return settings


def find_address(settings: Mapping[str, Any]) -> str:
    """Give the address of the cluster's dashboard; Ray puts the environment's first.

    Raises
    ------
    Refused
        There is none, or it is no web address.
    """
    named = os.environ.get("RAY_API_SERVER_ADDRESS") or os.environ.get("RAY_ADDRESS")
    address = str(named or settings.get("address", "")).rstrip("/")
    if PASSWORD.search(address):
        raise Refused("the address of the Ray cluster holds a password.", "Use RAY_AUTH_TOKEN.")
    if urlsplit(address).scheme not in ("http", "https"):
        where = "RAY_ADDRESS" if named else "backend_config"
        raise Refused(
            f"{where} names no address of a Ray dashboard: {address!r}.",
            'Write "address": "http://<head node>:8265".',
        )
    return address


def check_tracking(tracking_uri: str, address: str) -> None:
    """Refuse a tracking store that is a file of this machine for a cluster of others.

    Raises
    ------
    Refused
        Jobs could not reach it.
    """
    is_file = tracking_uri.startswith(("sqlite:", "file:", "/", "."))
    if is_file and urlsplit(address).hostname not in HERE:
        raise Refused(
            "the tracking store is a file of this machine, which the Ray cluster cannot open.",
            "Run a tracking server and set MLFLOW_TRACKING_URI=http://<host>:<port>.",
        )


def connect(address: str) -> Any:
    """Give Ray's client of a cluster that answers.

    Raises
    ------
    Refused
        Ray is not installed, or nothing that can be used answers there.
    """
    try:
        import requests
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise Refused(
            f"Ray's client is not installed ({error.name} is missing).",
            "uv pip install 'ray[default]' -c requirements.txt",
        ) from error
    try:
        requests.get(f"{address}/api/version", timeout=CONNECT_SECONDS)  # Ray waits for ever
        return JobSubmissionClient(address)
    except Exception as error:
        raise Refused(
            f"no Ray cluster that can be used answers at {address} ({type(error).__name__}).",
            "Name the dashboard of its head node, usually port 8265, which `ray start --head` "
            "prints; a cluster with tokens wants RAY_AUTH_MODE=token and RAY_AUTH_TOKEN.",
        ) from error


def read_runtime_env(given: Any) -> dict[str, Any]:
    """Let Ray check a runtime environment and read the files that it names.

    Raises
    ------
    Refused
        It is none of Ray's, or would send more than the project's code.
    """
    from ray.runtime_env import RuntimeEnv

    try:
        found: dict[str, Any] = RuntimeEnv(**given).to_dict()
    except Exception as error:
        raise Refused(
            f"backend_config: runtime_env cannot be used: {first_line(error)}.",
            "It is an object with Ray's own names: env_vars, uv, pip, conda, image_uri.",
        ) from error
    folder = found.get("working_dir", "://")
    if "://" not in folder:
        raise Refused(
            f"backend_config: working_dir={folder} would send all that lies there.",
            "Leave it out: the project's code is sent by itself.",
        )
    return found


def refuse_secrets(job: Mapping[str, Any]) -> None:
    """Refuse a job whose description would hold a password or a token.

    Raises
    ------
    Refused
        It would. The secret is not quoted.
    """
    names = [
        name
        for name in job["runtime_env"].get("env_vars", {})
        if SECRET.search(name) and not name.endswith(("_FILE", "_PATH"))
    ]
    words = json.dumps(job).split()
    asked = [name for word in words if "://" in word for name in QUERY.findall(word)]
    if names or any(map(PASSWORD.search, words)) or any(map(SECRET.search, asked)):
        what = names[0] if names else "an address with a password or a token"
        raise Refused(
            f"{what} would be in the job's description, which the cluster shows and keeps.",
            "Leave it out: the job finds what is in the environment of the cluster's nodes, or in "
            'a file of theirs, "secrets_file": "/etc/journal/secrets.env".',
        )


def without_password(uri: str) -> str:
    """Take the password out of an address, and of a web address the user too."""
    if not PASSWORD.search(uri):
        return uri
    tell("the password in MLFLOW_TRACKING_URI stays here: the cluster's nodes need their own")
    kept = "" if uri.startswith("http") else r"\1@"
    return re.sub(r"(?<=://)([^/\s:@]*):[^\s]*@", kept, uri)


def shell_command(command: str, secrets_file: str) -> str:
    """Write what the job runs: the step, where this minor version of Python is there for it."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    check = (
        'import sys; there = "%d.%d" % sys.version_info[:2]; '
        f'sys.exit(there != "{version}" and "error: the Ray cluster has Python " + there + '
        f'" and this step was planned with {version}: put that one first in PATH there.")'
    )
    parts = [f"python -c {shlex.quote(check)}", command]
    if secrets_file:
        parts.insert(0, f"set -a && . {shlex.quote(secrets_file)} && set +a")
    return " && ".join(parts)


def carry(project: Path, folder: Path) -> Path:
    """Copy what a step runs from, so that nothing else of a project is sent."""
    for name in CARRIED:
        source = project / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def last_words(output: str) -> str:
    """Find why a process failed in what it printed: its error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    start = next((n for n, line in enumerate(lines) if line.startswith("error: ")), -1)
    return " ".join(lines[start:]).removeprefix("error: ")


def first_line(error: Exception) -> str:
    """Give the first line of what an error says."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def tell(text: str) -> None:
    """Show a line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
