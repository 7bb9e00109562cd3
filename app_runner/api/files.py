"""Files over HTTP: bytes of a task's file, streamed, never run in our origin."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

from flask import Response, abort, jsonify, redirect, request
from flask.views import MethodView
from marshmallow import EXCLUDE, INCLUDE, fields, post_load, validate
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.utils import secure_filename
from werkzeug.wsgi import wrap_file

from app_runner.api import delivery
from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.file_links import expiring_url, may_read
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import link_of
from app_runner.babel import gettext as _
from app_runner.data.previews import MOST_ROWS, NOTHING, preview
from app_runner.db.models import TaskFile, Upload
from app_runner.files.contract import CHUNK
from app_runner.state import current_runner
from app_runner.tasks import deleting
from app_runner.tasks.results import open_file

BLUEPRINT = SecurityBlueprint("files-api", __name__, description="Result files of tasks.")
#: Types that a browser would not run as a page of ours; all others are downloads.
PASSIVE = ("text/plain", "text/csv", "application/json", "application/pdf")
PASSIVE_PREFIXES = ("image/", "audio/", "video/")
ACTIVE = ("image/svg+xml",)
#: One media type (RFC 9110, section 8.3.1): of a list, which some browsers read up to its
#: last member, nobody can say what it is.
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;[^,]*)?", re.ASCII)
UNKNOWN = "application/octet-stream"
#: Characters of names that mean something to a system, or hide the ending from a reader.
SEPARATORS = re.compile("[/\\\\\uff0f\u2044\u2215]")
TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])\s*(\.|$)", re.IGNORECASE)
#: How long a link works, unless it is asked for otherwise, and at most.
LINK_SECONDS, MOST_LINK_SECONDS = 7200, 30 * 24 * 3600


class FileQuerySchema(MaBaseSchema):
    """The right to read that a file's URL carries; without it there is no file."""

    class Meta:
        unknown = EXCLUDE

    file_id = fields.String(data_key="file-id", load_default="")
    expires = fields.String(load_default="")
    signature = fields.String()
    download = fields.Boolean(load_default=False)

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        """Keep the names as they stand in URLs that clients have."""

    @post_load
    def named_as_sent(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """Give the tag under its name on the wire too."""
        return {**data, "file-id": data["file_id"]}


class PreviewQuerySchema(FileQuerySchema):
    """Which part of the file is looked at."""

    offset = fields.Integer(load_default=0, validate=validate.Range(0, 2**53))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST_ROWS))


class LinkQuerySchema(FileQuerySchema):
    """How long a link works."""

    seconds = fields.Integer(
        load_default=LINK_SECONDS, validate=validate.Range(1, MOST_LINK_SECONDS)
    )


class FileLinkSchema(MaBaseSchema):
    """A link that works without login until it expires."""

    href = fields.Url(required=True)
    expires_at = fields.DateTime(required=True)


class PreviewSchema(MaBaseSchema):
    """What a file looks like; which keys are there depends on ``kind``."""

    class Meta:
        unknown = INCLUDE

    kind = fields.String(
        required=True,
        validate=validate.OneOf(("table", "text", "image", "tree", "json", "none")),
    )


@BLUEPRINT.route("/<signed_file:file_id>/")
class FileView(MethodView):
    """One file."""

    @BLUEPRINT.arguments(FileQuerySchema(), location="query")
    @BLUEPRINT.file_response()
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, query: dict[str, Any], file_id: int) -> Response:
        """Give the bytes of the file; Range and conditional requests work."""
        file = find(file_id, query)
        if (link := link_of(file)) is not None:
            return cast(Response, redirect(link))
        return file_response(file, download=query["download"])


@BLUEPRINT.route("/<signed_file:file_id>/preview/")
class PreviewView(MethodView):
    """What a file looks like."""

    @BLUEPRINT.arguments(PreviewQuerySchema(), location="query")
    @BLUEPRINT.response(HTTPStatus.OK, PreviewSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, query: dict[str, Any], file_id: int) -> Response:
        """Give a page of a table or text, a small picture, or a tree, as data."""
        file = find(file_id, query)
        found = NOTHING
        if link_of(file) is None:
            with open_file(file) as stream:
                page = query["offset"], query["limit"]
                found = preview(stream, file.mimetype or "", file.size, *page)
        return jsonify(found)


