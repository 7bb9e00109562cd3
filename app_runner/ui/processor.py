"""Plugins made of typed functions: metadata, form, entry point and job follow."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from flask import Response, redirect, render_template, request, url_for
from flask.views import MethodView

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.parameters import schema_of
from app_runner.api.plugin_schemas import PluginMetadataSchema
from app_runner.api.schemas import FrontendFormBaseSchema
from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase
from app_runner.plugins.metadata import (
    EntryPoint,
    OutputDataMetadata,
    PluginMetadata,
    PluginType,
)
from app_runner.tasks import processing, records
from app_runner.tasks.handle import Output, Task
from app_runner.tasks.recorder import CELERY, UNTIL_DATABASE_ANSWERS, RecordedTask

Function = Callable[..., str | None]


@dataclass(frozen=True)
class Processor:
    """A function with what was made from it."""

    function: Function
    schema: FrontendFormBaseSchema
    outputs: tuple[Output, ...]
    job: RecordedTask

    @property
    def description(self) -> str:
        """Give the function's docstring."""
        return inspect.getdoc(self.function) or ""


class Plugin(PluginBase):
    """A plugin declared by an object: ``plugin = Plugin("word-count", "1.0.0")``."""

    declared_by_object: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        version: str,
        *,
        title: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        requirements: str = "",
        type: PluginType = PluginType.processing,  # noqa: A002
    ) -> None:
        """Take what the plugin tells about itself; ``title`` is for people."""
        super().__init__()
        self.name, self.version = name, version
        self.title = title or name
        self.description = description
        self.tags = list(tags)
        self.requirements = requirements
        self.type = type
        self._processor: Processor | None = None

    def processor(
        self, *, outputs: Sequence[Output] = (), **task_options: Any
    ) -> Callable[[Function], Function]:
        """Declare the function that does the work.

        Its first parameter is the task, the others are the plugin's parameters, each with
        an annotation. It returns a text for the log. ``task_options`` are Celery's.
        """

        def declare(function: Function) -> Function:
            if self._processor is not None:
                raise PluginLoadError(f"plugin {self.name!r} has a processor already")
            schema, declared = schema_of(function), tuple(outputs)
            job = self._job(function, schema, declared, task_options)
            self._processor = Processor(function, schema, declared, job)
            self.description = self.description or self._processor.description
            return function

        return declare

    def _job(
        self,
        function: Function,
        schema: FrontendFormBaseSchema,
        outputs: tuple[Output, ...],
        options: dict[str, Any],
    ) -> RecordedTask:
        def call(task: Task, parameters: str) -> str | None:
            return function(task, **schema.load(json.loads(parameters)))

        def run(job: Any, db_id: int) -> None:
            processing.run(call, outputs, db_id, job.request)

        name = f"{self.identifier}.{function.__name__}"
        ours = {"bind": True, "ignore_result": True, "reject_on_worker_lost": True}
        return CELERY.task(name=name, **{**UNTIL_DATABASE_ANSWERS, **options, **ours})(
            run
        )

    def get_requirements(self) -> str:
        """Give the requirements as they were declared."""
        return self.requirements

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Make the routes: metadata, form and entry point."""
        if self._processor is None:
            raise NotImplementedError
        blueprint = SecurityBlueprint(
            self.identifier, __name__, description=str(self.description)
        )
        add_views(blueprint, self, self._processor)
        return blueprint

    def metadata(self) -> PluginMetadata:
        """Tell all about the plugin; URLs are relative to its root."""
        processor = self._processor
        outputs = processor.outputs if processor else ()
        return PluginMetadata(
            title=self.title,
            description=str(self.description),
            name=self.name,
            version=self.version,
            type=self.type,
            entry_point=EntryPoint(
                href="./process/",
                ui_href="./ui/",
                data_output=[_output(output) for output in outputs],
            ),
            tags=list(self.tags),
        )


def _output(output: Output) -> OutputDataMetadata:
    return OutputDataMetadata(
        data_type=output.data_type,
        content_type=[output.content_type],
        required=output.required,
        name=output.name,
    )


def add_views(blueprint: SecurityBlueprint, plugin: Plugin, processor: Processor) -> None:
    """Add the standard views of a processor to ``blueprint``."""
    schema = processor.schema
    form = _form(blueprint, plugin, processor)

    @blueprint.route("/")
    class PluginView(MethodView):
        """The plugin's metadata."""

        @blueprint.response(HTTPStatus.OK, PluginMetadataSchema())
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> PluginMetadata:
            """Tell what the plugin does, takes and gives."""
            return plugin.metadata()

    @blueprint.route("/ui/")
    class MicroFrontend(MethodView):
        """The plugin's form."""

        @blueprint.html_response(HTTPStatus.OK, description="The form.")
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> Response:
            """Show the form, filled in from the query."""
            return form(request.args, validate=bool(request.args))

        @blueprint.html_response(HTTPStatus.OK, description="The form with its errors.")
        @blueprint.require_jwt("jwt", optional=True)
        def post(self) -> Response:
            """Validate what was filled in and show the form again."""
            return form(request.form, validate=True)

    @blueprint.route("/process/")
    class ProcessView(MethodView):
        """The entry point."""

        @blueprint.arguments(schema, location="form")
        @blueprint.doc(responses={"303": {"description": "The task was started."}})
        @blueprint.require_jwt("jwt", optional=True)
        def post(self, parameters: dict[str, Any]) -> Any:
            """Start a task and redirect to it."""
            task_id = records.start(
                processor.job.name,
                plugin=plugin.identifier,
                parameters=schema.dumps(parameters),
            )
            processor.job.apply_async(kwargs={"db_id": task_id})
            return redirect(
                url_for("tasks-api.TaskView", task_id=task_id), HTTPStatus.SEE_OTHER
            )


def _form(
    blueprint: SecurityBlueprint, plugin: Plugin, processor: Processor
) -> Callable[..., Response]:
    schema = processor.schema
    checker = type(schema)(validate_errors_as_result=True)

    def show(values: Any, validate: bool) -> Response:
        errors = checker.load(values) if validate else {}
        page = render_template(
            "simple_template.html",
            name=plugin.title,
            version=plugin.version,
            schema=schema,
            values=values,
            errors=errors,
            valid=validate and not errors,
            process=url_for(f"{blueprint.name}.ProcessView"),
            help_text=processor.description,
        )
        return Response(page)

    return show
