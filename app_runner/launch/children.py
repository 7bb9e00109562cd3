"""One service of a runner as a description, and as a child process with its output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from app_runner.launch.ending import Leader, born

LAUNCHER = Path(__file__).with_name("launcher.py")
WATCHDOG = Path(__file__).with_name("ending.py")
#: Starts a script in about 15 ms: no site packages, deaf to PYTHON* variables.
BARE_PYTHON = (sys.executable, "-I", "-S")


@dataclass(frozen=True)
class Service:
    """What to run, and how it is ended."""

    name: str
    command: tuple[str, ...]
    about: str  # one line for a person
    order: int  # services with lower numbers end first
    grace: float = 5.0  # seconds between SIGTERM and SIGKILL
    environment: Mapping[str, str] = field(default_factory=dict)  # added to ours
    files: tuple[int, ...] = ()  # descriptors that the child inherits
    hurries: bool = True  # a second Ctrl-C may end its grace


class Child:
    """A service that was started: a session of its own, output in a pipe."""

    def __init__(self, service: Service, watchdog_pipe: int) -> None:
        self.service = service
        self._process = subprocess.Popen(
            [
                *BARE_PYTHON,
                str(LAUNCHER),
                *(str(watchdog_pipe), str(service.order), str(service.grace)),
                *service.command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **service.environment},
            pass_fds=(watchdog_pipe, *service.files),
            start_new_session=True,  # the terminal's Ctrl-C must not reach it
        )
        pid = self._process.pid
        self.leader = Leader(pid, born(pid), service.order, service.grace)

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self.leader.pid

    @property
    def output(self) -> IO[bytes]:
        """Give the pipe with all that the child prints."""
        return cast("IO[bytes]", self._process.stdout)

    def has_ended(self) -> bool:
        """Tell whether the process has ended."""
        return self._process.poll() is not None

    def exit_code(self) -> int:
        """Take the exit code of an ended process; negative is a signal's number."""
        return self._process.wait()


class Watchdog:
    """The process that ends the children when the supervisor cannot any more."""

    def __init__(self, keep: tuple[int, ...] = ()) -> None:
        """Start it; it holds the descriptors ``keep`` (a lock) until all has ended."""
        self._keep = keep
        self._start()

    def _start(self) -> None:
        reading, self.pipe = os.pipe()
        self._process = subprocess.Popen(
            [*BARE_PYTHON, str(WATCHDOG), str(reading)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(reading, *self._keep),
            cwd="/",
            start_new_session=True,
        )
        os.close(reading)

    @property
    def pid(self) -> int:
        """Give the process id."""
        return self._process.pid

    def forget(self, pid: int) -> None:
        """Tell that this child has ended."""
        self._tell(f"- {pid}\n")

    def revive(self, leaders: list[Leader]) -> bool:
        """Start it again if it was killed (gives whether), telling it of all."""
        if self._process.poll() is None:
            return False
        os.close(self.pipe)
        self._start()
        for leader in leaders:
            self._tell(f"+ {leader.order} {leader.grace} {leader.pid}\n")
        return True

    def close(self) -> None:
        """Let it go: it ends what it still knows of, then itself."""
        os.close(self.pipe)
        self._process.wait()

    def _tell(self, line: str) -> None:
        try:
            os.write(self.pipe, line.encode())
        except BrokenPipeError:
            return  # `revive` notices


class Patience:
    """How often a service may die, and how long until it is started again."""

    def __init__(
        self,
        delays: tuple[float, ...] = (0.5, 1, 2, 4),
        window: float = 60.0,
    ) -> None:
        """``delays``: seconds before each restart within ``window`` seconds."""
        self._delays = delays
        self._window = window
        self._deaths: deque[float] = deque()

    def delay(self, now: float) -> float | None:
        """Note a death; give the seconds to wait, or None when it were too many."""
        self._deaths.append(now)
        while self._deaths[0] < now - self._window:
            self._deaths.popleft()
        before = len(self._deaths) - 1
        return self._delays[before] if before < len(self._delays) else None
