"""A tracking server for this machine: `mlflow server` over PostgreSQL, or sqlite without it.

`make server` runs it for a person and the tests start the same parts one by one. Everything
listens on the loopback address only and ends with the block that started it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

HOST = "127.0.0.1"
PATIENCE = 120  # seconds until a server that does not come up is given up
FOLDER = Path(__file__).resolve().parents[1] / ".server"


def free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether anything takes connections on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def process(
    command: Sequence[str],
    ready: Callable[[], bool],
    log: Path,
    stop: signal.Signals = signal.SIGTERM,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends, in a group of its own, so that Ctrl-C is ours to handle.

    Raises
    ------
    RuntimeError
        It ended, or did not become ready; names the log that says why.
    """
    with log.open("ab") as file:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=log.parent,
            env=env,
            start_new_session=True,
            **as_user(user),  # type: ignore[call-overload]
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: see {log}")
            time.sleep(0.1)
        yield started
    finally:
        end(started, stop)


def end(started: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    """Ask a server to stop, then make sure that nothing of its group is left."""
    if started.poll() is None:
        started.send_signal(stop)
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
    # Workers that outlive their server would keep its port.
    try:
        os.killpg(started.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def as_user(name: str | None) -> dict[str, object]:
    """Give what makes `subprocess` start a process as another user."""
    if name is None:
        return {}
    found = pwd.getpwnam(name)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def postgres_programs() -> Path | None:
    """Find the folder of PostgreSQL's programs; None where it is not installed.

    Debian keeps those of the server beside the PATH, in a folder per version.
    """
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    on_path = shutil.which("initdb")
    folders = [*reversed(debian), *([Path(on_path).resolve().parent] if on_path else [])]
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def postgres_user() -> str | None:
    """Name the user that PostgreSQL runs as, which root must not be; None for the own user."""
    if os.geteuid():
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def reachable(folder: Path, user: str | None) -> bool:
    """Tell whether a user can enter a folder that is still to be handed over."""
    test = ["test", "-x", str(folder.parent)]
    asked = subprocess.run(test, check=False, **as_user(user))  # type: ignore[call-overload]
    return bool(asked.returncode == 0)


class Postgres:
    """A PostgreSQL of one's own: its data in a folder, its port, its password."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        programs = postgres_programs()
        if programs is None:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self.programs = programs
        self.folder = folder
        self.port = port or free_port()
        self.user = postgres_user()
        secret = folder / "password"
        if not (folder / "data").exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            secret.write_text(secrets.token_hex(8))
            secret.chmod(0o600)
            if self.user:
                shutil.chown(folder, self.user)
                shutil.chown(secret, self.user)
            self._call(
                *("initdb", "-D", str(folder / "data"), "-U", "journal", "-E", "UTF8"),
                *("--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={secret}"),
            )
        self.password = secret.read_text()

    def _call(self, program: str, *words: str, **env: str) -> None:
        command = [str(self.programs / program), *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            **as_user(self.user),  # type: ignore[call-overload]
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")

    def uri(self, database: str = "postgres") -> str:
        """Give the address of a database, with its password."""
        return f"postgresql://journal:{self.password}@{HOST}:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make a database; give its address."""
        where = ("-h", HOST, "-p", str(self.port), "-U", "journal")
        self._call("createdb", *where, database, PGPASSWORD=self.password)
        return self.uri(database)

    def ready(self) -> bool:
        """Tell whether it answers."""
        asked = [str(self.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0

    @contextmanager
    def running(self, *settings: str) -> Iterator[Postgres]:
        """Run it until the block ends; every connection is cut then."""
        options = [
            f"listen_addresses={HOST}",
            f"port={self.port}",
            "unix_socket_directories=",
            *settings,
        ]
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        command += [word for option in options for word in ("-c", option)]
        log = self.folder / "log"
        with process(command, self.ready, log, signal.SIGINT, self.user):
            yield self


@contextmanager
def mlflow_server(
    folder: Path, store: str, *options: str, port: int = 0, **env: str
) -> Iterator[str]:
    """Run `mlflow server` over a store until the block ends; gives its address.

    The store's address goes through the environment: it may hold a password, and everybody can
    read command lines.
    """
    port = port or free_port()
    # What passes through on its way to S3 lies here meanwhile, and stays if the server is killed.
    temporary = folder / f"temporary-{port}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1", *options]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "TMPDIR": str(temporary),
    }
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with process(
        command, lambda: listens(port), folder / "server.log", env={**kept, **settings, **env}
    ):
        yield f"http://{HOST}:{port}"
    shutil.rmtree(temporary, ignore_errors=True)


def serve(port: int) -> None:
    """Serve until a signal, with the data in a folder of the project."""
    FOLDER.mkdir(exist_ok=True)
    if listens(port):
        sys.exit(f"error: port {port} is taken. Choose another: make server PORT=<number>")
    with ExitStack() as stack:
        if postgres_programs() and reachable(FOLDER / "postgres", postgres_user()):
            database = stack.enter_context(Postgres(FOLDER / "postgres").running())
            store, name = database.uri(), "PostgreSQL"
        else:
            store, name = f"sqlite:///{FOLDER / 'mlflow.db'}", "sqlite"
        uri = stack.enter_context(mlflow_server(FOLDER, store, port=port))
        say(f"Serving runs from {name} in {FOLDER}; Ctrl-C stops it.")
        say(f"\n    export MLFLOW_TRACKING_URI={uri}\n")
        while True:
            signal.pause()


def say(text: str) -> None:
    """Show a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(port: str = "") -> None:
    """Serve until Ctrl-C or a request to end, and leave nothing running."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(int(port or 5000))
    except KeyboardInterrupt:
        say("Stopped.")


if __name__ == "__main__":
    main(*sys.argv[1:])
