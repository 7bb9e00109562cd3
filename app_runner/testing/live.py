"""A broker and a worker as processes for tests; a watchdog ends them if pytest dies."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from flask import Flask

from app_runner.config import PROJECT, ROWS
from app_runner.launch import commands
from app_runner.launch.children import BARE_PYTHON, LAUNCHER, Watchdog
from app_runner.launch.embedded import prepare
from app_runner.state import state_of

PATIENCE = 60.0  # seconds; a loaded machine is slow, a broken promise stays broken
LOOK_EVERY = 0.05  # seconds
GRACE = 10.0  # seconds between asking a process to end and killing it
SHOWN = 4000  # characters of a worker's output in a failure


class Process:
    """A process that ends when the context does, or when this process dies."""

    def __init__(
        self, command: tuple[str, ...], log: Path, variables: Mapping[str, str]
    ) -> None:
        """Start it; what it prints goes to ``log``."""
        self.log = log
        self._watchdog = Watchdog()
        pipe = self._watchdog.pipe
        told = (*BARE_PYTHON, str(LAUNCHER), str(pipe), "0", str(GRACE))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*told, *command],
                cwd=PROJECT,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(pipe,),
                start_new_session=True,
            )

    def wait_until(self, there: Callable[[], object], what: str) -> None:
        """Wait for something; ``AssertionError`` with the output when it fails."""
        deadline = time.monotonic() + PATIENCE
        while not there():
            code = self._process.poll()
            if code is not None or time.monotonic() > deadline:
                why = "took too long" if code is None else f"ended with {code}"
                printed = self.printed()[-SHOWN:]
                raise AssertionError(f"{what}: the process {why}\n{printed}")
            time.sleep(LOOK_EVERY)

    def printed(self) -> str:
        """Give what it has printed so far."""
        return self.log.read_text(errors="replace")

    def end(self) -> None:
        """Ask it to end, and kill what has not ended after the grace."""
        self._watchdog.close()  # ends what it knows of
        self._process.wait()


class Broker:
    """The embedded broker in a folder; as a context it gives its URL."""

    def __init__(self, folder: Path) -> None:
        """Prepare it; raises `LaunchError` when no program is there."""
        self._broker = prepare(folder)

    def __enter__(self) -> str:
        """Start it."""
        log = self._broker.folder / "output"
        self._process = Process(self._broker.command, log, {})
        self._process.wait_until(self._broker.answers, "start of the broker")
        return self._broker.url

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.end()


@contextmanager
def worker(app: Flask) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Run a worker on the settings of ``app``; gives a function that awaits its work."""
    settings = state_of(app).settings
    variables = _variables(settings, settings.instance)
    options = commands.WorkerOptions(name=f"test-{uuid4().hex[:8]}")
    command = commands.worker(options, settings)
    running = Process(command, settings.instance / "worker.log", variables)
    try:
        running.wait_until(lambda: " ready." in running.printed(), "start of the worker")
        yield lambda is_done: running.wait_until(is_done, "end of the job")
    finally:
        running.end()


def _variables(settings: Mapping[str, Any], instance: Path) -> dict[str, str]:
    """Write the settings where the worker reads them, and give its variables."""
    given = {
        name: value
        for name, value in settings.items()
        if name not in ROWS or value != ROWS[name].default
    }
    file = instance / "test-settings.json"
    file.write_text(json.dumps(given, default=str))
    return {
        **dict.fromkeys(ROWS, ""),
        "APP_RUNNER_INSTANCE_FOLDER": str(instance),
        "APP_RUNNER_SETTINGS": str(file),
    }
