"""Shows a table page by page, sorted and filtered on the server; no task is needed.

`routes.py` is what users reach, `store.py` keeps each table that is looked at in a SQLite
file, `view.py` asks that file for a page of it.
"""

from app_runner.plugin_api import PluginBase, SecurityBlueprint, plugin_identifier

NAME, VERSION, TITLE = "table-viewer", "1.0.0", "Table viewer"
IDENTIFIER = plugin_identifier(NAME, VERSION)


class TableViewer(PluginBase):
    """What the runner knows of the plugin."""

    name, version = NAME, VERSION
    description = "Shows a table: sort it, filter it, page through millions of rows."
    tags = ("table", "visualisation")

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Give the routes; imported here because they need what stands above."""
        from .routes import BLUEPRINT

        return BLUEPRINT
