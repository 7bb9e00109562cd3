"""Periodic runs over HTTP: made, listed, deleted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NoReturn

from flask import Flask, Response, abort, current_app, jsonify, request, url_for
from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import func, select
from werkzeug.exceptions import UnprocessableEntity

from app_runner.api import inner_requests, scheduling
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.credentials import ADMIN
from app_runner.api.identity import require_owner, require_user, visible_to_user
from app_runner.api.kept_parameters import SEALED
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.submits import secret_names_of
from app_runner.api.task_document import task_url
from app_runner.api.task_execution import is_secret, masked, time_text
from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.db import audit
from app_runner.db.engine import DB
from app_runner.db.models import Schedule
from app_runner.db.types import now
from app_runner.tasks.sealing import seal

BLUEPRINT = SecurityBlueprint(
    "schedules-api", __name__, description="Periodic runs of plugins."
)
#: Schedules that one user may have.
MOST = 100


class NewScheduleSchema(MaBaseSchema):
    """What to run when.

    ``cron`` has five fields (minute, hour, day of month, month, day of week; UTC).
    ``parameters`` are those of the entry point, which is the plugin's unless given.
    """

    plugin = fields.String(required=True, validate=validate.Length(1, 255))
    cron = fields.String(required=True, validate=validate.Length(9, 255))
    parameters = fields.Dict(keys=fields.String(), load_default=dict)
    entry_point = fields.String(validate=validate.Length(1, 2000))


class ScheduleSchema(MaBaseSchema):
    """A schedule; ``problem`` is why the last run was not started, if it was not."""

    href = fields.Url(required=True)
    plugin = fields.String(required=True)
    entry_point = fields.String(required=True)
    cron = fields.String(required=True)
    parameters = fields.Dict(required=True)
    created_at = fields.DateTime(required=True)
    next_run_at = fields.DateTime(required=True)
    last_run_at = fields.DateTime(required=True, allow_none=True)
    last_task = fields.Url(required=True, allow_none=True)
    problem = fields.String(required=True, allow_none=True)


class SchedulesSchema(MaBaseSchema):
    """All schedules that the caller may see."""

    schedules = fields.List(fields.Nested(ScheduleSchema()), required=True)


@BLUEPRINT.route("/")
class SchedulesView(MethodView):
    """All schedules."""

    @BLUEPRINT.response(HTTPStatus.OK, SchedulesSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self) -> Response:
        """List own schedules."""
        query = visible_to_user(select(Schedule), Schedule.owner)
        found = DB.session.scalars(query.order_by(Schedule.id))
        return jsonify({"schedules": [describe(schedule) for schedule in found]})

    @BLUEPRINT.arguments(NewScheduleSchema(), location="json")
    @BLUEPRINT.response(HTTPStatus.CREATED, ScheduleSchema())
    @BLUEPRINT.doc(responses={"409": {"description": "There are too many."}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, new: dict[str, Any]) -> Response:
        """Make a schedule; it first runs at the next time that the expression names."""
        schedule = _made(new)
        schedule.save(commit=True)
        response = jsonify(describe(schedule))
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = _url(schedule.id)
        return response


@BLUEPRINT.route("/<signed_schedule:schedule_id>/")
class ScheduleView(MethodView):
    """One schedule."""

    @BLUEPRINT.response(HTTPStatus.OK, ScheduleSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, schedule_id: int) -> Response:
        """Tell when it last ran, and when it will."""
        return jsonify(describe(_own(schedule_id)))

    @BLUEPRINT.response(HTTPStatus.NO_CONTENT)
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def delete(self, schedule_id: int) -> Response:
        """Delete it; tasks that it has started go on."""
        _own(schedule_id).delete(commit=True)
        audit.record("schedule.delete", request.path)
        return Response(status=HTTPStatus.NO_CONTENT)


def _own(schedule_id: int) -> Schedule:
    schedule = Schedule.get_by_id(schedule_id)
    if schedule is None:
        abort(HTTPStatus.NOT_FOUND)
    require_owner(schedule)
    return schedule


def _made(new: dict[str, Any]) -> Schedule:
    caller, plugin = require_user(), new["plugin"]
    own = select(func.count()).select_from(Schedule).where(Schedule.owner == caller.user)
    if (DB.session.scalar(own) or 0) >= MOST:
        text = _("There are %(n)d schedules already; delete one first.", n=MOST)
        abort(HTTPStatus.CONFLICT, text)
    return Schedule(
        owner=caller.user,
        scopes=sorted(caller.scopes - {ADMIN}),
        plugin=plugin,
        entry_point=_entry_point(plugin, new.get("entry_point")),
        base_url=base_url(current_app) or "",
        parameters=_sealed(plugin, new["parameters"]),
        cron=new["cron"],
        next_run_at=_first_time(new["cron"]),
    )


def _first_time(cron: str) -> Any:
    try:
        return scheduling.next_time(cron, now())
    except ValueError as error:
        text = _(
            "This is no cron expression with a time to come: %(reason)s", reason=error
        )
        _refuse("cron", text)


def _entry_point(plugin: str, given: str | None) -> str:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    path = given or inner_requests.entry_point(app, base_url(app) or "", plugin)
    if path is None:
        _refuse("plugin", _("This plugin is not there, or has no entry point."))
    if not path.startswith(f"/plugins/{plugin}/") or ".." in path:
        _refuse("entryPoint", _("The entry point must be a path of the plugin."))
    return path


def _sealed(plugin: str, parameters: dict[str, Any]) -> dict[str, Any]:
    names = secret_names_of(plugin)
    return {
        name: {SEALED: seal(value)} if is_secret(name, value, names) else value
        for name, value in parameters.items()
        if not isinstance(value, dict)  # what only we write down
    }


def _refuse(field: str, text: str) -> NoReturn:
    """Answer 422 as for a field that the schema refuses."""
    error: Any = UnprocessableEntity()
    error.data = {"messages": {"json": {field: [text]}}}
    raise error


def describe(schedule: Schedule) -> dict[str, Any]:
    """Write a schedule down, without secrets."""
    task_id = schedule.last_task_id
    return {
        "href": _url(schedule.id),
        "plugin": schedule.plugin,
        "entryPoint": schedule.entry_point,
        "cron": schedule.cron,
        "parameters": masked(schedule.parameters),
        "createdAt": time_text(schedule.created_at),
        "nextRunAt": time_text(schedule.next_run_at),
        "lastRunAt": time_text(schedule.last_run_at),
        "lastTask": None if task_id is None else task_url(task_id),
        "problem": schedule.problem,
    }


def _url(schedule_id: int) -> str:
    return url_for("schedules-api.ScheduleView", schedule_id=schedule_id, _external=True)
