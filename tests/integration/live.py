"""A server process of a runner, and clients that read event streams from it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests
from flask import Flask

from app_runner.launch import commands
from app_runner.state import state_of
from tests.integration.conftest import BARE_PATH
from tests.polling import wait_for
from tests.processes import Running, environment

PATIENCE = 60.0


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    id: str
    data: Any


class Server:
    """Gunicorn on a port of its own; can be ended and started again there."""

    def __init__(self, app: Flask, place: Path) -> None:
        self._app, self._place = app, place
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self._starts = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = state_of(self._app).settings
        command = commands.server(f"127.0.0.1:{self.port}", settings)
        self._starts += 1
        log = self._place / f"server-{self._starts}.log"
        variables = {**environment(settings), **BARE_PATH}
        self.process = Running(command, variables, log)
        wait_for(self._answers, 60, f"the server's answer ({log})")

    def kill(self) -> None:
        """End it and what it has forked with SIGKILL."""
        forked = psutil.Process(self.process.pid).children()
        self.process.kill()
        for process in forked:
            process.kill()
        wait_for(lambda: not self._answers(), 60, "the end of the server's processes")

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.root}/health/live", timeout=5).ok
        except requests.RequestException:
            return False

    def submit(self, path: str, **data: str) -> str:
        """POST to a plugin and give the URL of the task."""
        url = f"{self.root}/plugins/{path}"
        answer = requests.post(url, data=data, timeout=PATIENCE, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return self.root + answer.headers["Location"]


@contextmanager
def serving(app: Flask, place: Path) -> Iterator[Server]:
    """Run a server of ``app``."""
    server = Server(app, place)
    try:
        yield server
    finally:
        server.process.stop()


@contextmanager
def stream(task_url: str, last_id: str = "") -> Iterator[Iterator[Event]]:
    """Open the events of a task; they can be read one by one."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = f"{task_url}events"
    with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield _events(answer)


def _events(answer: requests.Response) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
        if line:
            name, _colon, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(fields["event"], fields["id"], json.loads(fields["data"]))
            fields = {}
