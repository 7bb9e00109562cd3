"""The log lines of a task, as they come, attempt by attempt."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, jsonify
from flask.views import MethodView
from marshmallow import fields, validate

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.schemas import MaBaseSchema
from app_runner.ids import MAX_ID
from app_runner.tasks import log_reading, records

MOST_LINES = 10_000


class LogQuerySchema(MaBaseSchema):
    """Which lines: from line ``offset`` (0 is the first) of an attempt, or the newest."""

    attempt = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    offset = fields.Integer(load_default=0, validate=validate.Range(0, MAX_ID))
    limit = fields.Integer(load_default=1000, validate=validate.Range(1, MOST_LINES))


class LogSchema(MaBaseSchema):
    """Lines of one attempt.

    ``offset`` is the number of the first line given, ``next`` the offset to go on with.
    ``complete`` tells that nothing will follow what is there.
    """

    attempt = fields.Integer(required=True)
    attempts = fields.List(fields.Integer(), required=True)
    offset = fields.Integer(required=True)
    next = fields.Integer(required=True)
    lines = fields.List(fields.String(), required=True)
    complete = fields.Boolean(required=True)


def serve(blueprint: SecurityBlueprint) -> None:
    """Serve the log below each task of ``blueprint``."""

    @blueprint.route("/<signed_task:task_id>/log", strict_slashes=False)
    class TaskLogView(MethodView):
        """What the jobs of a task printed and logged."""

        @blueprint.arguments(LogQuerySchema(), location="query")
        @blueprint.response(HTTPStatus.OK, LogSchema())
        @blueprint.require_jwt("jwt", optional=True)
        def get(self, query: dict[str, Any], task_id: int) -> Response:
            """Give log lines, also while the task runs."""
            task = records.get(task_id)
            attempts = log_reading.attempts_with_lines(task_id)
            newest = max([*attempts, task.attempt])
            attempt = query.get("attempt", newest)
            found = log_reading.read(task_id, attempt, query["offset"], query["limit"])
            document = {
                "attempt": attempt,
                "attempts": attempts,
                "offset": found.first,
                "next": found.following,
                "lines": found.lines,
                "complete": task.is_finished or attempt < task.attempt,
            }
            return jsonify(document)
