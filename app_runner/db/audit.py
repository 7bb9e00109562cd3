"""The audit log: what was done by whom, as a row and as a line of the log."""

from __future__ import annotations

import logging
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models.access import AuditEvent
from app_runner.db.types import clean, now
from app_runner.state import REQUEST_ID, acting_user, current_runner

LOG = logging.getLogger("app_runner.audit")
#: Who acts when a command does.
OPERATOR = "operator"
_EVENT = cast(Table, AuditEvent.__table__)


def record(
    action: str, target: str = "", actor: str | None = None, **details: Any
) -> None:
    """Note that ``actor`` (else who calls) did something; commits the session.

    ``action`` is a word like ``token.create``; ``details`` must be JSON and no secrets.
    """
    row = {
        "happened_at": now(),
        "action": action,
        "actor": actor if actor is not None else acting_user(),
        "target": target,
        "address": current_runner.client_address(),
        "request_id": REQUEST_ID.get(),
        "details": details,
    }
    LOG.info(
        "%s target=%s actor=%s address=%s %s",
        action,
        one_line(target),
        one_line(row["actor"] or "-"),
        row["address"] or "-",
        " ".join(f"{key}={one_line(value)}" for key, value in details.items()),
    )
    try:
        DB.session.execute(insert(_EVENT), row)
        DB.session.commit()
    except SQLAlchemyError:  # what was done is done; the line above tells it
        DB.session.rollback()
        LOG.exception("The audit log cannot be written")


def one_line(value: object) -> str:
    """Give a value as it may stand in one line of a log."""
    return "".join(c if c.isprintable() else "?" for c in clean(str(value)))
