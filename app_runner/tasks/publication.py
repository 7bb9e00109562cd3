"""What must hold in the database when a message goes out, or fails to.

A message must never speak of a row that the worker cannot see, and a submit whose message
was not taken must leave no task that nobody will ever work on.
"""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from app_runner.db.engine import DB, RunnerSession
from app_runner.db.models import ProcessingTask, Step
from app_runner.tasks import records

CREATED, ANSWERED = "created_tasks", "answered_steps"


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


@event.listens_for(RunnerSession, "after_flush")
def _remember(session: Session, context: UOWTransaction) -> None:
    for row in session.new:
        if isinstance(row, ProcessingTask):
            session.info.setdefault(CREATED, []).append(row.id)
    for row in session.dirty:
        if isinstance(row, Step) and row.cleared:
            session.info.setdefault(ANSWERED, []).append(row.id)