@BLUEPRINT.route("/<signed_file:file_id>/link/")
class FileLinkView(MethodView):
    """Links that can be given away."""

    @BLUEPRINT.arguments(LinkQuerySchema(), location="query")
    @BLUEPRINT.response(HTTPStatus.OK, FileLinkSchema())
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, query: dict[str, Any], file_id: int) -> dict[str, Any]:
        """Give a URL of the file that works without login for some seconds."""
        file = find(file_id, query)
        expires = int(time.time()) + query["seconds"]
        if "signature" in query:  # who has a link cannot make it last longer
            expires = min(expires, int(query["expires"]))
        at = datetime.fromtimestamp(expires, UTC)
        return {"href": expiring_url(file, expires), "expires_at": at}


def find(file_id: int, query: dict[str, Any]) -> TaskFile:
    """Give the file; 404 without a right to read it, 410 when it was deleted."""
    file = TaskFile.get_by_id(file_id)
    if file is None and deleting.was_deleted(TaskFile, file_id):
        abort(HTTPStatus.GONE, _("The file was deleted with its task."))
    if file is None or not may_read(file, query):
        abort(HTTPStatus.NOT_FOUND)
    return file


def file_response(file: TaskFile | Upload, download: bool = False) -> Response:
    """Answer with the bytes of ``file``, or with who else sends them."""
    store = current_runner.stores[file.storage_provider]
    size = store.size(file.file_storage_data)
    headers = headers_of(file, download)
    response = delivery.handed_over(store, file.file_storage_data, headers)
    if response is None:
        return _streamed(file, size, headers)
    response.headers.update(headers)
    return response


def headers_of(file: TaskFile | Upload, download: bool) -> dict[str, str]:
    """Give what is said of the file, and that it must not run in our origin."""
    return {
        "Content-Type": content_type(file.mimetype),
        "Content-Disposition": disposition(file, download),
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Data-Type": _header_safe(file.file_type),
        "Cache-Control": "private, no-cache",
    }


def _streamed(file: TaskFile | Upload, size: int, headers: dict[str, str]) -> Response:
    """Answer with the bytes: all, packed, a part, or none when the client has them."""
    stream = open_file(file)
    packable = delivery.is_packable(headers["Content-Type"], size)
    packed = packable and delivery.wants_packed()
    body = (
        delivery.packed(stream) if packed else wrap_file(request.environ, stream, CHUNK)
    )
    response = Response(body, direct_passthrough=not packed, content_type=None)
    response.call_on_close(stream.close)
    response.headers.update(headers)
    response.last_modified = file.created_at
    tag = f"{file.id}-{size}-{file.created_at.timestamp():.6f}"
    response.set_etag(f"{tag}-gzip" if packed else tag)
    if packable:
        response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
        response.make_conditional(request)
        return response
    response.content_length = size
    response.headers["Accept-Ranges"] = "bytes"
    try:
        response.make_conditional(request, _asks_for_part(size), complete_length=size)
    except RequestedRangeNotSatisfiable:
        stream.close()
        raise
    return response


def _asks_for_part(size: int) -> bool:
    """Tell whether one range of bytes is asked for.

    All other headers are ignored (RFC 9110, section 14.2), and so are several ranges and
    a suffix that is longer than the file: who sends them takes the whole file too.
    """
    asked = request.range
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return False
    return (asked.ranges[0][0] or 0) >= -size


def content_type(mimetype: str | None) -> str:
    """Give the type as a header can carry it; what is none is of unknown type.

    Plain text gets its encoding, else browsers guess one. Other types stay as they are,
    because clients compare them as they were declared.
    """
    known = _header_safe(mimetype or "")
    if not MEDIA_TYPE.fullmatch(known):
        return UNKNOWN
    return f"{known}; charset=utf-8" if known == "text/plain" else known


def disposition(file: TaskFile | Upload, download: bool) -> str:
    """Say the name (RFC 6266), and whether a browser may show the file."""
    base = content_type(file.mimetype).partition(";")[0].strip().lower()
    shown = (base in PASSIVE or base.startswith(PASSIVE_PREFIXES)) and base not in ACTIVE
    kind = "inline" if shown and not download else "attachment"
    safe = safe_name(file.file_name)
    plain, name = secure_filename(safe) or "file", quote(safe, safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{name}"


def safe_name(name: str) -> str:
    """Give a name that is one file in any folder of any system, and reads as it is.

    Separators are replaced, marks that turn the direction of writing are left out, and
    what Windows takes for a device gets a line in front.
    """
    plain = TURNING.sub("", SEPARATORS.sub("_", name))
    return f"_{plain}" if DEVICE.match(plain) else plain


def _header_safe(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable()).strip()
