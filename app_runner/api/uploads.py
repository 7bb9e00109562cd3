"""Uploads over HTTP: a file in one request, or resumable by the tus protocol 1.0.

The protocol is at https://tus.io/protocols/resumable-upload; creation, creation with
upload, expiration and termination are spoken. The URL of an upload is where it goes on,
where its bytes are read from, and the right to do both.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from http import HTTPStatus
from typing import Any, BinaryIO, cast

from flask import Response, abort, request, url_for
from flask.views import MethodView
from marshmallow import EXCLUDE, fields
from werkzeug.exceptions import (
    Conflict,
    HTTPException,
    PreconditionFailed,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.http import http_date

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.errors import on_http_error
from app_runner.api.file_links import may_read
from app_runner.api.files import FileQuerySchema, file_response
from app_runner.api.identity import require_owner
from app_runner.api.multipart import first_file
from app_runner.api.operations import BINARY_BODY, UPLOAD_BODY
from app_runner.api.schemas import MaBaseSchema
from app_runner.babel import gettext as _
from app_runner.db import audit
from app_runner.db.models import Upload
from app_runner.errors import UserError
from app_runner.fetch import parse_content_disposition
from app_runner.tasks import uploads
from app_runner.tasks.quotas import QuotaExceeded

BLUEPRINT = SecurityBlueprint(
    "uploads-api", __name__, description="Files that tasks can be given as input."
)
VERSION = "1.0.0"
PIECE_TYPE = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,expiration,termination"
EXPOSED = "Location, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset"
#: Bytes of a multipart body that are not the file.
AROUND_A_FILE = 2**16
MAX_METADATA = 8192  # characters
STATUS: dict[type[UserError], type[HTTPException]] = {
    uploads.WrongOffset: Conflict,
    uploads.UploadTooLarge: RequestEntityTooLarge,
    QuotaExceeded: RequestEntityTooLarge,
    uploads.WrongType: UnsupportedMediaType,
}


class UploadQuerySchema(MaBaseSchema):
    """What a raw body does not say of itself."""

    class Meta:
        unknown = EXCLUDE

    name = fields.String(load_default="")


class UploadSchema(MaBaseSchema):
    """An upload; ``href`` can be given to any parameter that takes the URL of a file."""

    href = fields.Url(required=True)
    name = fields.String(required=True)
    content_type = fields.String(required=True)
    size = fields.Integer(required=True)
    expires_at = fields.DateTime(required=True)


@BLUEPRINT.route("/")
class UploadsView(MethodView):
    """Files in one request."""

    @BLUEPRINT.arguments(UploadQuerySchema(), location="query")
    @BLUEPRINT.response(HTTPStatus.CREATED, UploadSchema())
    @BLUEPRINT.doc(
        requestBody=UPLOAD_BODY, responses={"400": {}, "413": {}, "415": {}, "422": {}}
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self, query: dict[str, Any]) -> Any:
        """Bring a file as the body, or as the one file of a multipart form."""
        request.max_content_length = uploads.max_bytes() + AROUND_A_FILE
        declared: str | None = request.mimetype or None
        if declared == "multipart/form-data":
            with first_file(request) as (file, name, declared):
                upload = uploads.keep_whole(file, query["name"] or name, declared)
        else:
            body = cast(BinaryIO, request.stream)
            name = query["name"] or _named_by_header()
            upload = uploads.keep_whole(body, name, request.content_type or None)
        location = upload_url(upload)
        return _described(upload, location), HTTPStatus.CREATED, {"Location": location}


@BLUEPRINT.route("/uploads/")
class ResumableUploadsView(MethodView):
    """Where resumable uploads begin."""

    @BLUEPRINT.doc(responses={"204": {"description": "What is spoken, in headers."}})
    def options(self) -> Response:
        """Tell a tus client what is spoken."""
        return _told(
            Response(status=HTTPStatus.NO_CONTENT),
            Tus_Version=VERSION,
            Tus_Extension=EXTENSIONS,
            Tus_Max_Size=str(uploads.max_bytes()),
        )

    @BLUEPRINT.doc(
        requestBody=BINARY_BODY,
        responses={
            "201": {"description": "The upload has begun; it goes on at Location."},
            **{code: {} for code in ("400", "409", "412", "413", "415", "422")},
        },
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def post(self) -> Response:
        """Begin a resumable upload (tus 1.0); the body may hold its first bytes."""
        _check_version()
        size = _number("Upload-Length")
        told = _metadata(request.headers.get("Upload-Metadata", ""))
        name = told.get("filename") or told.get("name") or ""
        kind = told.get("filetype") or told.get("type")
        upload = uploads.begin(name, kind, size)
        if request.mimetype == PIECE_TYPE or not size:
            _receive(upload, 0)
        answer = Response(status=HTTPStatus.CREATED)
        return _state(answer, upload, Location=upload_url(upload))


@BLUEPRINT.route("/uploads/<signed_upload:upload_id>/")
class UploadView(MethodView):
    """One upload."""

    @BLUEPRINT.arguments(FileQuerySchema(), location="query")
    @BLUEPRINT.file_response()
    @BLUEPRINT.doc(responses={"409": {}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, query: dict[str, Any], upload_id: int) -> Response:
        """Give the bytes of a complete upload; HEAD tells how many are there (tus)."""
        upload = find(upload_id, query)
        if upload.is_complete and "Tus-Resumable" not in request.headers:
            return file_response(upload, download=query["download"])
        if request.method != "HEAD":
            raise Conflict(_("The upload is not complete."))
        return _state(Response(), upload, Cache_Control="no-store")

    @BLUEPRINT.arguments(FileQuerySchema(), location="query")
    @BLUEPRINT.doc(
        requestBody=BINARY_BODY,
        responses={
            "204": {"description": "The bytes are kept."},
            **{code: {} for code in ("400", "409", "412", "413", "415", "422")},
        },
    )
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def patch(self, query: dict[str, Any], upload_id: int) -> Response:
        """Add bytes at the end of the upload (tus 1.0)."""
        _check_version()
        upload = find(upload_id, query)
        if request.mimetype != PIECE_TYPE:
            raise UnsupportedMediaType(_("The body must be %(type)s.", type=PIECE_TYPE))
        _receive(upload, _number("Upload-Offset"))
        return _state(Response(status=HTTPStatus.NO_CONTENT), upload)

    @BLUEPRINT.arguments(FileQuerySchema(), location="query")
    @BLUEPRINT.response(HTTPStatus.NO_CONTENT, description="The upload is gone.")
    @BLUEPRINT.doc(responses={"403": {}, "412": {}})
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def delete(self, query: dict[str, Any], upload_id: int) -> None:
        """Delete the upload with its bytes."""
        upload = find(upload_id, query)
        require_owner(upload)
        uploads.discard(upload)
        audit.record("upload.delete", request.path)


def find(upload_id: int, query: dict[str, Any]) -> Upload:
    """Give the upload; 404 without the right tag."""
    upload = Upload.get_by_id(upload_id)
    if upload is None or not may_read(upload, query):
        abort(HTTPStatus.NOT_FOUND)
    return upload


def upload_url(upload: Upload) -> str:
    """Give the absolute URL of an upload."""
    return url_for(
        "uploads-api.UploadView",
        upload_id=upload.id,
        **{"file-id": upload.security_tag},
        _external=True,
    )


def _described(upload: Upload, location: str) -> dict[str, Any]:
    return {
        "href": location,
        "name": upload.file_name,
        "content_type": upload.mimetype,
        "size": upload.size,
        "expires_at": upload.expires_at,
    }


def _named_by_header() -> str:
    header = request.headers.get("Content-Disposition", "")
    return parse_content_disposition(header).filename or ""


def _receive(upload: Upload, start: int) -> None:
    """Take the body; what is too long by its header is refused before it is read."""
    request.max_content_length = uploads.max_bytes()
    there = upload.received
    if start == there and start + (request.content_length or 0) > upload.size:
        raise RequestEntityTooLarge(_("More bytes came than were declared."))
    uploads.receive(upload, cast(BinaryIO, request.stream), start)


def _check_version() -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        text = _("The header Tus-Resumable must be %(version)s.", version=VERSION)
        raise PreconditionFailed(text)


def _number(header: str) -> int:
    value = request.headers.get(header, "")
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        abort(HTTPStatus.BAD_REQUEST, _("%(name)s must be a number.", name=header))
    return int(value)


def _metadata(header: str) -> dict[str, str]:
    """Read Upload-Metadata: keys with values in base64, separated by commas."""
    found: dict[str, str] = {}
    if len(header) > MAX_METADATA:
        abort(HTTPStatus.BAD_REQUEST, _("Upload-Metadata is too long."))
    for pair in filter(None, map(str.strip, header.split(","))):
        name, _space, value = pair.partition(" ")
        try:
            found[name] = b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            abort(HTTPStatus.BAD_REQUEST, _("Upload-Metadata is not base64 of UTF-8."))
    return found


def _state(answer: Response, upload: Upload, **headers: str) -> Response:
    expires = http_date(upload.expires_at)
    told = {"Upload_Offset": str(upload.received), "Upload_Expires": expires}
    return _told(answer, Upload_Length=str(upload.size), **told, **headers)


def _told(answer: Response, **headers: str) -> Response:
    for name, value in headers.items():
        answer.headers[name.replace("_", "-")] = value
    return answer


@BLUEPRINT.after_request
def _speak_tus(answer: Response) -> Response:
    if (
        request.path.rstrip("/").endswith("/uploads")
        or "Tus-Resumable" in request.headers
    ):
        answer.headers["Tus-Resumable"] = VERSION
        answer.headers["Access-Control-Expose-Headers"] = EXPOSED
    if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
        answer.headers["Tus-Version"] = VERSION
    if answer.status_code >= HTTPStatus.BAD_REQUEST and request.method != "HEAD":
        answer.headers["Connection"] = "close"  # the rest of the body is not read
    return answer


def _on_refusal(error: UserError) -> Any:
    return on_http_error(STATUS[type(error)](str(error)))


for _refusal in STATUS:
    BLUEPRINT.register_error_handler(_refusal, _on_refusal)
