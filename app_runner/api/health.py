"""Health: whether the process answers, and whether it can do its work."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.errors import UnavailableError
from app_runner.state import current_runner
from app_runner.tasks.queue import check_broker

BLUEPRINT = Blueprint("health", __name__, url_prefix="/health")
LOG = logging.getLogger(__name__)


@BLUEPRINT.get("/live")
def live() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "ok"}


@BLUEPRINT.get("/ready")
def ready() -> Response:
    """Ask database and broker; 503 when one does not answer."""
    checks = {"database": _database(), "broker": _broker()}
    good = all(result == "ok" for result in checks.values())
    response = jsonify({"status": "ok" if good else "unavailable", "checks": checks})
    if not good:
        response.status_code = 503
        response.headers["Retry-After"] = str(UnavailableError.retry_after)
    response.headers["Cache-Control"] = "no-store"
    return response


def _database() -> str:
    try:
        DB.session.execute(select(ProcessingTask.id).limit(1)).first()
    except SQLAlchemyError as error:
        DB.session.rollback()
        LOG.warning("Health: the database does not answer: %s", error)
        return "does not answer, or is not migrated"
    return "ok"


def _broker() -> str:
    try:
        check_broker(current_runner.celery)
    except UnavailableError as error:
        LOG.warning("Health: %s", error)
        return "does not answer"
    return "ok"
