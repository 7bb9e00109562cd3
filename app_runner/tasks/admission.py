"""Refuses submits when a plugin or a user has enough tasks that run or wait for a worker.

Counted in the transaction that writes the new task, one submit after the other, so that
many at once do not slip through. Without limits nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from sqlalchemy import ColumnElement, Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app_runner import submission
from app_runner.babel import gettext as _
from app_runner.config import Settings
from app_runner.db.engine import DB
from app_runner.db.models import Catalogue, ProcessingTask
from app_runner.db.types import now
from app_runner.errors import TooManyTasks
from app_runner.state import current_runner
from app_runner.tasks.queues import chosen

#: Changes nothing, but makes who comes second wait for the first one's commit.
ONE_AFTER_THE_OTHER = update(Catalogue).values(generation=Catalogue.generation)


def limit_of_plugin(settings: Settings, plugin: str) -> int:
    """Give how many open tasks a plugin (id) may have; 0 is any number."""
    own = chosen(settings["PLUGIN_TASK_LIMITS"], plugin.partition("@")[0], plugin)
    return int(settings["TASK_LIMIT_PER_PLUGIN"] if own is None else own)


def _limits(
    plugin: str, owner: str | None
) -> Iterator[tuple[int, ColumnElement[bool], str]]:
    """Give the limits for a new task, what they count, and what is said."""
    settings = current_runner.settings
    if most := limit_of_plugin(settings, plugin):
        text = _("This plugin has %(n)d unfinished tasks, and takes no more.", n=most)
        yield most, ProcessingTask.plugin == plugin, text
    if most := settings["TASK_LIMIT_PER_USER"]:
        text = _("You have %(n)d unfinished tasks; wait until one has ended.", n=most)
        theirs = ProcessingTask.owner
        yield most, theirs.is_(None) if owner is None else theirs == owner, text


def admit(plugin: str | None, owner: str | None) -> None:
    """Raise `TooManyTasks` unless a new task is within the limits of both.

    Only in a submit, whose client can be told to come back later.
    """
    if submission.current() is not None:
        _check(list(_limits(plugin or "", owner)))


def _wait_for_others(connection: Connection) -> None:
    """Hold a lock until the end of the transaction: that of the catalogue's row."""
    if connection.execute(select(Catalogue.id).limit(1)).first() is None:
        row = {"id": 1, "generation": 0, "fingerprint": "", "changed_at": now()}
        with suppress(IntegrityError), DB.engine.begin() as apart:
            apart.execute(insert(Catalogue), row)
    connection.execute(ONE_AFTER_THE_OTHER)


def _check(limits: Sequence[tuple[int, ColumnElement[bool], str]]) -> None:
    if not limits:
        return
    connection = DB.session.connection()
    _wait_for_others(connection)
    for most, counted, text in limits:
        is_open = ProcessingTask.finished_at.is_(None), ProcessingTask.state != "waiting"
        some = select(ProcessingTask.id).where(*is_open, counted).limit(most).subquery()
        if connection.scalar(select(func.count()).select_from(some)) == most:
            raise TooManyTasks(text)
