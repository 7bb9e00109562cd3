"""The last net: a job that fails with nobody to tell ends its task all the same.

Published plugins link `save_task_error` to their chains. A job without such an errback,
or one that fails outside of the code that would catch it, must not leave its task
pending for ever.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import signals
from flask import Flask

from app_runner.errors import RunnerError
from app_runner.tasks import journal, records
from app_runner.tasks.processing import explain

LOG = logging.getLogger(__name__)


def watch(app: Flask) -> None:
    """End the tasks of jobs that fail in this worker and have no errback."""

    def failed(sender: Any, **told: Any) -> None:
        task_id = (told.get("kwargs") or {}).get("db_id")
        if getattr(sender.app, "flask_app", None) is not app or sender.request.errbacks:
            return
        if isinstance(task_id, int):
            with app.app_context():
                if not journal.is_held_by(sender.request):
                    LOG.warning("Refused: %s no longer holds its message", sender.name)
                    return
                _end(task_id, told["exception"], str(told.get("einfo") or ""))

    signals.task_failure.connect(failed, weak=False)


def _end(task_id: int, error: BaseException, trace: str) -> None:
    try:
        records.fail(task_id, explain(error, trace))
    except RunnerError as refused:  # it has ended already, as it should
        LOG.debug("Task %s: %s", task_id, refused)
