"""Waits for changes of tasks, for all who wait in this process.

One thread asks the database for all watched tasks at once; the channel of
`app_runner.tasks.news` makes it ask sooner. All that it knows is stored elsewhere, so a
restart loses nothing.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import Engine, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.state import state_of
from app_runner.tasks.glance import LAST_CHUNK
from app_runner.tasks.news import FAILS, channel_of

LOG = logging.getLogger(__name__)
CACHE = "watcher"
#: Seconds between two questions; the short ones while something happens and no channel
#: tells of it.
LOOK_EVERY, LOOK_SOON = 0.15, 0.03
BUSY = 3.0  # seconds after a change in which more are expected
IDLE = 10.0  # seconds without anybody who waits, until the channel is closed
AT_ONCE = 500  # tasks in one question
STATES = select(ProcessingTask.id, ProcessingTask.revision, LAST_CHUNK).where(
    ProcessingTask.id.in_(bindparam("ids", expanding=True))
)


class Seen(NamedTuple):
    """How far somebody has seen a task: its revision, and its newest chunk of log.

    A negative revision says that there is something new, not what.
    """

    revision: int = -1
    chunk: int = 0


class Watched:
    """A task that somebody waits for."""

    def __init__(self) -> None:
        """Begin without knowledge."""
        self._changed = threading.Condition()
        self._nudges = 0
        self.watchers = 0
        self.state: Seen | None = None
        self.over = False

    def learn(self, state: Seen | None, over: bool = False) -> bool:
        """Take what the database says (None: the task is gone); tells if that is new."""
        with self._changed:
            is_new = state != self.state
            self.state = state
            self.over = self.over or over or state is None
            if is_new or self.over:
                self._changed.notify_all()
        return is_new

    def wait(self, known: Seen, seconds: float) -> Seen | None:
        """Wait for another state than ``known`` and give it; None when there was none."""

        def is_different() -> bool:
            return self.over or (self.state is not None and self.state != known)

        with self._changed:
            before = self._nudges
            self._changed.wait_for(
                lambda: is_different() or self._nudges != before, seconds
            )
            return (self.state or known) if is_different() else None

    def nudge(self) -> None:
        """Let all who wait look whether they should go on."""
        with self._changed:
            self._nudges += 1
            self._changed.notify_all()


class Watcher:
    """The one thread that asks."""

    def __init__(self, app: Flask) -> None:
        """Take the app; the thread starts with the first who waits."""
        self._app = app
        self._lock = threading.Condition()
        self._tasks: dict[int, Watched] = {}
        self._thread: threading.Thread | None = None
        self._channel: Any = None
        self._busy_until = 0.0
        self._told = 0  # times that the channel named a task
        self.stopping = False

    @cached_property
    def _engine(self) -> Engine:
        with self._app.app_context():
            return DB.engine

    @contextmanager
    def watching(self, task_id: int) -> Iterator[Watched]:
        """Watch a task in the body."""
        with self._lock:
            watched = self._tasks.setdefault(task_id, Watched())
            watched.watchers += 1
            watched.over = watched.over or self.stopping
            self._busy_until = time.monotonic() + BUSY
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._lock.notify()
        try:
            yield watched
        finally:
            with self._lock:
                watched.watchers -= 1
                if not watched.watchers:
                    self._tasks.pop(task_id, None)

    def stop(self) -> None:
        """Let nobody wait any longer: the process is about to end."""
        self.stopping = True
        for watched in list(self._tasks.values()):
            watched.learn(watched.state, over=True)

    def _run(self) -> None:
        while True:
            with self._lock:
                waited = self._lock.wait_for(lambda: self._tasks, IDLE)
            if not waited:
                self._close_channel()
                continue
            if not self.stopping and server_ends():
                self.stop()
            try:
                self._hear(self._pause())  # who begins to wait has just looked
                self._look(list(self._tasks))
            except SQLAlchemyError as error:
                LOG.warning("Watched tasks cannot be read: %s", error)
                time.sleep(1)

    def _pause(self) -> float:
        is_deaf = self._channel is None
        return (
            LOOK_SOON if is_deaf and time.monotonic() < self._busy_until else LOOK_EVERY
        )

    def _look(self, task_ids: Sequence[int]) -> None:
        """Ask for tasks and tell those who wait for them."""
        found: dict[int, Seen] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(task_ids), AT_ONCE):
                some = task_ids[start : start + AT_ONCE]
                rows = connection.execute(STATES, {"ids": some})
                found |= {id_: Seen(revision, last or 0) for id_, revision, last in rows}
        for task_id in task_ids:
            watched = self._tasks.get(task_id)
            if watched is not None and watched.learn(found.get(task_id)):
                self._busy_until = time.monotonic() + BUSY

    def _hear(self, seconds: float) -> None:
        """Let the time pass; who waits for a task that the channel names asks at once."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            task_id = self._next_named(left)
            if (watched := self._tasks.get(task_id)) is not None:
                self._told += 1
                watched.learn(Seen(-1 - self._told))

    def _next_named(self, seconds: float) -> int:
        """Give the task that the channel names within the time; 0 when it names none."""
        try:
            if self._channel is None and channel_of(self._app).exists:
                self._channel = channel_of(self._app).listen()
            if self._channel is not None:
                message = self._channel.get_message(timeout=seconds)
                return int(message["data"]) if message else 0
        except (*FAILS, ValueError) as error:
            LOG.debug("The channel fails: %s", error)
            self._close_channel()
        time.sleep(seconds)
        return 0

    def _close_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


def gunicorn_worker() -> Any:
    """Give gunicorn's worker object when this process is one, else None."""
    handler = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return handler if hasattr(handler, "alive") and hasattr(handler, "cfg") else None


def server_ends() -> bool:
    """Tell whether this server process was asked to end.

    It waits for its requests then; those that only wait should end by themselves.
    """
    worker = gunicorn_worker()
    return worker is not None and not worker.alive


def threads_to_spare() -> int | None:
    """Give how many threads of this server process may wait; None when nobody knows."""
    if (worker := gunicorn_worker()) is None:
        return None
    threads = int(worker.cfg.threads)
    return threads - min(16, max(1, threads // 4))


def watcher_of(app: Flask) -> Watcher:
    """Give the watcher of an app."""
    found: Watcher = state_of(app).caches[CACHE]
    return found


def init_app(app: Flask) -> None:
    """Make the watcher; its thread starts with the first who waits."""
    state_of(app).caches[CACHE] = Watcher(app)
