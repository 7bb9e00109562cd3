"""The id under which the log tells of a job: that of the request that started it.

What Celery itself says of a job, such as the traceback of its error, is said outside of
the job's context, and users are told the id to ask about.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from celery import current_task

from app_runner.state import REQUEST_ID

NONE = "-"
#: The logger on which Celery tells how each job ended.
OF_JOBS = "celery.app.trace"


def reference_of(request: Any, job_id: str = "") -> str:
    """Give the id of the request that a job came from, else that of the job."""
    return str(request.get("request_id") or request.get("id") or job_id or NONE)


@contextmanager
def speaking_of(request: Mapping[str, Any]) -> Iterator[None]:
    """Let the lines of the body be about a job that this process does not run itself."""
    token = REQUEST_ID.set(reference_of(request))
    try:
        yield
    finally:
        REQUEST_ID.reset(token)


class JobReferences(logging.Filter):
    """Puts the id on records that Celery makes for a job."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drop a record."""
        if current_task and REQUEST_ID.get() == NONE:
            told = getattr(record, "data", None) or {}
            record.request_id = reference_of(current_task.request, told.get("id", ""))
        return True


def name_jobs() -> None:
    """Do so for all that Celery says from now on in this process."""
    logger = logging.getLogger(OF_JOBS)
    if not any(isinstance(known, JobReferences) for known in logger.filters):
        logger.addFilter(JobReferences())
