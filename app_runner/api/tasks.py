"""Tasks over HTTP: the document that clients poll, and what they ask of a task."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, abort, request
from flask.views import MethodView
from marshmallow import fields, validate

from app_runner.api import task_events, task_list, task_log
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.identity import require_owner
from app_runner.api.root import wants_html
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_commands import (
    COMMAND_RESPONSES,
    COMMANDS,
    NEED_WEBHOOK,
    TaskCommandSchema,
)
from app_runner.api.task_document import task_document
from app_runner.api.task_events import WaitSchema, wait_for_change
from app_runner.babel import gettext as _
from app_runner.db import audit
from app_runner.state import current_runner
from app_runner.tasks import deleting, records

#: Where the page of a task is found, if there are pages.
PAGE_OF_TASK = "task_page"
BLUEPRINT = SecurityBlueprint(
    "tasks-api", __name__, description="Tasks, their state and results."
)


class LinkSchema(MaBaseSchema):
    """A link; the one of type ``subscribe`` takes commands by POST."""

    type = fields.String(required=True)
    href = fields.Url(required=True)


class OutputSchema(MaBaseSchema):
    """A result file."""

    href = fields.Url(required=True)
    data_type = fields.String(required=True)
    content_type = fields.String(required=True, allow_none=True)
    name = fields.String()


class StepSchema(MaBaseSchema):
    """A point where the task waits for input; ``cleared`` when it was answered."""

    href = fields.String(required=True)
    ui_href = fields.String(required=True)
    step_id = fields.String(required=True)
    cleared = fields.Boolean(required=True)


class ProgressSchema(MaBaseSchema):
    """How far the work is."""

    start = fields.Float(required=True)
    target = fields.Float(required=True)
    value = fields.Float(required=True)
    unit = fields.String(required=True)


class AttemptSchema(MaBaseSchema):
    """One execution of the task's job."""

    number = fields.Integer()
    worker = fields.String()
    started_at = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    outcome = fields.String(allow_none=True)


class ExecutionSchema(MaBaseSchema):
    """What lies behind the status.

    Plugin, version and commit are those of the submit. ``startedAt`` is the time of the
    submit, ``runningSince`` that of the newest attempt. ``queuePosition`` is 1 for the
    next task (at most 1000), and null unless the task is queued.
    """

    name = fields.String()
    plugin = fields.String(allow_none=True)
    plugin_name = fields.String(allow_none=True)
    plugin_version = fields.String(allow_none=True)
    plugin_commit = fields.String(allow_none=True)
    parameters = fields.Raw(allow_none=True)
    state = fields.String()
    queue_position = fields.Integer(allow_none=True)
    attempt = fields.Integer()
    max_attempts = fields.Integer()
    worker = fields.String(allow_none=True)
    started_at = fields.DateTime()
    running_since = fields.DateTime(allow_none=True)
    finished_at = fields.DateTime(allow_none=True)
    attempts = fields.List(fields.Nested(AttemptSchema()))


class TaskSchema(MaBaseSchema):
    """A task; ``steps`` and ``progress`` are there only when there are any."""

    status = fields.String(
        required=True, validate=validate.OneOf(("PENDING", "SUCCESS", "FAILURE"))
    )
    log = fields.String(required=True)
    links = fields.List(fields.Nested(LinkSchema()), required=True)
    outputs = fields.List(fields.Nested(OutputSchema()), required=True)
    steps = fields.List(fields.Nested(StepSchema()))
    progress = fields.Nested(ProgressSchema())
    execution = fields.Nested(ExecutionSchema())


task_list.serve(BLUEPRINT)
task_log.serve(BLUEPRINT)
task_events.serve(BLUEPRINT)


FORMAT = {
    "name": "format",
    "in": "query",
    "description": "Give browsers the document too, not a page.",
    "schema": {"type": "string", "enum": ["json"]},
}


def _wants_page() -> bool:
    """Tell whether a person looks at the task; those who poll ask for no HTML."""
    is_asked = "text/html" in request.environ.get("HTTP_ACCEPT", "")
    return (
        is_asked and "format" not in request.args and wants_html(request.accept_mimetypes)
    )


@BLUEPRINT.route("/<signed_task:task_id>/")
class TaskView(MethodView):
    """One task."""

    @BLUEPRINT.response(HTTPStatus.OK, TaskSchema())
    @BLUEPRINT.doc(
        responses={"404": {"description": "There is no such task."}},
        parameters=[{"in": "query", "schema": WaitSchema()}, FORMAT],
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, task_id: int) -> Response:
        """Give the task with its status, log, steps, progress and result files.

        With ``wait``, the answer comes when the task has changed since the request (since
        the document that ``If-None-Match`` names), or when the time is over. A browser
        gets a page, unless the query has ``format=json``.
        """
        if "wait" in request.environ["QUERY_STRING"]:
            wait_for_change(task_id)
        document = task_document(task_id)
        show = current_runner.caches.get(PAGE_OF_TASK)
        if show is not None and _wants_page():
            page: Response = show(document)
            return page
        response = document.response()
        response.vary.add("Accept")
        return response

    @BLUEPRINT.arguments(TaskCommandSchema(), location="json")
    @BLUEPRINT.response(HTTPStatus.OK, TaskSchema())
    @BLUEPRINT.doc(responses=COMMAND_RESPONSES)
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, command: dict[str, Any], task_id: int) -> Response:
        """Ask something of the task: be told of changes, say."""
        task = records.get(task_id)
        if command["command"] not in NEED_WEBHOOK:  # to be told is to read
            require_owner(task)
        answer = COMMANDS[command["command"]](task, command)
        return answer or task_document(task_id).response()

    @BLUEPRINT.response(HTTPStatus.NO_CONTENT)
    @BLUEPRINT.doc(
        responses={
            "404": {"description": "There is no such task."},
            "409": {"description": "It has not ended, or its files are in use."},
            "410": {"description": "It is deleted already."},
        }
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def delete(self, task_id: int) -> None:
        """Delete the task with its files, once it has ended."""
        task = records.get(task_id)
        require_owner(task)
        if not task.is_finished:
            abort(HTTPStatus.CONFLICT, _("The task has not ended. Cancel it first."))
        try:
            deleting.delete_task(task)
        except deleting.InUse:
            abort(HTTPStatus.CONFLICT, _("A task that has not ended reads its files."))
        audit.record("task.delete", request.path)
