"""A runner as its users meet it: a server and a worker process, spoken to over HTTP."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

import requests

from app_runner.launch import commands
from app_runner.state import state_of
from tests.plugins.conftest import app_with
from tests.polling import wait_for
from tests.processes import Running, environment

LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


class Live:
    """A client of the runner at ``url``."""

    def __init__(self, url: str, worker: Running, server: Running) -> None:
        self.url, self.worker, self.server = url, worker, server
        self.http = requests.Session()

    def at(self, plugin: str, path: str = "") -> str:
        """Give a URL of a plugin of version 1.0.0."""
        return f"{self.url}/plugins/{plugin}@1-0-0/{path}"

    def post(self, url: str, data: Any = None, files: Any = None) -> requests.Response:
        """Send a form; files are pairs of name and bytes."""
        return self.http.post(url, data, files=files, allow_redirects=False, timeout=30)

    def submit(self, plugin: str, uploads: Any = None, **data: Any) -> str:
        """Start a task and give its URL."""
        answer = self.post(self.at(plugin, "process/"), data, uploads)
        assert answer.status_code == 303, answer.text
        return urljoin(self.url, answer.headers["Location"])

    def document(self, task_url: str) -> dict[str, Any]:
        """Give the document of a task."""
        found: dict[str, Any] = self.http.get(task_url, timeout=30).json()
        return found

    def ended(self, task_url: str) -> dict[str, Any]:
        """Wait for the end of a task and give its document."""
        try:
            wait_for(
                lambda: self.document(task_url)["status"] != "PENDING",
                what=f"the end of {task_url}",
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.worker.printed[-3000:]}") from None
        return self.document(task_url)

    def run(self, plugin: str, uploads: Any = None, **data: Any) -> dict[str, bytes]:
        """Run a task that must end well; gives its log as "log", and its files."""
        task = self.ended(self.submit(plugin, uploads, **data))
        assert task["status"] == "SUCCESS", task["log"]
        return {"log": task["log"].encode(), **self.files(task)}

    def files(self, task: dict[str, Any]) -> dict[str, bytes]:
        """Give the bytes of the result files, by name."""
        return {
            output["name"]: self.http.get(output["href"], timeout=30).content
            for output in task.get("outputs", ())
        }

    def failure(self, plugin: str, uploads: Any = None, **data: Any) -> str:
        """Give why a task failed."""
        task = self.ended(self.submit(plugin, uploads, **data))
        assert task["status"] == "FAILURE"
        assert "Traceback" not in task["log"]
        return str(task["log"])

    def refusal(self, plugin: str, **data: Any) -> list[str]:
        """Give the fields for which a submit is refused."""
        answer = self.post(self.at(plugin, "process/"), data)
        assert answer.status_code == 422, answer.text
        return sorted(answer.json()["errors"]["form"])

    def step(self, task_url: str, number: int) -> dict[str, Any]:
        """Wait until a task asks for the ``number``-th time, and give the step."""

        def asks() -> bool:
            task = self.document(task_url)
            assert task["status"] == "PENDING", task["log"]
            return len(task.get("steps", ())) > number

        wait_for(asks, what=f"step {number}")
        found: dict[str, Any] = self.document(task_url)["steps"][number]
        return found


@contextmanager
def live(folders: list[str], place: Path, **settings: Any) -> Iterator[Live]:
    """Run a server and a worker."""
    with app_with(folders, place, **settings) as app:
        assert [p.message for p in state_of(app).registry.problems] == []
        variables = environment(state_of(app).settings)
        options = commands.WorkerOptions(name=f"bundled-{os.getpid()}", concurrency=2)
        command = commands.worker(options, state_of(app).settings)
        running = [Running(command, variables, place / "worker.log")]
        try:
            command = commands.server("127.0.0.1:0", state_of(app).settings, "info")
            running.append(Running(command, variables, place / "server.log"))
            running[1].wait_until_printed("Listening at")
            address = LISTENING.search(running[1].printed)
            assert address
            running[0].wait_until_printed(" ready.")
            yield Live(address[1], *running)
        finally:
            for process in running:
                process.stop(by=signal.SIGQUIT)


def data_url(content: bytes | str, kind: str = "text/csv") -> str:
    """Give a URL that holds some content."""
    return f"data:{kind},{quote(content)}"


def rows(content: bytes) -> list[dict[str, str]]:
    """Give the rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(content.decode())))
