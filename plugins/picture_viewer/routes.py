"""What users reach: metadata, the page, and the pictures on it."""

from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import marshmallow as ma
from flask import Response, abort, render_template, request, url_for
from flask.views import MethodView
from requests import RequestException

from app_runner.plugin_api import (
    CSVList,
    EntryPoint,
    FileUrl,
    FrontendFormBaseSchema,
    InputDataMetadata,
    PluginMetadata,
    PluginMetadataSchema,
    PluginType,
    SecurityBlueprint,
    UserError,
    get_mimetype,
    open_url,
)

from . import IDENTIFIER, NAME, TITLE, VERSION, PictureViewer

KINDS = ["image/*"]
MOST_PICTURES = 50
#: Bytes that are fetched, and the longer edge of what is sent, in pixels.
MOST_BYTES, LONGEST_EDGE = 2**26, 4096
#: Nothing inline and nothing from elsewhere but styles, which a host page may load.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' http: https:; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'"
)
#: An SVG that is opened alone runs nothing and loads nothing.
PICTURE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PICTURE = {
    "description": "The picture, scaled down.",
    "content": {"image/png": {}, "image/jpeg": {}},
}
BLUEPRINT = SecurityBlueprint(
    IDENTIFIER,
    __name__,
    description=PictureViewer.description,
    template_folder="templates_of_picture_viewer",
    static_folder="static",
)


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


class PictureSchema(ma.Schema):
    """Which picture is sent."""

    data = FileUrl(required=True, metadata={"label": "Picture"})
    edge = ma.fields.Integer(
        load_default=LONGEST_EDGE,
        validate=ma.validate.Range(16, LONGEST_EDGE),
        metadata={"label": "Longer edge"},
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
            description=PictureViewer.description,
            name=NAME,
            version=VERSION,
            type=PluginType.visualization,
            entry_point=EntryPoint(
                "./ui/", "./ui/", data_input=[InputDataMetadata("*", KINDS, True, "data")]
            ),
            tags=list(PictureViewer.tags),
        )


@BLUEPRINT.route("/ui/")
class PicturesPage(MethodView):
    """The page: a form that asks for pictures, or the pictures."""

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The page.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self):
        """Show the pictures that the query names, which may have ``data`` repeatedly."""
        if "data" not in request.args:
            return page({})
        given = request.args.getlist("data")
        values = {"data": given if len(given) > 1 else given[0]}
        if errors := PicturesSchema().validate(values):
            return page(errors), HTTPStatus.UNPROCESSABLE_ENTITY
        return page({}, PicturesSchema().load(values)["data"])

    @BLUEPRINT.html_response(HTTPStatus.OK, description="The form with its errors.")
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self):
        """Check what was filled in, and go to the pictures."""
        if errors := PicturesSchema().validate(request.form):
            return page(errors)
        target = url_for(f"{IDENTIFIER}.PicturesPage", data=request.form["data"])
        return Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


@BLUEPRINT.route("/picture/")
class PictureView(MethodView):
    """A picture, as browsers can show it."""

    @BLUEPRINT.arguments(PictureSchema(), location="query")
    @BLUEPRINT.doc(responses={"200": PICTURE})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, arguments):
        """Fetch a picture, and make it smaller when it is very large."""
        from .pictures import shown  # Pillow takes its time to be imported

        try:
            with open_url(arguments["data"], max_bytes=MOST_BYTES) as response:
                kind = get_mimetype(response, "")
                content, kind = shown(response.content, kind, arguments["edge"])
        except UserError as error:
            abort(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except RequestException:
            abort(HTTPStatus.UNPROCESSABLE_ENTITY, "The picture cannot be fetched.")
        headers = {
            "Cache-Control": "private, max-age=300",
            "Content-Security-Policy": PICTURE_POLICY,
            "X-Content-Type-Options": "nosniff",
        }
        return Response(content, mimetype=kind, headers=headers)


def page(errors, urls=()):
    """Render the page."""
    html = render_template(
        "picture_viewer.html",
        name=TITLE,
        version=VERSION,
        schema=PicturesSchema(),
        values=request.values,
        errors=errors,
        help_text=PictureViewer.description,
        pictures=[shown_as(number, url) for number, url in enumerate(urls, start=1)],
        styles=url_for(f"{IDENTIFIER}.static", filename="picture_viewer.css"),
        script=url_for(f"{IDENTIFIER}.static", filename="picture_viewer.js"),
    )
    return Response(html, headers={"Content-Security-Policy": POLICY})


def shown_as(number, url):
    """Give name and addresses of a picture."""
    parts = urlsplit(url)
    last = unquote(parts.path).rstrip("/").rpartition("/")[2]
    has_name = parts.scheme in ("http", "https") and "." in last
    view = f"{IDENTIFIER}.PictureView"
    return {
        "name": last if has_name else f"Picture {number}",
        "src": url_for(view, data=url),
        "small": url_for(view, data=url, edge=96),
    }
