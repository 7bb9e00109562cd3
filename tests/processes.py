"""Starts the processes that a test needs (workers, brokers) and ends each by its pid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from app_runner import setting_types, task_settings
from app_runner.config import PROJECT, SETTINGS
from tests.polling import wait_for

SEPARATORS: dict[Callable[[Any], Any], str] = {
    setting_types.paths: ":",
    setting_types.lines: "\n",
    setting_types.host_names: ",",
    task_settings.plugin_patterns: ",",
}
JSON_OBJECTS = (
    setting_types.json_pairs,
    task_settings.named_queues,
    task_settings.priorities,
    task_settings.task_limits,
    task_settings.retention_rules,
)


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Give the environment in which a process reads exactly these settings.

    An empty variable keeps a value of ``.env`` away.
    """
    found = {row.name: text_of(row, settings.get(row.name)) for row in SETTINGS}
    return {**os.environ, "FLASK_DEBUG": "", **found}


def text_of(row: setting_types.Setting, value: Any) -> str:
    """Write a value as its variable has it; empty for none and for the default."""
    if value is None or value == row.default:
        return ""
    if row.read in JSON_OBJECTS:
        return json.dumps(dict(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return SEPARATORS[row.read].join(str(part) for part in value)
    return str(value)


def run_program(
    *arguments: str, settings: Mapping[str, Any], seconds: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment to its end and give what it printed."""
    program = str(Path(sys.executable).with_name(arguments[0]))
    return subprocess.run(
        [program, *arguments[1:]],
        env={**environment(settings), **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=seconds,
        stdin=subprocess.DEVNULL,
    )


class Running:
    """A process that runs until the test ends, with its output in a file."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                env=env,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self.process.pid

    @property
    def printed(self) -> str:
        """Give what it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until_printed(self, text: str, seconds: float = 60) -> None:
        """Wait for ``text`` in the output; fails at once when the process has ended."""

        def is_there() -> bool:
            if text in self.printed:
                return True
            code = self.process.poll()
            assert code is None, f"ended with {code}:\n{self.printed}"
            return False

        wait_for(is_there, seconds, f"{text!r} in the output")

    def stop(self, seconds: float = 20, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, in the end with SIGKILL; give the exit code."""
        self.process.send_signal(by)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it with SIGKILL and give the exit code."""
        self.process.kill()
        return self.process.wait()
