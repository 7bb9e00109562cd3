"""The soak: load for a long time, and what it leaves in memory, descriptors and disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from .programs import descriptors, resident
from .scene import Drill, Pulse, Result, judged

#: Share of the time after which the first figures are taken.
WARM_UP = 0.15
#: Tasks that are submitted together.
BATCH = 40
#: Seconds from one batch to the next, unless it takes longer.
PACE = 5.0
#: Growth of resident memory that is fine.
GROWTH = 0.05
#: Bytes that each task may leave on the disk: its rows, its result file.
PER_TASK = 16_384


@dataclass(frozen=True)
class Figures:
    """What server and workers use."""

    memory: int
    files: int
    disk: int


def soak(drill: Drill) -> Iterator[Result]:
    """Submit batch after batch; memory and descriptors must stay where they were."""
    begin, pulse = time.monotonic(), Pulse(30)
    seconds = drill.effort.soak
    first: Figures | None = None
    tasks, at_first = [], 0
    wrong: list[str] = []
    while time.monotonic() < begin + seconds:
        due = time.monotonic() + PACE
        lengths = [drill.random.uniform(0, 0.1) for _ in range(BATCH)]
        batch = drill.clients.submit_many(lengths, chains=True)
        wrong += drill.settle(batch, 60) + drill.all_succeeded(batch)
        tasks += batch
        if first is None and time.monotonic() > begin + WARM_UP * seconds:
            first, at_first = figures(drill), len(tasks)
        now = figures(drill)
        pulse.beat(
            f"{len(tasks)} tasks, {now.memory / 1e6:.0f} MB, {now.files} descriptors"
        )
        drill.log.add("soak", memory=now.memory, files=now.files, disk=now.disk)
        time.sleep(max(0.0, due - time.monotonic()))
    last = figures(drill)
    before = first or last
    grown = last.memory / before.memory - 1
    more_files = last.files - before.files
    per_task = (last.disk - before.disk) / max(1, len(tasks) - at_first)
    wrong += [f"memory has grown by {grown:.0%}"] if grown > GROWTH else []
    wrong += [f"{more_files} descriptors more"] if more_files > 10 else []
    wrong += [f"{per_task:.0f} bytes a task stay"] if per_task > PER_TASK else []
    detail = (
        f"{len(tasks)} tasks, memory {grown:+.1%}, descriptors {more_files:+d}, "
        f"{per_task:.0f} bytes of disk a task"
    )
    yield judged(f"soak of {seconds / 60:.0f} min", wrong, detail)


def figures(drill: Drill) -> Figures:
    """Measure server and workers, and the folder of the installation."""
    installation = drill.installation
    programs = [installation.server, *installation.workers]
    pids = [pid for program in programs for pid in program.family()]
    files = (path for path in installation.folder.rglob("*") if path.is_file())
    disk = 0
    for path in files:
        try:
            disk += path.stat().st_size
        except OSError:  # deleted meanwhile
            continue
    return Figures(resident(pids), descriptors(pids), disk)
