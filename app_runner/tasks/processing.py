"""The job of a processor: claims its task, calls the author's function, ends the part.

A part ends the task, or lets it wait for an answer that starts the next part.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from typing import Any, Protocol

from billiard.exceptions import SoftTimeLimitExceeded, WorkerLostError
from requests import RequestException

from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.errors import JobLost, LeaseLost, UserError, without_paths
from app_runner.fetch.failures import place_of, why_failed
from app_runner.state import REQUEST_ID, current_runner
from app_runner.tasks import cancelling, records, results, steps
from app_runner.tasks.asking import Asked
from app_runner.tasks.cancelling import TaskCancelled
from app_runner.tasks.exits import exits_as_errors
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.leases import Lease
from app_runner.tasks.limits import limits_of, out_of_time
from app_runner.tasks.patience import DATABASE_AWAY, patiently
from app_runner.tasks.records import Attempt

LOG = logging.getLogger(__name__)


class Work(Protocol):
    """What a job does: calls the author's function of the part that runs."""

    def call(self, task: Task, attempt: Attempt) -> str | None:
        """Call the function with its parameters, give the log; `Asked` ends it early."""

    def step_urls(self, task_id: int, number: int) -> tuple[str, str]:
        """Give the URLs (API, form) where step ``number`` is answered."""


def run(
    work: Work, outputs: Sequence[Output], db_id: int, request: Any, after_step: int = -1
) -> None:
    """Do a part of task ``db_id``: one message, and the job ends the part itself."""
    try:
        attempt = _claim(db_id, request, after_step)
    except DATABASE_AWAY as error:
        LOG.warning("Task %s waits in the journal for the database: %s", db_id, error)
        return
    if attempt is None:
        LOG.info("Task %s has nothing left to do here", db_id)
        return
    task = Task(attempt, outputs, limits_of(str(request.get("task"))))
    try:
        _attempt(task, attempt, work)
    except LeaseLost as error:
        if records.was_accepted(attempt):  # and the answer of the database was lost
            return
        LOG.warning("Refused: %s", error)
        _drop(task)
        cancelling.settle(attempt)


def _claim(db_id: int, request: Any, after_step: int) -> Attempt | None:
    return records.claim(
        db_id,
        worker=str(request.hostname or ""),
        publication_key=request.get("publication_key"),
        after_step=after_step,
        lease=Lease.of(request),
    )


def _attempt(task: Task, attempt: Attempt, work: Work) -> None:
    try:
        with exits_as_errors():
            text = work.call(task, attempt) or ""
        if missing := task.missing_outputs():
            raise UserError(
                _("The plugin did not save %(names)s.", names=", ".join(missing))
            )
    except LeaseLost:
        raise
    except TaskCancelled:
        _cancel(task, attempt)
    except Asked as asked:
        _wait(task, attempt, work, asked)
    except SoftTimeLimitExceeded:
        _fail(task, attempt, out_of_time(task.limits.soft_time or 0))
    except UserError as error:
        _fail(task, attempt, str(error))
    except Exception as error:  # noqa: BLE001 - the author's code may raise anything
        trace = task.hidden(traceback.format_exc())
        LOG.error("Task %s failed in attempt %s\n%s", task.id, attempt.number, trace)
        _fail(task, attempt, explain(error, trace))
    else:
        _succeed(task, attempt, text)


def _wait(task: Task, attempt: Attempt, work: Work, asked: Asked) -> None:
    log = task.take_log()
    patiently(task.write)

    def wait() -> None:
        if asked.question.is_call:
            steps.wait_for_call(attempt, asked.question, log, task.files)
            return
        urls = work.step_urls(task.id, steps.next_number(task.id))
        steps.wait(attempt, asked.question, urls, log, task.files)

    patiently(wait)


def _succeed(task: Task, attempt: Attempt, text: str) -> None:
    log = "\n".join(part for part in (task.take_log(), task.hidden(str(text))) if part)
    patiently(task.write)
    patiently(lambda: records.succeed(task.id, log, attempt, task.files))


def _fail(task: Task, attempt: Attempt, reason: str) -> None:
    DB.session.rollback()
    log = "\n".join(part for part in (task.take_log(), task.hidden(reason)) if part)
    patiently(lambda: records.fail(task.id, log, attempt))
    _drop(task)


def _cancel(task: Task, attempt: Attempt) -> None:
    DB.session.rollback()
    log = task.take_log()
    patiently(lambda: records.cancel(task.id, log, attempt))
    _drop(task)


def _drop(task: Task) -> None:
    for file in task.files:
        results.drop(file)


def explain(error: object, trace: str | None) -> str:
    """Say why a job failed: all of it on a laptop, elsewhere no paths, a reference.

    Never a secret of the settings, such as the password in a URL that an error names.
    """
    return current_runner.settings.masked(_reason(error, trace))


def _reason(error: object, trace: str | None) -> str:
    if isinstance(error, JobLost | UserError):
        return str(error)
    if isinstance(error, WorkerLostError):
        return _("The worker was lost while it ran the job: %(how)s", how=str(error))
    if isinstance(error, RequestException) and (place := place_of(error)):
        why = why_failed(error)
        return _("%(file)s cannot be read: %(reason)s", file=place, reason=why)
    if current_runner.settings["EXPOSURE"] == "local" and trace:
        return f"{error!r}\n{trace}"
    reason = without_paths(f"{type(error).__name__}: {error}")
    reference = REQUEST_ID.get()
    return _(
        "%(reason)s\n(The log of the server says more under %(reference)s.)",
        reason=reason,
        reference=reference,
    )
