"""Pages of plugins: a function that gives HTML and needs no task."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import current_app, redirect, request, url_for
from flask.views import MethodView
from flask_smorest.fields import Upload
from marshmallow import EXCLUDE, Schema, ValidationError

from app_runner.api import kept_parameters
from app_runner.api.arguments import FormValues
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.passwords import is_password
from app_runner.errors import PluginLoadError
from app_runner.plugins.base import PluginBase
from app_runner.ui.parameter_requests import (
    documented_body,
    documented_query,
    form_errors,
)
from app_runner.ui.processor_views import form_page
from app_runner.ui.processor_work import Function, called


@dataclass
class PluginPage:
    """A function that gives a page, the schema of its query, and where it is served."""

    function: Function
    schema: Schema
    title: str
    path: str

    @property
    def name(self) -> str:
        """Give the function's name."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """Give the function's docstring."""
        return inspect.getdoc(self.function) or ""

    def answer(self, plugin: PluginBase) -> Any:
        """Give the page, or the form for what the query lacks."""
        query: Any = FormValues(request.args, self.schema)
        try:
            values = self.schema.load(query, unknown=EXCLUDE)
        except ValidationError as error:
            errors = error.normalized_messages()  # type: ignore[no-untyped-call]
            shown = self.form(plugin, request.args, errors if request.args else None)
            status = HTTPStatus.UNPROCESSABLE_ENTITY if request.args else HTTPStatus.OK
            return shown, status
        if isinstance(values, dict):
            kept_parameters.finish(self.schema, values, {})
        return current_app.make_response(called(self.function, values))

    def form(self, plugin: PluginBase, values: Any, errors: Any) -> Any:
        """Render the form that asks for the page's parameters."""
        return form_page(
            self.schema,
            values,
            errors,
            name=self.title,
            version=plugin.version,
            help_text=self.description,
            shows_page=True,
        )


def check_query(schema: Schema, name: str) -> None:
    """Raise `PluginLoadError` for parameters that no URL may or can carry."""
    for parameter, declared in schema.fields.items():
        if is_password(declared) or isinstance(declared, Upload):
            raise PluginLoadError(
                f"parameter {parameter!r} of {name}: a page takes neither passwords nor "
                "uploads, because its parameters stand in the URL"
            )


def add_page_view(
    blueprint: SecurityBlueprint, plugin: PluginBase, page: PluginPage
) -> None:
    """Serve ``page``."""
    name = f"{page.name}-Page"

    @blueprint.route(f"/{page.path}", endpoint=name)
    class Page(MethodView):
        """A page of the plugin."""

        @blueprint.doc(**documented_query(page.schema))
        @blueprint.html_response(HTTPStatus.OK, description="The page.")
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> Any:
            """Show the page for the query, or a form where something is missing."""
            return page.answer(plugin)

        @blueprint.doc(**documented_body(page.schema))
        @blueprint.html_response(HTTPStatus.OK, description="The form with its errors.")
        @blueprint.require_jwt("jwt", optional=True)
        def post(self) -> Any:
            """Go to the page for what was filled in, or show what is wrong."""
            errors = form_errors(page.schema, request.form, sent_whole=True)
            if errors:
                return page.form(plugin, request.form, errors)
            query: dict[str, Any] = request.form.to_dict(flat=False)
            target = url_for(f"{blueprint.name}.{name}", **query)
            return redirect(target, HTTPStatus.SEE_OTHER)
