"""What users reach: metadata, and the page with the table."""

from http import HTTPStatus
from pathlib import Path

import marshmallow as ma
from flask import Response, current_app, render_template, request, url_for
from flask.views import MethodView
from requests import RequestException

from app_runner.plugin_api import (
    EntryPoint,
    FileUrl,
    FrontendFormBaseSchema,
    InputDataMetadata,
    PluginMetadata,
    PluginMetadataSchema,
    PluginType,
    SecurityBlueprint,
    UserError,
    open_url,
)

from . import IDENTIFIER, NAME, TITLE, VERSION, TableViewer
from .store import Store
from .view import Asked, View

KINDS = ["text/csv", "application/json", "application/x-lines+json"]
PAGE_SIZES = [25, 50, 100, 500]
#: Nothing inline and nothing from elsewhere but styles, which a host page may load.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' http: https:; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"
)
BLUEPRINT = SecurityBlueprint(
    IDENTIFIER,
    __name__,
    description=TableViewer.description,
    template_folder="templates_of_table_viewer",
    static_folder="static",
)


class TableSchema(FrontendFormBaseSchema):
    """Which table is shown."""

    data = FileUrl(
        required=True,
        data_input_type="*",
        data_content_types=KINDS,
        metadata={"label": "Table", "description": "CSV, JSON or JSON lines."},
    )


class ViewSchema(TableSchema):
    """Which part of it is shown."""

    sort = ma.fields.String(load_default="", metadata={"label": "Sorted by"})
    order = ma.fields.String(
        load_default="asc",
        validate=ma.validate.OneOf(["asc", "desc"]),
        metadata={"label": "Order"},
    )
    filter = ma.fields.String(
        load_default="",
        validate=ma.validate.Length(max=500),
        metadata={"label": "Rows with"},
    )
    column = ma.fields.String(load_default="", metadata={"label": "In column"})
    page = ma.fields.Integer(
        load_default=1, validate=ma.validate.Range(1, 10**7), metadata={"label": "Page"}
    )
    rows = ma.fields.Integer(
        load_default=50, validate=ma.validate.Range(1, 1000), metadata={"label": "Rows"}
    )


@BLUEPRINT.route("/")
class PluginView(MethodView):
    """The plugin's metadata."""

    @BLUEPRINT.response(HTTPStatus.OK, PluginMetadataSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self):
        """Tell what the plugin does and takes."""
        return PluginMetadata(
            title=TITLE,
            description=TableViewer.description,
            name=NAME,
            version=VERSION,
            type=PluginType.visualization,
            entry_point=EntryPoint(
                "./ui/", "./ui/", data_input=[InputDataMetadata("*", KINDS, True, "data")]
            ),
            tags=list(TableViewer.tags),
        )


@BLUEPRINT.route("/ui/")
class TablePage(MethodView):
    """The page: a form that asks for a table, or a part of the table."""

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The page.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self):
        """Show the part of the table that the query names."""
        if "data" not in request.args:
            return page({})
        schema = ViewSchema()
        errors = schema.validate(request.args)
        if not errors:
            chosen = schema.load(request.args)
            url = chosen.pop("data")
            try:
                return page({}, View(table_file(url), Asked(**chosen)), url)
            except (UserError, RequestException) as error:
                errors = {"data": [reason(error)]}
        return page(errors), HTTPStatus.UNPROCESSABLE_ENTITY

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form with its errors.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self):
        """Check what was filled in, and go to the table."""
        if errors := TableSchema().validate(request.form):
            return page(errors)
        target = url_for(f"{IDENTIFIER}.TablePage", data=request.form["data"])
        return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


def table_file(url):
    """Give the file that holds the table at ``url``."""
    store = Store(Path(current_app.instance_path, "cache", NAME))
    with open_url(url) as response:
        return store.table(url, response)


def reason(error):
    """Say why a table cannot be shown."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"The table cannot be read: the answer was {answer.status_code}."
    is_told = isinstance(error, UserError)
    return str(error) if is_told else "The table cannot be read: nobody answers."


def page(errors, view=None, url=""):
    """Render the page."""
    html = render_template(
        "table_viewer.html",
        name=TITLE,
        version=VERSION,
        schema=TableSchema(),
        values=request.values,
        errors=errors,
        help_text=TableViewer.description,
        view=view,
        link=lambda **changed: link(view, url, changed),
        page_sizes=PAGE_SIZES,
        styles=url_for(f"{IDENTIFIER}.static", filename="table_viewer.css"),
    )
    return Response(html, headers={"Content-Security-Policy": POLICY})


def link(view, url, changed):
    """Give the address of the page with something changed; what is usual is left out."""
    usual, shown = vars(Asked()), {**vars(view.asked), "page": view.page, **changed}
    query = {name: value for name, value in shown.items() if value != usual[name]}
    return url_for(f"{IDENTIFIER}.TablePage", data=url, **query)
