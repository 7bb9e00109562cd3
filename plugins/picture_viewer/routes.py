"""The view of one picture, beside the page."""

from http import HTTPStatus

import marshmallow as ma
from flask import Response, abort
from flask.views import MethodView
from requests import RequestException

from app_runner.plugin_api import FileUrl, UserError, get_mimetype, open_url

#: Bytes that are fetched, and the longer edge of what is sent, in pixels.
MOST_BYTES, LONGEST_EDGE = 2**26, 4096
#: An SVG that is opened alone runs nothing and loads nothing.
PICTURE_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
PICTURE = {
    "description": "The picture, scaled down.",
    "content": {"image/png": {}, "image/jpeg": {}},
}


class PictureSchema(ma.Schema):
    """Which picture is sent."""

    data = FileUrl(required=True, metadata={"label": "Picture"})
    edge = ma.fields.Integer(
        load_default=LONGEST_EDGE,
        validate=ma.validate.Range(16, LONGEST_EDGE),
        metadata={"label": "Longer edge"},
    )


def add_picture_view(blueprint):
    """Serve pictures below the plugin."""

    @blueprint.route("/picture/")
    class PictureView(MethodView):
        """A picture, as browsers can show it."""

        @blueprint.arguments(PictureSchema(), location="query")
        @blueprint.doc(responses={"200": PICTURE})
        @blueprint.require_jwt("jwt", optional=True)
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
