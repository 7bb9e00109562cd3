"""Shows pictures: zoom, pan, and go from one to the next; no task is needed.

`routes.py` is what users reach, `pictures.py` makes what a browser can show.
"""

from urllib.parse import unquote, urlsplit

import marshmallow as ma

from app_runner.plugin_api import CSVList, FileUrl, FrontendFormBaseSchema, Viewer

KINDS = ["image/*"]
MOST_PICTURES = 50
#: The longer edge of the small pictures, in pixels.
SMALL = 96


class PicturesSchema(FrontendFormBaseSchema):
    """Which pictures are shown."""

    data = CSVList(
        FileUrl(),
        required=True,
        validate=ma.validate.Length(min=1, max=MOST_PICTURES),
        metadata={
            "label": "Pictures",
            "description": "URLs, separated by commas.",
            "data_input_type": "*",
            "data_content_types": KINDS,
        },
    )


class PictureViewer(Viewer):
    """What the runner knows of the plugin."""

    name, version, title = "picture-viewer", "1.0.0", "Picture viewer"
    description = "Shows one or several pictures: zoom, pan, and compare them."
    tags = ("image", "visualisation")
    content_types, form = KINDS, PicturesSchema
    template, template_folder = "picture_viewer.html", "templates_of_picture_viewer"

    def get_requirements(self):
        """Name what reads pictures."""
        return "pillow>=11.0"

    def show(self, values):
        """Give the pictures."""
        numbered = enumerate(values["data"], start=1)
        return {"pictures": [self.shown_as(number, url) for number, url in numbered]}

    def shown_as(self, number, url):
        """Give name and addresses of a picture."""
        parts = urlsplit(url)
        last = unquote(parts.path).rstrip("/").rpartition("/")[2]
        has_name = parts.scheme in ("http", "https") and "." in last
        return {
            "name": last if has_name else f"Picture {number}",
            "src": self.url("PictureView", data=url),
            "small": self.url("PictureView", data=url, edge=SMALL),
        }

    def add_routes(self, blueprint):
        """Add the view of a picture."""
        from .routes import add_picture_view

        add_picture_view(blueprint)
