"""Results of jobs that a view waits for; errors of such a job are told from others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from celery.result import AsyncResult

#: Attribute of an exception that a job has raised, not the process that reads its result.
OF_JOB = "__raised_in_job__"


class JobResult(AsyncResult):  # type: ignore[type-arg]
    """A result whose error can be told from one that was raised here."""

    def maybe_throw(self, propagate: bool = True, callback: Any = None) -> Any:
        """Raise the job's error, as Celery does."""
        try:
            return super().maybe_throw(propagate, callback)
        except Exception as error:
            with suppress(AttributeError):  # a class of a plugin may take no attribute
                setattr(error, OF_JOB, self.id)
            raise


def error_of_job(error: BaseException) -> BaseException | None:
    """Give the error of a job that ``error`` is or came from, if there is one."""
    return next((each for each in _causes(error) if hasattr(each, OF_JOB)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
