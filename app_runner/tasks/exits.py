"""Keeps jobs from ending the process that they run in, and from going on in two.

A process of the pool that an earlier job has left unfit for others ends before the next.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from billiard.process import current_process
from celery.exceptions import WorkerShutdown, WorkerTerminate

from app_runner.errors import JobExited

#: What billiard leaves a child with when signal 1 to 64 ends it: -(256 - number).
ENDED_BY_SIGNAL = range(-255, -191)


LOG = logging.getLogger(__name__)
#: What a job may have of memory, processor time and files, as this process began with it.
LIMITS = {
    name: getattr(resource, name)
    for name in (
        "RLIMIT_AS",
        "RLIMIT_CPU",
        "RLIMIT_DATA",
        "RLIMIT_FSIZE",
        "RLIMIT_NOFILE",
    )
}
BEGAN_WITH = {name: resource.getrlimit(limit) for name, limit in LIMITS.items()}


def leave_if_unfit() -> None:
    """End a process of the pool in which jobs would fail for what an earlier one did.

    The message goes back to its queue, nothing was claimed, and a new process is made.
    """
    if current_process().name != "MainProcess" and (why := _unfit_for()):
        LOG.warning("This process makes room for a new one: %s", why)
        logging.shutdown()
        os._exit(1)


def _unfit_for() -> str | None:
    for name, limit in LIMITS.items():
        if resource.getrlimit(limit) != BEGAN_WITH[name]:
            return f"a job has set {name}"
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return f"it cannot open files any more ({error})"
    return None


@contextmanager
def exits_as_errors() -> Iterator[None]:
    """Turn ``sys.exit()`` of an author into `JobExited`; let those of the worker pass.

    A process that the author's code has forked ends here, before it does our work too.
    """
    process = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != process:
            leave(error)
        if _leaves_process(error):
            how = str(error) or type(error).__name__
            raise JobExited(f"the job tried to end its process ({how})") from error
        raise
    if os.getpid() != process:
        leave()


def _leaves_process(error: BaseException) -> bool:
    """Tell whether it is the author's code that would end the process."""
    if isinstance(error, KeyboardInterrupt):  # children of a pool ignore Ctrl+C
        return current_process().name != "MainProcess"
    if not isinstance(error, SystemExit):
        return False
    of_worker = isinstance(error, WorkerShutdown | WorkerTerminate)
    return not of_worker and error.code not in ENDED_BY_SIGNAL


def leave(error: BaseException | None = None) -> NoReturn:
    """End a process that a job has forked; nothing of the runner is run or written.

    What it says of the error has no values: there may be passwords among them.
    """
    code = 0 if error is None else 1
    try:
        if isinstance(error, SystemExit):
            code = _exit_code(error)
        elif error is not None and sys.__stderr__ is not None:
            lines = traceback.format_tb(error.__traceback__)
            lines.append(f"A process forked by a job: {type(error).__name__}\n")
            sys.__stderr__.write("".join(lines))
    finally:
        for stream in (sys.stdout, sys.stderr, sys.__stderr__):
            with suppress(Exception):  # it may be closed
                stream.flush()  # type: ignore[union-attr]
        os._exit(code)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1
