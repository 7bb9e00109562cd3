"""The base class of visualisations with a page of their own, which need no task.

The page asks for data in a form; once it knows which, it shows them. A subclass says what
it asks for, and makes what its template shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from flask import Response, render_template, request, url_for
from flask.views import MethodView
from marshmallow import Schema
from requests import RequestException

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.errors import UserError
from app_runner.fetch.failures import why_failed
from app_runner.plugins.base import PluginBase
from app_runner.plugins.metadata import (
    EntryPoint,
    InputDataMetadata,
    PluginMetadata,
    PluginType,
)
from app_runner.ui.policy import viewer_page_policy
from app_runner.ui.processor_views import add_metadata_view

PAGE = "PageView"


class Viewer(PluginBase):
    """A visualisation: set the attributes, and write `show`."""

    #: What people call it.
    title: str = ""
    #: Media types of the data that it shows (``image/*`` stands for many).
    content_types: Sequence[str] = ()
    #: Schema of the form; the field ``data`` takes one URL or several.
    form: type[Schema] = Schema
    #: Schema of all that the page takes, if that is more.
    view: type[Schema] | None = None
    #: The template of the page, and its folder beside the module. It has what
    #: `simple_template.html` has, ``asset(name)`` with the URL of a file of the folder
    #: ``static``, and what `show` gives.
    template: str = ""
    template_folder: str = "templates"

    declared_by_object: ClassVar[bool] = False

    def show(self, values: dict[str, Any]) -> Mapping[str, Any]:
        """Give what the template shows for valid values.

        `UserError`, and what the ``requests`` library raises, are told beside the form.
        """
        raise NotImplementedError

    def add_routes(self, blueprint: SecurityBlueprint) -> None:
        """Add further routes."""

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Give the routes: metadata, the page, and further ones."""
        blueprint = SecurityBlueprint(
            self.identifier,
            type(self).__module__,
            description=self.description,
            template_folder=self.template_folder,
            static_folder="static",
        )
        add_metadata_view(blueprint, "", "PluginView", self.metadata)
        _add_page(blueprint, self)
        self.add_routes(blueprint)
        return blueprint

    def metadata(self) -> PluginMetadata:
        """Tell what the plugin does and takes."""
        data = InputDataMetadata("*", list(self.content_types), True, "data")
        return PluginMetadata(
            title=self.told(self.title),
            description=self.told(self.description),
            name=self.name,
            version=self.version,
            type=PluginType.visualization,
            entry_point=EntryPoint("./ui/", "./ui/", data_input=[data]),
            tags=list(self.tags),
        )

    def url(self, endpoint: str, **values: Any) -> str:
        """Give the URL of a view of the plugin; without ``endpoint`` of the page."""
        return url_for(f"{self.identifier}.{endpoint or PAGE}", **values)

    def page(self, errors: Mapping[str, Any], **shown: Any) -> Response:
        """Render the page: the form with its errors, or what is shown."""
        html = render_template(
            self.template,
            name=self.title,
            version=self.version,
            schema=self.form(),
            values=request.values,
            errors=errors,
            help_text=self.description,
            asset=lambda name: self.url("static", filename=name),
            **shown,
        )
        return Response(html, headers={"Content-Security-Policy": viewer_page_policy()})

    def answer(self, query: Mapping[str, Any]) -> Response:
        """Answer with the page that the query asks for."""
        schema = (self.view or self.form)()
        errors: Any = schema.validate(query)
        if not errors:
            try:
                return self.page({}, **self.show(dict(schema.load(query))))
            except UserError as error:
                errors = {"data": [str(error)]}
            except RequestException as error:
                errors = {"data": [why_failed(error)]}
        refused = self.page(errors)
        refused.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return refused


def _add_page(blueprint: SecurityBlueprint, viewer: Viewer) -> None:
    @blueprint.route("/ui/", endpoint=PAGE)
    class PageView(MethodView):
        """The page: a form that asks for data, or the data."""

        @blueprint.html_response(HTTPStatus.OK, description="The page.")
        @blueprint.require_jwt("jwt", optional=True)
        def get(self) -> Response:
            """Show what the query names; ``data`` may stand in it repeatedly."""
            if "data" not in request.args:
                return viewer.page({})
            given = request.args.getlist("data")
            data = given if len(given) > 1 else given[0]
            return viewer.answer({**request.args, "data": data})

        @blueprint.html_response(HTTPStatus.OK, description="The form with its errors.")
        @blueprint.require_jwt("jwt", optional=True)
        def post(self) -> Response:
            """Check what was filled in, and go on to the data."""
            if errors := viewer.form().validate(request.form):
                return viewer.page(errors)
            target = viewer.url(PAGE, data=request.form["data"])
            return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})
