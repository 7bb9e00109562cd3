"""Runners with real workers that live as long as the tests of this folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from sqlite3 import OperationalError
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.bench.redis_space import database_url
from app_runner.launch import commands
from app_runner.state import state_of
from tests.fixtures import JOBS, PUBLISHED
from tests.plugins.conftest import app_with
from tests.polling import wait_for
from tests.processes import Running, environment
from tests.servers import delete_queues
from tests.tasks.test_unavailable import locked

FOLDERS = [str(PUBLISHED), str(JOBS)]
#: No redis-server is found here.
BARE_PATH = {"PATH": str(Path(sys.executable).parent)}


@dataclass
class Runner:
    """An app, a client of it, and its worker process."""

    app: Flask
    worker: Running
    start_worker: Callable[[], Running]

    @property
    def client(self) -> FlaskClient:
        """Give a client."""
        return self.app.test_client()

    def submit(self, path: str, *, host: str = "localhost", **data: str) -> str:
        """POST to a plugin and give the URL of the task."""
        answer = self.client.post(
            f"/plugins/{path}", data=data, headers={"Host": host}, buffered=True
        )
        assert answer.status_code == 303, answer.text
        return str(answer.location)

    def document(self, task_url: str) -> dict[str, Any]:
        """Give the document of a task."""
        answer = self.client.get(task_url, buffered=True)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def ended(self, task_url: str) -> dict[str, Any]:
        """Wait for the end of a task and give its document."""
        ready = lambda: self.document(task_url)["status"] != "PENDING"  # noqa: E731
        try:
            wait_for(ready, what=f"the end of {task_url}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.worker.printed[-3000:]}") from None
        return self.document(task_url)

    def run(self, path: str, **data: str) -> dict[str, Any]:
        """Submit and wait for the end."""
        return self.ended(self.submit(path, **data))

    def content(self, output: dict[str, Any]) -> bytes:
        """Give the bytes of an output."""
        answer = self.client.get(output["href"], buffered=True)
        assert answer.status_code == 200, answer.text
        content: bytes = answer.data
        return content


RunnerFactory = Callable[..., Runner]


def freeze(runner: Runner, *jobs: int) -> Callable[[], None]:
    """Stop the worker and processes of jobs; what is given lets them go on.

    They are stopped where they do not hold the SQLite database, which nobody else could
    write to before they go on.
    """
    pids = (runner.worker.pid, *jobs)

    def send(number: signal.Signals) -> None:
        for pid in pids:
            os.kill(pid, number)

    def stops_well() -> bool:
        send(signal.SIGSTOP)
        try:
            with locked(runner.app):
                return True
        except OperationalError:
            send(signal.SIGCONT)
            return False

    wait_for(stops_well, what="a moment at which nobody writes")
    return lambda: send(signal.SIGCONT)


@contextmanager
def running(
    place: Path, folders: list[str] = FOLDERS, pool: str = "threads", **settings: Any
) -> Iterator[Runner]:
    """Run an app and a worker of it."""
    with app_with(folders, place, **settings) as app, ExitStack() as ended:
        assert state_of(app).registry.problems == []
        broker = str(state_of(app).settings["BROKER_URL"])
        if broker.startswith("amqp"):
            ended.callback(delete_queues, broker, state_of(app).queues.names)

        def start_worker() -> Running:
            name = f"test-{os.getpid()}-{place.name}-{next(numbers)}"
            options = commands.WorkerOptions(name=name, pool=pool)
            command = commands.worker(options, state_of(app).settings)
            variables = {**environment(state_of(app).settings), **BARE_PATH}
            worker = Running(command, variables, place / f"{name}.log")
            ended.callback(worker.stop, by=signal.SIGQUIT)
            worker.wait_until_printed(" ready.")
            return worker

        numbers = count(1)
        yield Runner(app, start_worker(), start_worker)


@pytest.fixture(scope="session")
def own_broker(
    embedded_broker_url: str, _database_numbers: Iterator[int]
) -> Callable[[], str]:
    """Give empty databases of the embedded broker, one per call."""
    return lambda: database_url(embedded_broker_url, next(_database_numbers))


@pytest.fixture(scope="session")
def runner(
    tmp_path_factory: pytest.TempPathFactory, own_broker: Callable[[], str]
) -> Iterator[Runner]:
    """Give a runner as `./run start` makes it: embedded broker, SQLite, prefork."""
    place = tmp_path_factory.mktemp("runner")
    with running(place, pool="prefork", BROKER_URL=own_broker()) as found:
        yield found


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[RunnerFactory]:
    """Make runners that end with the test."""
    with ExitStack() as stack:
        number = iter(range(100))

        def make(**options: Any) -> Runner:
            place = tmp_path / f"runner-{next(number)}"
            place.mkdir()
            return stack.enter_context(running(place, **options))

        yield make
