"""Tasks over HTTP: the document that clients poll, and their subscriptions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response
from flask.views import MethodView
from marshmallow import ValidationError, fields, validate, validates_schema

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.fields import FileUrl
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import task_document, task_url
from app_runner.api.url_check import WEB_SCHEMES
from app_runner.tasks import cancelling, records, subscriptions
from app_runner.tasks.signals import EVENTS

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
    """What lies behind the status: exact state, attempts, times."""

    name = fields.String()
    plugin = fields.String(allow_none=True)
    state = fields.String()
    attempt = fields.Integer()
    max_attempts = fields.Integer()
    started_at = fields.DateTime()
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


class TaskCommandSchema(MaBaseSchema):
    """A command: end the task, or tell ``webhookHref`` of changes, or no longer."""

    command = fields.String(
        required=True, validate=validate.OneOf(("subscribe", "unsubscribe", "cancel"))
    )
    webhook_href = FileUrl(allow_none=False, schemes=WEB_SCHEMES)
    event = fields.String(
        load_default=None, allow_none=True, validate=validate.OneOf(tuple(EVENTS))
    )

    @validates_schema(skip_on_field_errors=False)
    def _needs_receiver(self, data: dict[str, Any], **_options: Any) -> None:
        required = self.fields["webhook_href"].error_messages["required"]
        if "webhook_href" not in data and data.get("command") != "cancel":
            raise ValidationError(required, "webhookHref")


@BLUEPRINT.route("/<signed_task:task_id>/")
class TaskView(MethodView):
    """One task."""

    @BLUEPRINT.response(HTTPStatus.OK, TaskSchema())
    @BLUEPRINT.doc(responses={"404": {"description": "There is no such task."}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, task_id: int) -> Response:
        """Give the task with its status, log, steps, progress and result files."""
        return task_document(task_id).response()

    @BLUEPRINT.arguments(TaskCommandSchema(), location="json")
    @BLUEPRINT.response(HTTPStatus.OK, TaskSchema())
    @BLUEPRINT.doc(responses={"404": {"description": "There is no such task."}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, command: dict[str, Any], task_id: int) -> Response:
        """Cancel the task, or subscribe a webhook to its changes, or unsubscribe it."""
        if command["command"] == "cancel":
            cancelling.cancel(task_id)
            return task_document(task_id).response()
        task = records.get(task_id)
        hook, event = command["webhook_href"], command["event"]
        if command["command"] == "subscribe":
            subscriptions.subscribe(task, hook, task_url(task_id), event)
        else:
            subscriptions.unsubscribe(task, hook, event)
        return task_document(task_id).response()
