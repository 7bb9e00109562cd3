"""The sides of the bench, runner and floor: server and worker of the same make."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from .http_load import BadAnswer, get
from .processes import (
    StartFailed,
    children,
    cpu_seconds,
    free_port,
    resident_bytes,
    running,
    wait_until,
)

PROJECT = Path(__file__).parents[2]

# What both servers and both workers are started with.
GUNICORN = (
    *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
    "--no-control-socket",
)
WORKER = (
    *("worker", "--pool", "prefork", "--concurrency", "2"),
    *("--without-gossip", "--without-mingle"),
)


@dataclass(frozen=True)
class Side:
    """A running side: where it answers, and its processes."""

    name: str
    base: str
    # The server's process, and when there is one the worker's.
    pids: tuple[int, ...]
    # From the start of the process to the first answer, in seconds.
    start_seconds: float

    def url(self, path: str) -> str:
        """Give the absolute URL of a path (or of a URL that is absolute already)."""
        return urljoin(self.base, path)

    def worker_memory(self) -> int:
        """Give the resident memory of one server worker in bytes."""
        return max(map(resident_bytes, children(self.pids[0])), default=0)

    def cpu_seconds(self) -> float:
        """Give the CPU time that all processes of the side have used so far."""
        return sum(map(cpu_seconds, self.pids))


def _answers(url: str) -> bool:
    try:
        return get(url).status < 500
    except (OSError, BadAnswer):
        return False


@contextmanager
def serving(
    name: str,
    target: str,
    path: str,
    folder: Path,
    environment: Mapping[str, str],
    options: Sequence[str] = GUNICORN,
) -> Iterator[Side]:
    """Run gunicorn for a WSGI target in `folder`; ready when `path` is answered."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}"]
    log = folder / "server.log"
    with running([*command, target], folder, log, environment) as process:
        seconds = wait_until(lambda: _answers(base + path), process, log)
        yield Side(name, base, (process.pid,), seconds)


@contextmanager
def working(target: str, folder: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """Run a Celery worker for an application in `folder`; give its process id at once."""
    command = [sys.executable, "-m", "celery", "-A", target, *WORKER]
    log = folder / "worker.log"
    with running(command, folder, log, environment) as process:
        yield process.pid


def floor_environment(
    folder: Path, broker: str, sizes: Mapping[str, int]
) -> dict[str, str]:
    """Copy the floor's module into `folder`; give the environment of its processes."""
    folder.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("floor.py"), folder / "floor.py")
    return {
        "BROKER_URL": broker,
        "FLOOR_SIZES": json.dumps(dict(sizes)),
        "PYTHONPATH": str(folder),
    }


def runner_environment(folder: Path, broker: str, plugins: Path) -> dict[str, str]:
    """Make a folder with a database; give the environment of the runner's processes."""
    folder.mkdir(parents=True)
    environment = {
        "APP_RUNNER_INSTANCE_FOLDER": str(folder / "instance"),
        "BROKER_URL": broker,
        "RESULT_BACKEND": broker,
        # The level that Celery gives the floor's worker.
        "DEFAULT_LOG_LEVEL": "WARNING",
        "EXPOSURE": "local",
        "PLUGIN_FOLDERS": str(plugins),
        "PYTHONPATH": str(PROJECT),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'bench.db'}",
    }
    create_database(folder, environment)
    return environment


def create_database(folder: Path, environment: Mapping[str, str]) -> None:
    """Make the runner's tables; raises StartFailed with what the command said."""
    command = [sys.executable, "-m", "flask", "--app", "app_runner", "create-db"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise StartFailed(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
