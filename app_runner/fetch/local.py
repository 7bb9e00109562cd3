"""Answers that need no network: `data:` URLs, `file:` URLs, and our own files."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import requests
from requests.structures import CaseInsensitiveDict

from app_runner.babel import gettext as _
from app_runner.fetch.allowance import Allowance
from app_runner.fetch.body import CountedBody
from app_runner.fetch.described import (
    MediaType,
    data_media_type,
    guess_mimetype,
    parse_mimetype,
)
from app_runner.fetch.refusals import FetchTooLarge, FileRefused, MalformedUrl
from app_runner.fetch.session import split_url

#: Media types outside text/ that are text, in UTF-8 unless they say otherwise.
TEXTUAL = re.compile(r"text/.*|application/(.*[+-])?(json|xml|csv|yaml|javascript)")


@dataclass(frozen=True)
class LocalContent:
    """Bytes that are already here, and the headers that HTTP would send with them."""

    stream: BinaryIO
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def local_response(
    url: str, content: LocalContent, method: str, allowance: Allowance
) -> requests.Response:
    """Build the response that a server with this content would have given."""
    request = requests.PreparedRequest()
    request.method, request.url, request.headers = method, url, CaseInsensitiveDict()
    stream = content.stream
    if method == "HEAD":
        stream.close()
        stream = BytesIO()
    response = requests.Response()
    response.status_code = content.status
    response.reason = HTTPStatus(content.status).phrase
    response.headers = CaseInsensitiveDict(content.headers)
    response.url, response.request = url, request
    kind = parse_mimetype(response.headers.get("Content-Type", ""))
    response.encoding = _encoding(kind) if kind else None
    response.raw = CountedBody(
        stream,
        dict(content.headers),
        content.status,
        reason=response.reason,
        preload_content=False,
        request_method=method,
    )
    response.raw.allowance = allowance
    return response


def _encoding(kind: MediaType) -> str | None:
    charset = kind.parameters.get("charset")
    return charset or ("utf-8" if TEXTUAL.fullmatch(kind.name) else None)


def data_response(url: str, method: str, allowance: Allowance) -> requests.Response:
    """Answer a `data:` URL (RFC 2397); raises `MalformedUrl`, `FetchTooLarge`.

    There is no Content-Type header (`get_mimetype` reads the URL); the encoding of the
    text is set from the URL's charset, UTF-8 when it names none.
    """
    head, comma, body = url.partition("#")[0].partition(",")
    if not comma:
        raise MalformedUrl(_("A data: URL needs a comma before its data."))
    described, *_unused = re.split(r";\s*base64\s*$", head, flags=re.IGNORECASE)
    content = unquote_to_bytes(body)
    if described != head:
        content = _base64(content)
    allowance.refuse_size(len(content))
    length = {"Content-Length": str(len(content))}
    response = local_response(
        url, LocalContent(BytesIO(content), length), method, allowance
    )
    response.encoding = _encoding(data_media_type(url))
    return response


def _base64(text: bytes) -> bytes:
    plain = re.sub(rb"[\t\n\f\r ]", b"", text).rstrip(b"=")
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise MalformedUrl(_("The data: URL has broken base64 data.")) from error


def file_response(
    url: str, roots: Iterable[Path], method: str, allowance: Allowance
) -> requests.Response:
    """Answer a `file:` URL below one of ``roots``; 404 when there is no such file.

    Raises `FileRefused` for everything else, without telling what is there.
    """
    path = _allowed_path(url, roots)
    try:
        content = _file_content(path)
    except PermissionError:
        content = LocalContent(BytesIO(), status=HTTPStatus.FORBIDDEN)
    except (FileNotFoundError, NotADirectoryError):
        content = LocalContent(BytesIO(), status=HTTPStatus.NOT_FOUND)
    try:
        allowance.refuse_size(int(content.headers.get("Content-Length", 0)))
    except FetchTooLarge:
        content.stream.close()
        raise
    return local_response(url, content, method, allowance)


def _allowed_path(url: str, roots: Iterable[Path]) -> Path:
    parts = split_url(url)
    name = os.fsdecode(unquote_to_bytes(parts.path))
    if (
        parts.netloc.lower() not in ("", "localhost")
        or not name.startswith("/")
        or "\0" in name
    ):
        raise MalformedUrl(_("A file: URL is written like file:///folder/name."))
    try:
        path = Path(name).resolve()
        allowed = any(path.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError):  # names that are too long, links in a circle
        allowed = False
    if not allowed:
        raise FileRefused(
            _(
                "This file: URL is not read: only files below the folders of the setting "
                "FETCH_FILE_ROOTS are."
            )
        )
    return path


def _file_content(path: Path) -> LocalContent:
    """Open a regular file whose path has no links left in it."""
    try:
        # the path was resolved: a link that is there now was put there since, and a
        # pipe must not keep us waiting for its other end
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise FileNotFoundError from error
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileRefused(_("This file: URL leads to no file.")) from error
        raise
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode):
        os.close(number)
        raise FileRefused(_("This file: URL leads to no file."))
    headers = {"Content-Length": str(found.st_size)}
    if kind := guess_mimetype(path.name):
        headers["Content-Type"] = kind
    return LocalContent(os.fdopen(number, "rb"), headers)
