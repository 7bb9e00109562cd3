"""Asks twice: first for a text, then which of its words to look up.

A plugin with full control: own routes, own schemas, own Celery tasks. `routes.py` is what
users reach over HTTP, `jobs.py` what a worker does.
"""

from app_runner.plugin_api import PluginBase, SecurityBlueprint, plugin_identifier

NAME, VERSION, TITLE = "two-step", "1.0.0", "Find lines in two steps"


class TwoStep(PluginBase):
    """Finds the lines of a text that hold a word, which is chosen in a second step."""

    name = NAME
    version = VERSION
    description = "Counts the words of a text, then lists the lines with a chosen word."
    tags = ("example", "multi-step")
    translations = "translations"

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Give the routes."""
        from .routes import BLUEPRINT

        return BLUEPRINT


IDENTIFIER = plugin_identifier(NAME, VERSION)
