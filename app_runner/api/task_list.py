"""The list of tasks: own ones, the newest first, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import jsonify, request, url_for
from flask.views import MethodView
from marshmallow import ValidationError, fields, validate

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.identity import visible_to_user
from app_runner.api.running_jobs import may_run, running_jobs
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import task_url
from app_runner.api.task_execution import ended_state, job_state, time_text
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.tasks import listing

STATUSES = ("PENDING", "SUCCESS", "FAILURE")
MOST = 200


class CursorField(fields.String):
    """Where a page begins; made by the page before it."""

    def _deserialize(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return listing.Cursor.read(super()._deserialize(*args, **kwargs))
        except (ValueError, OverflowError):
            text = _("Take the cursor from the link to the next page.")
            raise ValidationError(text) from None


class TimeField(fields.AwareDateTime):
    """A point in time, given in UTC; one that UTC has no year for is none."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        try:
            return super()._deserialize(value, *args, **kwargs).astimezone(UTC)
        except OverflowError:
            kind = self.OBJ_TYPE
            raise self.make_error("invalid", input=value, obj_type=kind) from None


class TaskQuerySchema(MaBaseSchema):
    """What tasks to list: submitted from ``since`` on and before ``until``."""

    plugin = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    since = TimeField(default_timezone=UTC)
    until = TimeField(default_timezone=UTC)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST))
    cursor = CursorField()


class TaskEntrySchema(MaBaseSchema):
    """A task in a list; ``href`` is its document."""

    href = fields.Url(required=True)
    name = fields.String(required=True)
    plugin = fields.String(required=True, allow_none=True)
    plugin_version = fields.String(allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    state = fields.String(required=True)
    attempt = fields.Integer(required=True)
    max_attempts = fields.Integer(required=True)
    started_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(required=True, allow_none=True)


class TaskListSchema(MaBaseSchema):
    """A page of tasks; ``next`` is there when there are more."""

    tasks = fields.List(fields.Nested(TaskEntrySchema()), required=True)
    next = fields.Url()


def serve(blueprint: SecurityBlueprint) -> None:
    """Serve the list at the root of ``blueprint``."""

    @blueprint.route("/")
    class TasksView(MethodView):
        """All tasks that the caller may see."""

        @blueprint.arguments(TaskQuerySchema(), location="query")
        @blueprint.response(HTTPStatus.OK, TaskListSchema())
        @blueprint.require_jwt("jwt", optional=True)
        def get(self, query: dict[str, Any]) -> Any:
            """List own tasks from the newest to the oldest."""
            limit, cursor = query.pop("limit"), query.pop("cursor", None)
            wanted = listing.Wanted(**query, after=cursor)
            rows, following = listing.page(wanted, limit, visible_to_user)
            asked = [row.id for row in rows if may_run(row)]
            jobs = running_jobs(DB.session.connection(), asked)
            entries = [_entry(row, jobs.get(row.id)) for row in rows]
            document: dict[str, Any] = {"tasks": entries}
            if following is not None:
                document["next"] = _next_page(following)
            return jsonify(document)


def _next_page(cursor: listing.Cursor) -> str:
    same = {k: v for k, v in request.args.items() if k != "cursor"}
    same["cursor"] = str(cursor)
    return url_for("tasks-api.TasksView", _external=True, **same)


def _entry(row: Any, job: Any) -> dict[str, Any]:
    finished: datetime | None = row.finished_at
    entry = {
        "href": task_url(row.id),
        "name": row.task_name,
        "plugin": row.plugin,
        "pluginVersion": (row.origin or {}).get("version"),
        "status": "PENDING" if finished is None else row.task_status or "FAILURE",
        "state": ended_state(row.state, finished is not None, row.task_status),
        "attempt": row.attempt,
        "maxAttempts": row.max_attempts,
        "startedAt": time_text(row.started_at),
        "finishedAt": time_text(finished),
    }
    return entry if job is None else entry | job_state(job)
