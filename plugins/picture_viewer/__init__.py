"""Shows pictures: zoom, pan, and go from one to the next; no task is needed.

`routes.py` is what users reach, `pictures.py` makes what a browser can show.
"""

from app_runner.plugin_api import PluginBase, SecurityBlueprint, plugin_identifier

NAME, VERSION, TITLE = "picture-viewer", "1.0.0", "Picture viewer"
IDENTIFIER = plugin_identifier(NAME, VERSION)


class PictureViewer(PluginBase):
    """What the runner knows of the plugin."""

    name, version = NAME, VERSION
    description = "Shows one or several pictures: zoom, pan, and compare them."
    tags = ("image", "visualisation")

    def get_requirements(self) -> str:
        """Name what reads pictures."""
        return "pillow>=11.0"

    def get_api_blueprint(self) -> SecurityBlueprint:
        """Give the routes; imported here because they need what stands above."""
        from .routes import BLUEPRINT

        return BLUEPRINT
