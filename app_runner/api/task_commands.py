"""What can be asked of a task by POST: a table of commands, each a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema

from app_runner.api.fields import FileUrl
from app_runner.api.reruns import rerun
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import task_url
from app_runner.api.url_check import WEB_SCHEMES
from app_runner.db.models import ProcessingTask
from app_runner.tasks import cancelling, subscriptions
from app_runner.tasks.signals import EVENTS

#: Gets the task and the values of the body; None is answered with the task's document.
Command = Callable[[ProcessingTask, dict[str, Any]], Response | None]


def _cancel(task: ProcessingTask, values: dict[str, Any]) -> None:
    cancelling.cancel(task.id)


def _subscribe(task: ProcessingTask, values: dict[str, Any]) -> None:
    hook, event = values["webhook_href"], values["event"]
    subscriptions.subscribe(task, hook, task_url(task.id), event)


def _unsubscribe(task: ProcessingTask, values: dict[str, Any]) -> None:
    subscriptions.unsubscribe(task, values["webhook_href"], values["event"])


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "cancel": _cancel,
        "rerun": rerun,
        "subscribe": _subscribe,
        "unsubscribe": _unsubscribe,
    }
)
NEED_WEBHOOK = ("subscribe", "unsubscribe")

COMMAND_RESPONSES = {
    "303": {"description": "The task was started again, as a new one."},
    "404": {"description": "There is no such task."},
    "409": {"description": "The task has ended, or cannot be started again."},
    "429": {"description": "There are too many unfinished tasks."},
}


class TaskCommandSchema(MaBaseSchema):
    """A command: end the task, run it again, tell a webhook of changes or no longer.

    ``parameters`` are those of ``rerun`` that shall differ from the task's own.
    """

    command = fields.String(required=True, validate=validate.OneOf(tuple(COMMANDS)))
    webhook_href = FileUrl(allow_none=False, schemes=WEB_SCHEMES)
    event = fields.String(
        load_default=None, allow_none=True, validate=validate.OneOf(tuple(EVENTS))
    )
    parameters = fields.Dict(keys=fields.String(), load_default=None, allow_none=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _needs_receiver(
        self, data: Mapping[str, Any], sent: Any, **_options: Any
    ) -> None:
        if not isinstance(sent, Mapping):
            return
        receiver = sent.get("webhookHref", "")
        if isinstance(receiver, str) and not receiver.strip():  # else its field judges
            needs = data.get("command", sent.get("command")) in (None, *NEED_WEBHOOK)
            required = self.fields["webhook_href"].error_messages["required"]
            if needs:
                raise ValidationError(required, "webhookHref")
