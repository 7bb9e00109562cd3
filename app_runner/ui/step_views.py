"""The views of steps: the form that asks, and the answer that starts the next part."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, abort, request, url_for
from flask.views import MethodView
from marshmallow import Schema

from app_runner.api import kept_parameters
from app_runner.api.arguments import FORM_TYPES
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.parameter_fields import answering
from app_runner.db.models import ProcessingTask
from app_runner.errors import StepError, UserError
from app_runner.plugins.base import PluginBase
from app_runner.state import current_runner
from app_runner.tasks import calls, records, steps
from app_runner.tasks.asking import Question
from app_runner.ui.parameter_requests import (
    BODY_ERRORS,
    form_errors,
    parsed,
    sent,
)
from app_runner.ui.processor_views import form_page, to_task
from app_runner.ui.processor_work import Processor

#: One for all plugins: a route costs each of them as much as its whole form at start.
BLUEPRINT = SecurityBlueprint(
    "steps", __name__, description="Steps of tasks that wait for input."
)
RULE = "/<string:plugin>/steps/<int:task_id>/<int:number>/"
#: What an answer looks like is known only when the task asks.
BODY = {
    "content": {
        kind: {"schema": {"type": "object", "additionalProperties": True}}
        for kind in (*FORM_TYPES, "application/json")
    },
    "required": False,
}
GONE_ON = {"409": {"description": "The step does not wait for an answer (any more)."}}

ANSWERED = {
    "303": {"description": "The task goes on."},
    "415": {"description": "The body is of a type that is not supported."},
    "422": {"description": "The answer does not fit what was asked for."},
    **BODY_ERRORS,
    **GONE_ON,
}


@BLUEPRINT.route(f"{RULE}ui/")
class StepForm(MethodView):
    """The form of a step."""

    @BLUEPRINT.doc(responses=GONE_ON)
    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, plugin: str, task_id: int, number: int) -> Response:
        """Show what is asked for, filled in from the query."""
        step = waiting(plugin, task_id, number)
        return step.form(request.args, bool(request.args), sent_whole=False)

    @BLUEPRINT.doc(responses={**GONE_ON, **BODY_ERRORS}, requestBody=BODY)
    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form with its errors.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, plugin: str, task_id: int, number: int) -> Response:
        """Validate what was filled in and show the form again."""
        return waiting(plugin, task_id, number).form(sent(), True, sent_whole=True)


@BLUEPRINT.route(RULE)
class StepView(MethodView):
    """A step that waits."""

    @BLUEPRINT.doc(responses=ANSWERED, requestBody=BODY)
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, plugin: str, task_id: int, number: int) -> Any:
        """Take the answer, go on with the task and redirect to it."""
        waiting(plugin, task_id, number).answer()
        return to_task(task_id)


@BLUEPRINT.route(f"{RULE}called/")
class CallView(MethodView):
    """A call of another plugin, which tells us here that its task has ended."""

    @BLUEPRINT.doc(responses={"204": {"description": "It was taken note of."}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, plugin: str, task_id: int, number: int) -> Any:
        """Look how far the called task is, soon."""
        if steps.waiting_call(records.get(task_id), number) is not None:
            calls.look_now(task_id, number)
        return "", HTTPStatus.NO_CONTENT


def waiting(identifier: str, task_id: int, number: int) -> WaitingStep:
    """Give the step that waits; 404 for a foreign task, 409 when it does not wait."""
    task = records.get(task_id)
    loaded = current_runner.registry.get(identifier)
    plugin = loaded.plugin if loaded else None
    find = getattr(plugin, "processor_of_job", None)
    processor: Processor | None = find(task.task_name) if find else None
    if plugin is None or processor is None or task.plugin != identifier:
        abort(HTTPStatus.NOT_FOUND)
    if all(step.number != number for step in task.steps):
        abort(HTTPStatus.NOT_FOUND)
    with conflicts():
        question = steps.waiting_question(task, number)
    return WaitingStep(plugin, processor, task, number, question)


@dataclass
class WaitingStep:
    """A step with all that belongs to it."""

    plugin: PluginBase
    processor: Processor
    task: ProcessingTask
    number: int
    question: Question

    @property
    def schema(self) -> Schema:
        """Give the schema of the answer."""
        return self.processor.schema_named(self.question.parameters)

    @property
    def state(self) -> Any:
        """Give what the task asked with; 409 when nobody can read it any more."""
        try:
            return self.question.read()[0]
        except UserError as error:
            abort(HTTPStatus.CONFLICT, str(error))

    def form(self, values: Any, validate: bool, sent_whole: bool) -> Response:
        """Render the form."""
        schema, then = self.schema, self.processor.find(self.question.then)
        title = self.question.title
        where: dict[str, Any] = {"task_id": self.task.id, "number": self.number}
        with answering(self.state):
            return form_page(
                schema,
                values,
                form_errors(schema, values, sent_whole) if validate else None,
                name=title or self.processor.title,
                version="" if title else self.plugin.version,
                is_step=bool(title),
                process=url_for("steps.StepView", plugin=self.plugin.identifier, **where),
                help_text=self.question.help or inspect.getdoc(then),
            )

    def answer(self) -> None:
        """Take the answer from the request and start the next part."""
        schema, task_id = self.schema, self.task.id
        with answering(self.state):
            values = parsed(schema)
        kept = kept_parameters.as_text(schema, values, task_id)
        with conflicts():
            steps.answer(self.task, self.number, kept)
        self.processor.job.apply_async(
            kwargs={"db_id": task_id, "after_step": self.number}
        )
        records.tell(task_id, status=False, steps=True)


@contextmanager
def conflicts() -> Iterator[None]:
    """Answer 409 when the task is elsewhere by now."""
    try:
        yield
    except StepError as error:
        abort(HTTPStatus.CONFLICT, str(error))
