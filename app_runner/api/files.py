"""Files over HTTP: bytes of a task's file, streamed, never run in our origin."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from flask import Response, abort, redirect, request
from flask.views import MethodView
from marshmallow import EXCLUDE, fields
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.utils import secure_filename
from werkzeug.wsgi import wrap_file

from app_runner.api.blueprint import SecurityBlueprint
from app_runner.api.schemas import MaBaseSchema
from app_runner.api.task_document import link_of
from app_runner.db.models import TaskFile, Upload
from app_runner.files.contract import CHUNK
from app_runner.state import current_runner
from app_runner.tasks.results import open_file

BLUEPRINT = SecurityBlueprint("files-api", __name__, description="Result files of tasks.")
#: Types that a browser would not run as a page of ours; all others are downloads.
PASSIVE = ("text/plain", "text/csv", "application/json", "application/pdf")
PASSIVE_PREFIXES = ("image/", "audio/", "video/")
ACTIVE = ("image/svg+xml",)


class FileQuerySchema(MaBaseSchema):
    """The tag that a file's URL carries; without the right one there is no file."""

    class Meta:
        unknown = EXCLUDE

    file_id = fields.String(data_key="file-id", load_default="")
    download = fields.Boolean(load_default=False)

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        """Keep the names as they stand in URLs that clients have."""


@BLUEPRINT.route("/<signed_file:file_id>/")
class FileView(MethodView):
    """One file."""

    @BLUEPRINT.arguments(FileQuerySchema(), location="query")
    @BLUEPRINT.file_response()
    @BLUEPRINT.require_jwt("jwt", optional=True)
    def get(self, query: dict[str, Any], file_id: int) -> Response:
        """Give the bytes of the file; Range and conditional requests work."""
        file = TaskFile.get_by_id(file_id)
        tag = query["file_id"].encode()
        if file is None or not hmac.compare_digest(file.security_tag.encode(), tag):
            abort(HTTPStatus.NOT_FOUND)
        if (link := link_of(file)) is not None:
            return cast(Response, redirect(link))
        return file_response(file, download=query["download"])


def file_response(file: TaskFile | Upload, download: bool = False) -> Response:
    """Answer with the bytes of ``file``, streamed from its store."""
    store = current_runner.stores[file.storage_provider]
    size = store.size(file.file_storage_data)
    stream: BinaryIO = open_file(file)
    response = Response(
        wrap_file(request.environ, stream, CHUNK),
        direct_passthrough=True,
        content_type=None,
    )
    response.call_on_close(stream.close)
    response.headers["Content-Type"] = content_type(file.mimetype)
    response.headers["Content-Disposition"] = disposition(file, download)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["X-Data-Type"] = _header_safe(file.file_type)
    response.headers["Cache-Control"] = "private, no-cache"
    response.content_length = size
    response.last_modified = file.created_at
    response.set_etag(f"{file.id}-{size}-{file.created_at.timestamp():.6f}")
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
    """Give the type as a header can carry it.

    Plain text gets its encoding, else browsers guess one. Other types stay as they are,
    because clients compare them as they were declared.
    """
    known = _header_safe(mimetype or "") or "application/octet-stream"
    return f"{known}; charset=utf-8" if known == "text/plain" else known


def disposition(file: TaskFile | Upload, download: bool) -> str:
    """Say the name (RFC 6266), and whether a browser may show the file."""
    base = (file.mimetype or "").partition(";")[0].strip().lower()
    shown = (base in PASSIVE or base.startswith(PASSIVE_PREFIXES)) and base not in ACTIVE
    kind = "inline" if shown and not download else "attachment"
    plain = secure_filename(file.file_name) or "file"
    name = quote(file.file_name.replace("/", "_").replace("\\", "_"), safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{name}"


def _header_safe(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable()).strip()
