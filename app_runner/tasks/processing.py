"""The job of a processor: claims its task, calls the author's function, ends the task."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from billiard.exceptions import WorkerLostError

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.errors import LeaseLost, UserError, without_paths
from app_runner.state import REQUEST_ID, current_runner
from app_runner.tasks import records, results
from app_runner.tasks.exits import exits_as_errors
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.records import Attempt

LOG = logging.getLogger(__name__)
#: Calls the author's function with the task and its parameters (JSON), gives the log.
Call = Callable[[Task, str], str | None]


def run(call: Call, outputs: Sequence[Output], db_id: int, request: Any) -> None:
    """Do the work of task ``db_id``: one message, and the job ends the task itself."""
    attempt = records.claim(
        db_id,
        worker=str(request.hostname or ""),
        publication_key=request.get("publication_key"),
    )
    if attempt is None:
        LOG.info("Task %s has nothing left to do", db_id)
        return
    task = Task(attempt, outputs)
    try:
        _attempt(task, attempt, call)
    except LeaseLost as error:
        LOG.warning("Refused: %s", error)
        _drop(task)


def _attempt(task: Task, attempt: Attempt, call: Call) -> None:
    try:
        with exits_as_errors():
            text = call(task, attempt.parameters) or ""
        if missing := task.missing_outputs():
            raise UserError(
                _("The plugin did not save %(names)s.", names=", ".join(missing))
            )
    except LeaseLost:
        raise
    except UserError as error:
        _fail(task, attempt, str(error))
    except Exception as error:  # the author's code may raise anything
        LOG.exception("Task %s failed in attempt %s", task.id, attempt.number)
        _fail(task, attempt, explain(error, traceback.format_exc()))
    else:
        _succeed(task, attempt, text)


def _succeed(task: Task, attempt: Attempt, text: str) -> None:
    log = "\n".join(part for part in (task.take_log(), str(text)) if part)
    task.write()
    records.succeed(task.id, log, attempt, task.files)


def _fail(task: Task, attempt: Attempt, reason: str) -> None:
    DB.session.rollback()
    log = "\n".join(part for part in (task.take_log(), reason) if part)
    records.fail(task.id, log, attempt)
    _drop(task)


def _drop(task: Task) -> None:
    for file in task.files:
        results.drop(file)


def explain(error: object, trace: str | None) -> str:
    """Say why a job failed: all of it on a laptop, elsewhere no paths, a reference."""
    if isinstance(error, WorkerLostError):
        return _("The worker was lost while it ran the job: %(how)s", how=str(error))
    if current_runner.settings["EXPOSURE"] == "local" and trace:
        return f"{error!r}\n{trace}"
    reason = without_paths(f"{type(error).__name__}: {error}")
    reference = REQUEST_ID.get()
    return _(
        "%(reason)s\n(The log of the server says more under %(reference)s.)",
        reason=reason,
        reference=reference,
    )
