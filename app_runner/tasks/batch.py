"""Writes what a job tells, from a thread beside it: soon, but not often."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

LOG = logging.getLogger(__name__)
#: Seconds between two writes. A job has two batches, so the database sees four a second.
EVERY = 0.5


class Batch:
    """Calls ``write`` a moment after `begin`, once for all that was told meanwhile.

    ``write`` runs in a thread with an app context (so a session) of its own, or in the
    thread that calls `flush`, never twice at a time. A process that the job has forked
    writes nothing: it has neither the thread nor a connection of its own.
    """

    def __init__(self, app: Flask, write: Callable[[], None]) -> None:
        """Nothing waits yet, and no thread exists."""
        self._app = app
        self._write = write
        self._lock = threading.RLock()
        self._process = os.getpid()
        #: Whether a write will come; who tells something begins one unless it does.
        self.waits = False

    @property
    def is_forked(self) -> bool:
        """Tell whether this is a process that the one of the batch has forked."""
        return os.getpid() != self._process

    def begin(self) -> None:
        """Let `write` be called soon."""
        if self.is_forked:
            return
        self.waits = True
        timer = threading.Timer(EVERY, self._fire)
        timer.daemon = True
        timer.start()

    def _fire(self) -> None:
        with self._app.app_context(), self._lock:
            self.waits = False
            try:
                self._write()
            except SQLAlchemyError as error:  # what is told next, or the end, tries again
                LOG.warning("What a job told is not written yet: %s", error)

    def flush(self) -> None:
        """Write now what waits."""
        with self._lock:
            self._write()

    @contextmanager
    def alone(self, patience: float = -1) -> Iterator[bool]:
        """Keep the thread from writing in the body, which is told whether it is so.

        A thread that writes just now is waited for, at most ``patience`` seconds: it may
        itself wait for what the caller holds of the database.
        """
        taken = self._lock.acquire(timeout=patience)
        try:
            yield taken
        finally:
            if taken:
                self._lock.release()
