"""Waiting for a database that is away, where work that is done would be lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError

from app_runner.db.engine import DB
from app_runner.tasks.exits import leave_if_unfit

LOG = logging.getLogger(__name__)
T = TypeVar("T")
DATABASE_AWAY = (OperationalError, InterfaceError)
LONGEST, PAUSE = 600.0, 1.0  # seconds


def patiently(action: Callable[[], T]) -> T:
    """Do it, again and again while the database does not answer, for ten minutes."""
    until = time.monotonic() + LONGEST
    while True:
        try:
            return action()
        except DATABASE_AWAY as error:
            DB.session.rollback()
            leave_if_unfit()  # it is not the database then
            if time.monotonic() > until:
                raise
            LOG.warning("What a job has done waits for the database: %s", error)
            time.sleep(PAUSE)
