"""Which queue a job waits in: each plugin has its own, so that all get fair turns.

A worker takes one message of each queue in turn. Settings put plugins together into one
queue, or let a worker serve some plugins only. See docs/adr/0022.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

from celery.app.amqp import AMQP, Queues
from kombu import Exchange, Queue

from app_runner.config import Settings
from app_runner.errors import SettingError

T = TypeVar("T")
#: 0 to 9, a higher one is sooner; each is one of three classes on Redis.
NORMAL, HIGHEST = 5, 9
#: Where the classes begin, in the numbers of Redis, of which a lower one is sooner.
REDIS_CLASSES = [0, 3, 7]


class Place(NamedTuple):
    """Where a job waits."""

    queue: str
    priority: int = NORMAL


class QueuePlan:
    """The queues of one app."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings; plugins are added when they are loaded."""
        self.main = str(settings["CELERY_QUEUE"])
        self._groups: Sequence[tuple[str, str]] = settings["PLUGIN_QUEUES"]
        self._priorities: Sequence[tuple[str, int]] = settings["PLUGIN_PRIORITIES"]
        self._served: Sequence[str] = settings["WORKER_PLUGINS"]
        self._lower_is_sooner = str(settings["BROKER_URL"]).startswith("redis")
        self._places: dict[str, Place] = {}
        self._plugins: dict[str, str] = {}
        self._own: set[str] = set()

    def add(self, name: str, identifier: str, jobs: Iterable[Any]) -> None:
        """Give a queue to a plugin and its recorded jobs."""
        queue = chosen(self._groups, name, identifier)
        if queue is None:
            queue = f"{self.main}.{name}"
            self._own.add(queue)
        self._plugins[identifier] = queue
        decided = chosen(self._priorities, name, identifier)
        for job in jobs:
            wished = (decided, job.options.get("queue_priority"), NORMAL)
            priority = next(number for number in wished if number is not None)
            self._places[job.name] = Place(queue, priority)

    def place(self, job: str) -> Place:
        """Give where a job waits; those of the runner itself in the main queue."""
        return self._places.get(job) or Place(self.main)

    def broker_priority(self, place: Place) -> int:
        """Give the number that the broker understands."""
        return HIGHEST - place.priority if self._lower_is_sooner else place.priority

    @property
    def names(self) -> list[str]:
        """Give all queues."""
        return [self.main, *sorted({*self._plugins.values()} - {self.main})]

    def plugins_of(self, queue: str) -> list[str]:
        """Give the ids of the plugins whose jobs wait in a queue."""
        return sorted(plugin for plugin, its in self._plugins.items() if its == queue)

    def consumed(self, asked: Iterable[str] | None) -> list[str]:
        """Give the queues that a worker takes from.

        The main queue stands for those of all plugins that have one of their own.
        """
        if self._served:
            return [self.main, *sorted(self._queues_of(self._served) - {self.main})]
        if not asked:
            return self.names
        names = dict.fromkeys(asked)
        own = self._own if self.main in names else ()
        return [*names, *sorted(own - names.keys())] if own else [*names]

    def _queues_of(self, patterns: Iterable[str]) -> set[str]:
        return {
            queue
            for identifier, queue in self._plugins.items()
            if any(_matches(pattern, *_names(identifier)) for pattern in patterns)
        }


def _names(identifier: str) -> tuple[str, str]:
    return identifier.rpartition("@")[0], identifier


def _matches(pattern: str, *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def chosen(pairs: Sequence[tuple[str, T]], *names: str) -> T | None:
    return next((value for pattern, value in pairs if _matches(pattern, *names)), None)


class FairQueues(Queues):
    """Celery's queues, of which workers take what the plan says."""

    plan: QueuePlan

    def select(self, include: Iterable[str] | None) -> None:
        """Choose the queues to take from; ``include`` is what ``--queues`` names."""
        super().select(self.plan.consumed(include))

    def new_missing(self, name: str) -> Queue:
        """Make a queue; all but the main one know priorities on RabbitMQ.

        The main one may have been made without by somebody else.
        """
        if name == self.plan.main:
            return super().new_missing(name)
        return Queue(name, Exchange(name), name, max_priority=HIGHEST)


class FairAMQP(AMQP):
    """Celery's messaging with those queues."""

    queues_cls = FairQueues


def check_pool(pool: str, arguments: Sequence[str]) -> None:
    """Raise `SettingError` when a worker begins with gevent only now.

    Celery prepares Python for it when it reads ``--pool`` on the command line, before
    anything else is imported; for a setting it would be too late.
    """
    named = any(word.startswith(("--pool", "-P")) for word in arguments)
    if pool == "gevent" and "worker" in arguments and not named:
        allowed = "start the worker with --pool gevent, as ./run worker does"
        raise SettingError("CELERY_WORKER_POOL", "all settings", allowed, pool)
