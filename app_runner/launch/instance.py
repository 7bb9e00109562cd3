"""Who uses an instance folder: the lock of `./run start`, the record of what it runs."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from app_runner.babel import gettext as _
from app_runner.launch.ending import Leader, born, end_family, is_alive
from app_runner.launch.supervisor import LaunchError

ENDING = 45.0  # seconds that a killed runner's watchdog may need to end everything


@dataclass
class StartRecord:
    """What `./run start` tells others (``instance/start.json``)."""

    pid: int = 0
    born: str = ""
    url: str = ""  # empty until the server answers
    broker_url: str = ""
    exposure: str = ""
    processes: list[tuple[str, int, str]] = field(default_factory=list)  # name, pid, born

    @property
    def is_current(self) -> bool:
        """Tell whether the supervisor that wrote it still runs."""
        return is_alive(self.pid, self.born)


def record_path(instance: Path) -> Path:
    """Give where the record of an instance lies."""
    return instance / "start.json"


def read_record(instance: Path) -> StartRecord:
    """Read the record; an empty one when there is none or it cannot be read."""
    try:
        found = StartRecord(**json.loads(record_path(instance).read_text()))
        found.processes = [(str(n), int(p), str(b)) for n, p, b in found.processes]
    except (OSError, ValueError, TypeError):
        return StartRecord()
    return found


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def write_record(instance: Path, record: StartRecord) -> None:
    """Write the record."""
    write_private(record_path(instance), json.dumps(asdict(record)))


class InstanceLock:
    """One `./run start` per instance folder.

    A lock of the system, so it cannot go stale: it is gone when the supervisor and the
    watchdog (which inherits it, and ends last) are.
    """

    def __init__(self, instance: Path, seconds: float = ENDING) -> None:
        """``seconds``: how long to wait for a killed runner's processes to end."""
        self.instance = instance
        self._seconds = seconds

    def __enter__(self) -> Self:
        """Take the lock and end what a killed runner may have left.

        Raises `LaunchError` naming the runner that has it.
        """
        path = self.instance / "start.lock"
        self.descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            self._take()
        except LaunchError:
            os.close(self.descriptor)
            raise
        self._end_leftovers()
        self.record = StartRecord(os.getpid(), born(os.getpid()))
        write_record(self.instance, self.record)
        return self

    def __exit__(self, *_error: object) -> None:
        """Give the lock back."""
        record_path(self.instance).unlink(missing_ok=True)
        os.close(self.descriptor)

    def _take(self) -> None:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._refuse_current()
            if time.monotonic() > deadline:
                text = _("Processes of an earlier start still use %(folder)s.")
                raise LaunchError(text % {"folder": self.instance})
            time.sleep(0.1)

    def _refuse_current(self) -> None:
        record = read_record(self.instance)
        if record.is_current:
            text = _(
                "The instance folder %(folder)s is in use by a runner (pid %(pid)d). "
                "End that one, or set APP_RUNNER_INSTANCE_FOLDER to another folder.",
                folder=self.instance,
                pid=record.pid,
            )
            raise LaunchError(text)

    def _end_leftovers(self) -> None:
        """End what outlived a supervisor and its watchdog that were both killed."""
        for order, (_name, pid, when) in enumerate(read_record(self.instance).processes):
            if is_alive(pid, when):
                end_family(Leader(pid, when, order, grace=5))
