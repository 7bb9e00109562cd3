"""Deletes what is old or too much: finished tasks, after a rule for each plugin.

Runs in the rounds of the minder of any worker, once however many workers there are, in
pieces so small that nobody waits for them; and by `flask tasks purge`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, Select, func, select, tuple_, update

from app_runner.db.engine import DB
from app_runner.db.types import now
from app_runner.errors import StoreError
from app_runner.state import current_runner, state_of
from app_runner.tasks.deleting import MARK, Pins, deleted, ensure_row
from app_runner.tasks.minder import Job
from app_runner.tasks.records import FILE, TASK

LOG = logging.getLogger(__name__)
#: Tasks that are deleted in one transaction.
BATCH = 50
#: Seconds of each round of the minder that deleting may take.
SHARE = 0.2
#: Tasks whose sizes are added up at once.
PAGE = 1000


@dataclass(frozen=True)
class Rule:
    """How long and how many finished tasks of a plugin are kept; 0 is no bound.

    ``age`` in days, ``count`` in tasks, ``size`` in bytes of their files.
    """

    age: float = 0
    count: int = 0
    size: int = 0


@dataclass(frozen=True)
class Excess:
    """What a rule does not keep: the tasks of ``plugin`` that ended until ``until``."""

    plugin: str | None
    until: datetime

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """Give the conditions on the table of tasks."""
        return (*of_plugin(self.plugin), TASK.c.finished_at <= self.until)


def of_plugin(plugin: str | None) -> tuple[ColumnElement[bool], ...]:
    """Give the conditions for finished tasks of a plugin; None are those of nobody."""
    mine = TASK.c.plugin.is_(None) if plugin is None else TASK.c.plugin == plugin
    return (mine, TASK.c.finished_at.is_not(None))


def rule_for(plugin: str | None) -> Rule:
    """Give the rule of a plugin (its id): its own, completed from the general one."""
    settings = current_runner.settings
    general = {
        "age": settings["RETENTION_AGE"],
        "count": settings["RETENTION_COUNT"],
        "size": settings["RETENTION_SIZE"],
    }
    names = (plugin or "", (plugin or "").rpartition("@")[0])
    for pattern, own in settings["RETENTION_PLUGINS"]:
        if any(fnmatchcase(name, pattern) for name in names):
            return Rule(**{**general, **own})
    return Rule(**general)


def excesses() -> Iterator[Excess]:
    """Give what is not to be kept, plugin by plugin."""
    finished = select(TASK.c.plugin).where(TASK.c.finished_at.is_not(None)).distinct()
    with DB.engine.connect() as connection:
        plugins = connection.scalars(finished).all()
    for plugin in plugins:
        ends = _ends(plugin, rule_for(plugin))
        if known := [end for end in ends if end is not None]:
            yield Excess(plugin, max(known))


def _ends(plugin: str | None, rule: Rule) -> Iterator[datetime | None]:
    newest_first = select(TASK.c.finished_at).where(*of_plugin(plugin))
    newest_first = newest_first.order_by(TASK.c.finished_at.desc())
    if rule.age:
        yield now() - timedelta(days=rule.age)
    if rule.count:
        with DB.engine.connect() as connection:
            yield connection.scalar(newest_first.offset(rule.count).limit(1))
    if rule.size:
        yield _end_of_size(plugin, rule.size)


def _end_of_size(plugin: str | None, allowed: int) -> datetime | None:
    """Give the end of the newest task with which the files are too large."""
    joined = select(func.sum(FILE.c.size)).join(TASK, TASK.c.id == FILE.c.task_id)
    with DB.engine.connect() as connection:
        if (connection.scalar(joined.where(*of_plugin(plugin))) or 0) <= allowed:
            return None
        kept = 0
        for ended, size in connection.execute(_sizes(plugin)).yield_per(PAGE):
            kept += size or 0
            if kept > allowed:
                found: datetime = ended
                return found
    return None


def _sizes(plugin: str | None) -> Select[Any]:
    return (
        select(TASK.c.finished_at, func.sum(FILE.c.size))
        .join(FILE, FILE.c.task_id == TASK.c.id)
        .where(*of_plugin(plugin))
        .group_by(TASK.c.id, TASK.c.finished_at)
        .order_by(TASK.c.finished_at.desc())
    )


@dataclass
class Purged:
    """What was deleted, or would be."""

    tasks: int = 0
    size: int = 0


def purge(counted: Purged | None = None) -> Iterator[None]:
    """Delete what the rules do not keep, step by step: each step is short."""
    counted, pins = counted or Purged(), Pins()
    for excess in list(excesses()):
        for batch in _batches(excess):
            pinned = pins.look()
            free = [task_id for task_id in batch if task_id not in pinned]
            try:
                for size in deleted(free):
                    counted.size += size
                    yield
                counted.tasks += len(free)
            except StoreError as error:
                LOG.warning("Files of %s tasks stay: %s", len(free), error)
            yield


def would_purge() -> Purged:
    """Count what `purge` would delete."""
    counted, pinned = Purged(), Pins().look()
    for excess in excesses():
        for batch in _batches(excess, PAGE):
            free = [task_id for task_id in batch if task_id not in pinned]
            sizes = select(func.sum(FILE.c.size)).where(FILE.c.task_id.in_(free))
            with DB.engine.connect() as connection:
                counted.size += int(connection.scalar(sizes) or 0)
            counted.tasks += len(free)
    return counted


def _batches(excess: Excess, many: int = BATCH) -> Iterator[Sequence[int]]:
    place = tuple_(TASK.c.finished_at, TASK.c.id)
    query = select(TASK.c.finished_at, TASK.c.id).where(*excess.conditions)
    query = query.order_by(TASK.c.finished_at, TASK.c.id).limit(many)
    last: Any = None
    while True:
        page = query if last is None else query.where(place > tuple_(*last))
        with DB.engine.connect() as connection:
            rows = connection.execute(page).all()
        if not rows:
            return
        last = rows[-1]
        yield [row.id for row in rows]


class Purger:
    """Purges in the rounds of a minder, a piece in each."""

    def __init__(self, every: float) -> None:
        """Take the seconds between two purges."""
        self._every = timedelta(seconds=every)
        self._steps: Iterator[None] | None = None
        self._asked = -every

    def tick(self, _jobs: Sequence[Job]) -> None:
        """Begin when it is due and nobody else has begun; go on for a moment."""
        if self._steps is None and self._is_mine():
            self._steps = purge()
        until = time.monotonic() + SHARE
        while self._steps is not None and time.monotonic() < until:
            if next(self._steps, StopIteration) is StopIteration:
                self._steps = None

    def _is_mine(self) -> bool:
        moment = time.monotonic()
        if moment - self._asked < min(self._every.total_seconds(), 30):
            return False
        self._asked = moment
        ensure_row()
        due = update(MARK).where(MARK.c.due_at <= now())
        with DB.engine.begin() as connection:
            claimed = connection.execute(due.values(due_at=now() + self._every))
        return claimed.rowcount == 1


def watch(app: Flask) -> None:
    """Purge from this worker."""
    state = state_of(app)
    every = float(state.settings["RETENTION_EVERY"])
    if every:
        state.minder.every_second(Purger(every).tick, alone=True)
