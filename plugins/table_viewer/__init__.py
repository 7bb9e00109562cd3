"""Shows a table page by page, sorted and filtered on the server; no task is needed.

`store.py` keeps each table that is looked at in a SQLite file, `view.py` asks that file
for a page of it.
"""

from pathlib import Path

import marshmallow as ma
from flask import current_app

from app_runner.plugin_api import FileUrl, FrontendFormBaseSchema, Viewer, open_url

from .store import Store
from .view import Asked, View

KINDS = ["text/csv", "application/json", "application/x-lines+json"]
PAGE_SIZES = [25, 50, 100, 500]


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


class TableViewer(Viewer):
    """What the runner knows of the plugin."""

    name, version, title = "table-viewer", "1.0.0", "Table viewer"
    description = "Shows a table: sort it, filter it, page through millions of rows."
    tags = ("table", "visualisation")
    content_types, form, view = KINDS, TableSchema, ViewSchema
    template, template_folder = "table_viewer.html", "templates_of_table_viewer"

    def show(self, values):
        """Give the part of the table that is asked for."""
        url = values.pop("data")
        view = View(self.table_file(url), Asked(**values))
        return {
            "view": view,
            "link": lambda **changed: self.link(view, url, changed),
            "page_sizes": PAGE_SIZES,
        }

    def table_file(self, url):
        """Give the file that holds the table at ``url``."""
        store = Store(Path(current_app.instance_path, "cache", self.name))
        with open_url(url) as response:
            return store.table(url, response)

    def link(self, view, url, changed):
        """Give the address of the page with something changed; the usual is left out."""
        usual, shown = vars(Asked()), {**vars(view.asked), "page": view.page, **changed}
        query = {name: value for name, value in shown.items() if value != usual[name]}
        return self.url("", data=url, **query)
