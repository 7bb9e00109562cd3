"""Keeps jobs from ending the process that they run in, which others share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from celery.exceptions import WorkerShutdown, WorkerTerminate

from app_runner.errors import JobExited

#: What billiard leaves a child with when signal 1 to 64 ends it: -(256 - number).
ENDED_BY_SIGNAL = range(-255, -191)


@contextmanager
def exits_as_errors() -> Iterator[None]:
    """Turn ``sys.exit()`` of an author into `JobExited`; let those of the worker pass."""
    try:
        yield
    except (WorkerShutdown, WorkerTerminate):
        raise
    except SystemExit as error:
        if error.code in ENDED_BY_SIGNAL:
            raise
        raise JobExited(f"the job tried to end its process ({error})") from error
