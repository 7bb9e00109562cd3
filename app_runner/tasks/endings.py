"""The last net: a job that fails with nobody to tell ends its task all the same.

Published plugins link `save_task_error` to their chains. A job without such an errback,
or one that fails outside of the code that would catch it, must not leave its task
pending for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from celery import signals
from flask import Flask

from app_runner.errors import RunnerError
from app_runner.state import REQUEST_ID
from app_runner.tasks import journal, records
from app_runner.tasks.processing import explain
from app_runner.tasks.references import reference_of

LOG = logging.getLogger(__name__)


def watch(app: Flask) -> None:
    """End the tasks of jobs that fail in this worker and have no errback."""

    def failed(sender: Any, **told: Any) -> None:
        request = sender.request
        if getattr(sender.app, "flask_app", None) is not app or request.errbacks:
            return
        with app.app_context():
            task_id = _task_of(request, told.get("kwargs") or {})
            if task_id is None:
                return
            if not journal.is_held_by(request):
                LOG.warning("Refused: %s no longer holds its message", sender.name)
                return
            reference = reference_of(request, told["task_id"])
            _end(task_id, told["exception"], told.get("einfo"), reference)

    def not_followed(sender: Any, request: Any, **told: Any) -> None:
        """End the task of a job that did its part, but whose follower cannot be sent."""
        task_id = request.get("of_task")
        if getattr(sender.app, "flask_app", None) is not app or task_id is None:
            return
        with app.app_context():
            if not journal.has_others(task_id, ""):
                reference = reference_of(request, told["task_id"])
                _end(task_id, told["exception"], told.get("einfo"), reference)

    signals.task_failure.connect(failed, weak=False)
    signals.task_internal_error.connect(not_followed, weak=False)


def _task_of(request: Any, arguments: Mapping[str, Any]) -> int | None:
    """Give the task that a job which has failed takes with it.

    It is the one that its arguments name, or the one that it is the last job of.
    """
    if isinstance(arguments.get("db_id"), int):
        return int(arguments["db_id"])
    task_id, key = request.get("of_task"), request.get("publication_key")
    if not isinstance(task_id, int) or journal.has_others(task_id, str(key)):
        return None
    return task_id


def _end(task_id: int, error: BaseException, trace: Any, reference: str) -> None:
    token = REQUEST_ID.set(reference)
    try:
        records.fail(task_id, explain(error, str(trace or "")))
    except RunnerError as refused:  # it has ended already, as it should
        LOG.debug("Task %s: %s", task_id, refused)
    finally:
        REQUEST_ID.reset(token)
