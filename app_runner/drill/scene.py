"""What all drills use: installation, clients, chance, and how an end is waited for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from .checker import changed_ends, states, unfinished, violations
from .clients import Accepted, Clients
from .installation import Installation
from .programs import NotInTime, wait_until

#: Seconds in which a task whose process died must be taken up again.
ORPHAN = 30.0
#: Sentences of one result that are shown; the log has all of them.
SHOWN = 3


@dataclass(frozen=True)
class Result:
    """One line of the summary; ``holds`` is None for what cannot be tried here."""

    name: str
    holds: bool | None
    detail: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Effort:
    """How long and how often everything is tried; seconds, or how many."""

    kill_for: float
    kill_every: float
    kill_tasks: int
    seeds: int
    broker_away: tuple[float, ...]
    broker_frozen: float
    flushed: int
    cancelled: int
    receiver_down: float
    term_task: float
    term_grace: float
    visibility: tuple[float, float, int]  # timeout, seconds of a task, how many
    soak: float = 0.0


SHORT = Effort(
    kill_for=9,
    kill_every=3,
    kill_tasks=40,
    seeds=1,
    broker_away=(3,),
    broker_frozen=3,
    flushed=30,
    cancelled=20,
    receiver_down=1,
    term_task=3,
    term_grace=1,
    visibility=(2, 5, 2),
)
FULL = Effort(
    kill_for=180,
    kill_every=5,
    kill_tasks=1000,
    seeds=3,
    broker_away=(5, 60),
    broker_frozen=30,
    flushed=200,
    cancelled=200,
    receiver_down=60,
    term_task=60,
    term_grace=10,
    visibility=(10, 35, 20),
)


class Drill:
    """One run: where, with which chance, how much."""

    def __init__(self, installation: Installation, effort: Effort, seed: int) -> None:
        """Take a running installation."""
        self.installation, self.effort, self.seed = installation, effort, seed
        self.log = installation.log
        self.clients = Clients(installation.url, self.log)
        self.random = Random(seed)  # noqa: S311 - chance that can be had again
        self.accepted: dict[int, Accepted] = {}

    def settle(self, tasks: Sequence[Accepted], seconds: float) -> list[str]:
        """Wait for the ends of tasks; give what is wrong with them."""
        self.accepted |= {task.id: task for task in tasks}
        engine, pulse = self.installation.engine, Pulse()
        ids = {task.id for task in tasks}

        def ended() -> bool:
            left = unfinished(engine) & ids
            pulse.beat(f"{len(left)} of {len(ids)} tasks have not ended")
            return not left

        try:
            wait_until(ended, seconds, "the end of all tasks", every=0.2)
        except NotInTime as error:
            self.log.add("not in time", why=str(error))
        wrong = violations(engine, list(tasks))
        for task in tasks[:20]:
            self.clients.document(task)
        wrong += changed_ends(self.log.read("seen"))
        for sentence in wrong:
            self.log.add("violation", what=sentence)
        return wrong

    def all_succeeded(self, tasks: Sequence[Accepted]) -> list[str]:
        """Give the tasks that ended in another way than SUCCESS."""
        found = states(self.installation.engine, tasks).values()
        return [
            f"task {one.id} is {one.state}: {one.log[-200:]}"
            for one in found
            if one.finished_at is not None and one.state != "succeeded"
        ]


def judged(name: str, wrong: Sequence[str], detail: str) -> Result:
    """Make a result of the sentences that say what is wrong."""
    if not wrong:
        return Result(name, True, detail)
    more = f" … and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return Result(name, False, "; ".join(wrong[:SHOWN]) + more)


class Pulse:
    """Shows on stderr that something goes on, every few seconds."""

    def __init__(self, every: float = 5.0) -> None:
        """Take the seconds between two lines."""
        self._every = every
        self._due = time.monotonic() + every

    def beat(self, text: str) -> None:
        """Show the text if it is time to."""
        if time.monotonic() >= self._due:
            print(f"    {text}", file=sys.stderr, flush=True)
            self._due = time.monotonic() + self._every


def percentile(figures: Sequence[float], share: float) -> float:
    """Give the figure that ``share`` (0 to 1) of them do not exceed; 0 for none."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


Exercise = Callable[[Drill], Iterator[Result]]
