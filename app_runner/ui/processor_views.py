"""The standard views of a processor: metadata, form, entry point."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Response, current_app, redirect, render_template, request, url_for
from flask.views import MethodView
from marshmallow import Schema

from app_runner.api import kept_parameters
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.documents import Document, cached
from app_runner.api.idempotency import IDEMPOTENCY_KEY, SUBMITTED
from app_runner.api.parameter_fields import option_extras
from app_runner.api.plugin_schemas import PluginMetadataSchema
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask
from app_runner.plugins.base import PluginBase
from app_runner.plugins.metadata import PluginMetadata
from app_runner.tasks import records
from app_runner.ui.forms import page_language
from app_runner.ui.parameter_requests import (
    documented_body,
    documented_query,
    form_errors,
    sent,
    takes,
    upload_names,
)
from app_runner.ui.processor_work import Processor

METADATA = PluginMetadataSchema()


def endpoint(processor: Processor, view: str) -> str:
    """Name a view of a processor; that of a further one after its function."""
    return f"{processor.name}-{view}" if processor.path else view


def add_metadata_view(
    blueprint: SecurityBlueprint,
    path: str,
    name: str,
    metadata: Callable[[], PluginMetadata],
) -> None:
    """Serve metadata at ``path``; it is written once in each language."""
    told = metadata()
    lazy = not (isinstance(told.title, str) and isinstance(told.description, str))

    def document() -> Document:
        return Document.of_json(
            current_app.json.dumps(METADATA.dump(metadata())).encode()
        )

    @blueprint.route(f"/{path}", endpoint=name)
    class PluginView(MethodView):
        """The plugin's metadata."""

        @blueprint.response(HTTPStatus.OK, METADATA)
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> Response:
            """Tell what the plugin does, takes and gives."""
            language = page_language() if lazy else ""
            key = ("metadata", blueprint.name, name, language)
            return cached(key, document).response()


def add_form_view(
    blueprint: SecurityBlueprint, plugin: PluginBase, processor: Processor
) -> None:
    """Serve the form of ``processor``."""
    schema = processor.schema

    def form(values: Any, validate: bool, sent_whole: bool) -> Response:
        return form_page(
            schema,
            values,
            form_errors(schema, values, sent_whole) if validate else None,
            name=processor.title,
            version=plugin.version,
            process=url_for(f"{blueprint.name}.{endpoint(processor, 'ProcessView')}"),
            help_text=processor.description,
        )

    @blueprint.route(
        f"/{processor.path}ui/", endpoint=endpoint(processor, "MicroFrontend")
    )
    class MicroFrontend(MethodView):
        """The plugin's form."""

        @blueprint.doc(**documented_query(schema))
        @blueprint.html_response(HTTPStatus.OK, description="The form.")
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> Response:
            """Show the form, filled in from the query."""
            return form(request.args, bool(request.args), sent_whole=False)

        @blueprint.doc(**documented_body(schema))
        @blueprint.html_response(HTTPStatus.OK, description="The form with its errors.")
        @blueprint.require_jwt("jwt", optional=True)
        def post(self) -> Response:
            """Validate what was filled in and show the form again."""
            return form(sent(), True, sent_whole=True)


def add_process_view(
    blueprint: SecurityBlueprint, plugin: PluginBase, processor: Processor
) -> None:
    """Serve the entry point of ``processor``."""
    scopes = getattr(plugin, "scopes", ())

    @blueprint.route(
        f"/{processor.path}process/", endpoint=endpoint(processor, "ProcessView")
    )
    class ProcessView(MethodView):
        """The entry point."""

        @takes(blueprint, processor.schema)
        @blueprint.doc(responses=SUBMITTED, parameters=[IDEMPOTENCY_KEY])
        @blueprint.require_jwt("jwt", optional=True, scopes=scopes)
        def post(self, parameters: Any, files: Any = None) -> Any:
            """Start a task and redirect to it."""
            values = {**parameters, **files} if files else parameters
            task_id = start(processor, plugin.identifier, values)
            processor.job.apply_async(kwargs={"db_id": task_id})
            return to_task(task_id)


def start(processor: Processor, plugin: str, values: Any) -> int:
    """Write the row of a new task with its parameters, and give its id."""
    schema, name = processor.schema, processor.job.name
    if not upload_names(schema):
        parameters = kept_parameters.as_text(schema, values, task_id=0)
        return records.start(name, plugin=plugin, parameters=parameters)
    task = ProcessingTask(name, plugin=plugin, **records.journaled())
    DB.session.add(task)
    DB.session.flush()  # files lie below the number of their task
    task.parameters = kept_parameters.as_text(schema, values, task.id)
    DB.session.commit()
    return task.id


def to_task(task_id: int) -> Any:
    """Redirect to the document of a task."""
    url = url_for("tasks-api.TaskView", task_id=task_id)
    return redirect(url, HTTPStatus.SEE_OTHER)


def form_page(schema: Schema, values: Any, errors: Any, **shown: Any) -> Response:
    """Render a form; ``errors`` is None when nothing was validated."""
    page = render_template(
        "simple_template.html",
        schema=schema,
        values=values,
        errors=errors or {},
        valid=errors is not None and not errors,
        schema_extras=option_extras(schema),
        **shown,
    )
    return Response(page)
