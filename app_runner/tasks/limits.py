"""What a job may take: time (seconds) and memory (bytes); the words when it took more."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from app_runner.babel import gettext as _
from app_runner.config import Settings
from app_runner.state import current_runner

UNITS = ("B", "KB", "MB", "GB", "TB")
SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?B)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """The limits of a job; None takes the setting, 0 is no limit.

    At ``soft_time`` the job is told (`SoftTimeLimitExceeded`), at ``time`` it is ended.
    """

    time: float | None = None
    soft_time: float | None = None
    memory: int | None = None

    def completed(self, settings: Settings) -> Limits:
        """Give the limits with those of the settings where there are none."""
        return Limits(
            settings["TASK_TIME_LIMIT"] if self.time is None else self.time,
            (
                settings["TASK_SOFT_TIME_LIMIT"]
                if self.soft_time is None
                else self.soft_time
            ),
            settings["TASK_MEMORY_LIMIT"] if self.memory is None else self.memory,
        )


UNLIMITED = Limits(0, 0, 0)


def limits_of(job_name: str) -> Limits:
    """Give the limits of a job: its own, else those of the settings."""
    declared = getattr(current_runner.celery.tasks.get(job_name), "limits", None)
    return (declared or Limits()).completed(current_runner.settings)


def as_bytes(size: int | str | None) -> int | None:
    """Read a size like ``"2 GB"`` (1 GB is 10^9 bytes); raises ``ValueError``."""
    if size is None or isinstance(size, int):
        return size
    if (match := SIZE.fullmatch(size)) is None:
        raise ValueError(f"{size!r} is not a size like 500 MB or 2 GB")
    return int(float(match[1]) * 1000 ** UNITS.index(match[2].upper()))


def out_of_time(seconds: float) -> str:
    """Say that a task took longer than it may."""
    return _("The task was stopped after %(seconds)g s, the time limit.", seconds=seconds)


def out_of_memory(used: int, allowed: int) -> str:
    """Say that a task took more memory than it may."""
    return _(
        "The task was stopped at %(used)s of %(allowed)s allowed (memory).",
        used=_size(used, "{:.1f}"),
        allowed=_size(allowed, "{:.3g}"),
    )


def _size(size: float, number: str) -> str:
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            break
        size /= 1000
    return f"{number.format(size)} {unit}"


def resident(leaders: Iterable[int]) -> dict[int, int]:
    """Give the resident bytes of processes together with all their descendants.

    Pages that processes share are counted once for each of them.
    """
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    alive: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["ppid"]):
        children[process.info["ppid"]].append(process)
        alive[process.pid] = process
    return {
        pid: sum(map(_rss, _family(alive[pid], children)))
        for pid in leaders
        if pid in alive
    }


def _family(
    process: psutil.Process, children: dict[int, list[psutil.Process]]
) -> Iterable[psutil.Process]:
    yield process
    for child in children[process.pid]:
        yield from _family(child, children)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended meanwhile
        return 0
