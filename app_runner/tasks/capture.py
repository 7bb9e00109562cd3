"""Hands what jobs print and log to their log, in the process of a worker.

Standard output and error go on to where they went before. What is printed in a thread
that a job has started belongs to the job, as long as it is the only one that runs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from flask import Flask, current_app
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.state import state_of
from app_runner.tasks.job_log import JobLog

LOG = logging.getLogger(__name__)
CURRENT: ContextVar[JobLog | None] = ContextVar("app_runner_job_log", default=None)
CAPTURE = "capture"
#: Loggers that speak of the runner, not of the work of a plugin.
OURS = ("app_runner", "celery", "kombu", "amqp", "billiard")


class Capture:
    """The jobs of one app that run in this process."""

    def __init__(self) -> None:
        """Begin without jobs."""
        self._running: list[JobLog] = []
        self.streams: list[Tee] = []

    @contextmanager
    def of(self, log: JobLog) -> Iterator[None]:
        """Let the lines of the body be those of ``log``, and write the last ones."""
        token = CURRENT.set(log)
        self._running.append(log)
        try:
            yield
        finally:
            self.end_lines(log)
            self._running.remove(log)
            CURRENT.reset(token)
            _write_last(log)

    def end_lines(self, log: JobLog) -> None:
        """Add the lines that were begun and have no end."""
        for stream in self.streams:
            stream.end_line(log)

    def current(self) -> JobLog | None:
        """Give the log of the job that speaks."""
        if (log := CURRENT.get()) is not None:
            return log
        return self._running[0] if len(self._running) == 1 else None


class LogHandler(logging.Handler):
    """Takes the records of loggers that are not the runner's own."""

    def __init__(self, capture: Capture) -> None:
        """Take what knows the jobs."""
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Add the record to the log of the job that speaks."""
        if record.name.partition(".")[0] in OURS:
            return
        log = self._capture.current()
        if log is not None:
            try:
                log.add(self.format(record))
            except Exception:  # noqa: BLE001 - a broken record must not break the job
                self.handleError(record)


class Tee:
    """Stands for standard output or error."""

    def __init__(self, stream: TextIO, capture: Capture) -> None:
        """Take the real stream."""
        self._stream = stream
        self._capture = capture
        self._begun = ""

    def write(self, text: str) -> int:
        """Write through, and add whole lines to the log of the job that speaks."""
        if (log := self._capture.current()) is not None:
            whole, newline, begun = (self._begun + text).rpartition("\n")
            self._begun = begun
            if newline:
                log.add(whole)
        return self._stream.write(text)

    def end_line(self, log: JobLog) -> None:
        """Add what was printed behind the last whole line."""
        begun, self._begun = self._begun, ""
        if begun:
            log.add(begun)

    def __getattr__(self, name: str) -> Any:
        """Everything else is done by the real stream."""
        return getattr(self._stream, name)


def install(app: Flask) -> None:
    """Begin to capture in this process, which is a worker of ``app``."""
    capture = state_of(app).caches[CAPTURE] = Capture()
    logging.getLogger().addHandler(LogHandler(capture))
    capture.streams = [Tee(sys.stdout, capture), Tee(sys.stderr, capture)]
    replaced: Any = capture.streams
    sys.stdout, sys.stderr = replaced


def say(text: str) -> None:
    """Add a line of the runner's own to the log of the job that runs here."""
    if (log := CURRENT.get()) is not None:
        log.add(text)


def end_part(connection: Connection) -> None:
    """Write the last lines of the job in the transaction that ends its part."""
    capture: Capture | None = state_of(current_app).caches.get(CAPTURE)
    log = CURRENT.get()
    if capture is not None and log is not None:
        capture.end_lines(log)
        log.flush_with(connection)


def _write_last(log: JobLog) -> None:
    try:
        DB.session.rollback()  # left by the job; nobody will commit it
        log.flush()
    except SQLAlchemyError as error:
        LOG.warning("The last lines of a job are lost: %s", error)


@contextmanager
def capturing(app: Flask, task_id: object) -> Iterator[None]:
    """Keep the lines of a job that works on a task; needs `install` before."""
    capture: Capture | None = state_of(app).caches.get(CAPTURE)
    if capture is None or not isinstance(task_id, int):
        yield
        return
    with capture.of(JobLog(app, task_id)):
        yield
