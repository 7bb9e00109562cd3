"""Starts supervisors over stand-in services and looks at what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

STAND_IN = Path(__file__).with_name("stand_in_start.py")
PATIENCE = 30.0  # seconds; a loaded machine is slow, a broken promise stays broken


def processes_with(mark: str) -> list[int]:
    """Give the living processes whose command line names ``mark``."""
    command = ["ps", "-A", "-ww", "-o", "pid=,stat=,args="]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 2) for line in listing.splitlines())
    return [
        int(row[0])
        for row in rows
        if len(row) == 3 and mark in row[2] and not row[1].startswith("Z")
    ]


def until(there: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "did not become true in time"
        time.sleep(0.02)


class Started:
    """A supervisor process over stand-ins that live in one folder."""

    def __init__(self, folder: Path, phase: str, traits: tuple[str, ...]) -> None:
        self.folder = folder
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(STAND_IN), str(folder), phase, *traits],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> list[str]:
        """Give what the stand-ins have noted, in order."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def printed(self) -> str:
        """Give what the supervisor has printed."""
        return self.output.read_text()

    def wait_for(self, line: str) -> None:
        """Wait for a line in the log, or in the output."""
        until(lambda: line in self.log or line in self.printed)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.process.pid, number)

    def left(self) -> list[int]:
        """Give the processes that still live, the supervisor among them."""
        return processes_with(str(self.folder))

    def pid_of(self, name: str) -> int:
        """Give the pid of a stand-in."""
        return processes_with(f"{self.folder} {name}")[0]

    def asked(self) -> list[str]:
        """Give who was asked to end, in order."""
        return [line.removeprefix("asked ") for line in self.log if "asked" in line]


Starter = Callable[..., Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start supervisors; none of their processes outlives the test."""
    started: list[Started] = []

    def begin(phase: str, *traits: str) -> Started:
        folder = tmp_path / f"supervised-{len(started)}"
        folder.mkdir()
        started.append(Started(folder, phase, traits))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.wait()
        for pid in one.left():
            os.kill(pid, signal.SIGKILL)
