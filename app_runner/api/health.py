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
from app_runner.tasks import canary
from app_runner.tasks.queue import check_broker

BLUEPRINT = Blueprint("health", __name__, url_prefix="/health")
LOG = logging.getLogger(__name__)


@BLUEPRINT.get("/live")
def live() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "ok"}


@BLUEPRINT.get("/ready")
def ready() -> Response:
    """Ask database and broker, and whether workers hear; 503 when something is wrong."""
    checks = {"database": _database(), "broker": _broker()}
    checks["workers"] = _workers() if checks["database"] == "ok" else "unknown"
    good = all(checks[name] == "ok" for name in ("database", "broker"))
    good = good and not checks["workers"].startswith("alive but deaf")
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


def _workers() -> str:
    try:
        return canary.state_of_workers()
    except SQLAlchemyError:
        DB.session.rollback()
        return "unknown"


def _broker() -> str:
    try:
        check_broker(current_runner.celery)
    except UnavailableError as error:
        LOG.warning("Health: %s", error)
        return "does not answer"
    return "ok"
