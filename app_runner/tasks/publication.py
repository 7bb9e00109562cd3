"""What must hold in the database when a message goes out, or fails to.

A message must never speak of a row that the worker cannot see, and a submit whose message
was not taken must leave no task that nobody will ever work on.
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from celery import current_task
from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from app_runner.db.engine import DB, RunnerSession
from app_runner.db.models import ProcessingTask, Step
from app_runner.db.models.tasks import ANSWERED
from app_runner.tasks import admission, journal, records, working
from app_runner.tasks.journal import Outgoing
from app_runner.tasks.patience import patiently
from app_runner.tasks.records import CREATED

if TYPE_CHECKING:
    from app_runner.tasks.queue import RunnerCelery

LOG = logging.getLogger(__name__)


class Fate(Enum):
    """What becomes of a message once the rows it speaks of are committed."""

    BARE = auto()  #: it is lost unless the broker takes it
    SAFE = auto()  #: it is published now, and again if that fails
    HELD = auto()  #: it is published later
    REFUSED = auto()  #: who sends it has lost the right to


def write_down(celery: RunnerCelery, message: Outgoing) -> Fate:
    """Commit what a message speaks of, with the message if it concerns a task."""
    retried = bool(message.options.get("retries"))
    headers = message.options["headers"]
    if getattr(celery.tasks.get(message.name), "claims_task", False):
        headers["of_task"] = journal.concerned_task(message)
        make_rows_visible(retried)
        return Fate.SAFE
    headers["of_task"] = _concerned(message)
    if headers["of_task"] is None:
        make_rows_visible(retried)
        return Fate.BARE
    headers["journaled"] = True
    _inherit(message.options)
    before = working.predecessor(message.options)
    if retried:
        DB.session.rollback()
    if before is None or not (retried or before.body_ended):
        return _journal(celery, message, before)
    return patiently(lambda: _journal(celery, message, before))


def _journal(celery: RunnerCelery, message: Outgoing, before: Any) -> Fate:
    """Write a message in one transaction with the end of the one ``before``."""
    goes_now = journal.write(celery, message)
    if before is not None:
        if not journal.strike_out(before.publication_key, before.lease_key):
            DB.session.rollback()
            LOG.warning("Refused: %s no longer holds its message", before.task)
            return Fate.REFUSED
        before.struck = True
    DB.session.commit()
    return Fate.SAFE if goes_now else Fate.HELD


def _concerned(message: Outgoing) -> int | None:
    """Give the task that a message names, or that who sends it works on."""
    task_id = journal.concerned_task(message)
    if task_id is None:
        task_id = message.options["headers"]["of_task"]
    if task_id is None:
        DB.session.flush()
        created = DB.session.info.get(CREATED, ())
        answered = DB.session.info.get(ANSWERED, ())
        if len(created) == 1:
            return int(created[0])
        if not created and len(answered) == 1:
            step = DB.session.get(Step, answered[0])
            return step.task_id if step else None
    return task_id


def _inherit(options: dict[str, Any]) -> None:
    """Write down what Celery would take from the job that runs."""
    if current_task and not current_task.request.called_directly:
        request = current_task.request
        options["root_id"] = options.get("root_id") or request.root_id or request.id
        options["parent_id"] = options.get("parent_id") or request.id


def make_rows_visible(retried: bool) -> None:
    """Commit what the session still holds back, so that a worker can read it.

    What a job that is ``retried`` left undone is dropped instead: it begins anew.
    """
    if retried:
        DB.session.rollback()
    elif DB.session().in_transaction():
        DB.session.commit()


def published(db_id: object) -> None:
    """Note that work on a task (None: on whatever the session knows of) is on its way."""
    info = DB.session.info
    waiting = [] if db_id is None else [i for i in info.get(CREATED, ()) if i != db_id]
    info[CREATED] = waiting
    if not waiting:
        info.pop(ANSWERED, None)


def take_back(cause: str) -> None:
    """Undo a submit without message: new tasks end with the cause, steps wait again."""
    session = DB.session
    session.rollback()
    for task_id in session.info.pop(CREATED, ()):
        task = ProcessingTask.get_by_id(task_id)  # None when its commit failed
        if task is not None and not task.is_finished:
            records.fail(task_id, cause)
    for step_id in session.info.pop(ANSWERED, ()):
        _reopen(step_id)
    session.commit()


def _reopen(step_id: int) -> None:
    step = DB.session.get(Step, step_id)
    if step is not None and not step.task.is_finished:
        step.cleared = False
        step.task.state = "waiting"


@event.listens_for(RunnerSession, "before_flush")
def _admit(session: Session, context: UOWTransaction, instances: object) -> None:
    for row in session.new:
        if isinstance(row, ProcessingTask):
            admission.admit(row.plugin, row.owner)


@event.listens_for(RunnerSession, "after_flush")
def _remember(session: Session, context: UOWTransaction) -> None:
    for row in session.new:
        if isinstance(row, ProcessingTask):
            session.info.setdefault(CREATED, []).append(row.id)
    for row in session.dirty:
        if isinstance(row, Step) and row.cleared:
            session.info.setdefault(ANSWERED, []).append(row.id)
