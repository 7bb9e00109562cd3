"""What headers and URLs say of some content: media type and file name; opens nothing."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import requests

NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"\s*({NAME}/{NAME})\s*(?=;|$)", re.ASCII)
DISPOSITION = re.compile(rf"\s*({NAME})\s*(?=;|$)", re.ASCII)
PARAMETER = re.compile(
    rf';[;\s]*({NAME})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^;]*)', re.ASCII | re.DOTALL
)
#: charset'language'percent-encoded (RFC 5987, 3.2.1), with the charsets asked for there.
EXTENDED = re.compile(r"(utf-8|iso-8859-1|us-ascii)'[^']*'(.*)", re.I | re.DOTALL)
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class MediaType:
    """A media type: ``name`` as in `text/csv`, lower case, and its parameters."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ContentDisposition:
    """How content wants to be shown (``kind``: inline, attachment, ...) and its name."""

    kind: str = ""
    filename: str | None = None


def parse_mimetype(value: str) -> MediaType | None:
    """Read a Content-Type header (RFC 9110, 8.3); None when it holds no media type."""
    match = MEDIA_TYPE.match(value)
    if match is None:
        return None
    return MediaType(match[1].lower(), _parameters(value[match.end() :]))


def parse_content_disposition(value: str) -> ContentDisposition:
    """Read a Content-Disposition header (RFC 6266) as far as it can be understood.

    The name has no folders and no control characters in it, and is never ``..``.
    """
    match = DISPOSITION.match(value)
    kind = match[1].lower() if match else ""
    parameters = _parameters(value[match.end() if match else 0 :])
    names = (
        _extended(parameters.get("filename*", "")),
        _as_sent(parameters.get("filename", "")),
    )
    usable = (label for name in names if (label := file_label(name)))
    return ContentDisposition(kind, next(usable, None))


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in PARAMETER.finditer(text):
        value = match[2].strip()
        if value.startswith('"'):
            # only what must be escaped is unescaped: some senders give a whole path
            value = re.sub(r'\\(["\\])', r"\1", value[1:].removesuffix('"'))
        found.setdefault(match[1].lower(), value)
    return found


def _extended(value: str) -> str:
    match = EXTENDED.fullmatch(value)
    if match is None:
        return ""
    try:
        return unquote_to_bytes(match[2]).decode(match[1])
    except UnicodeError:
        return ""


def _as_sent(value: str) -> str:
    """Undo that HTTP clients read header bytes as Latin-1, where they are UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def file_label(name: str) -> str:
    """Give the last part of ``name``, which may be a path of any system; "" when none."""
    last = CONTROLS.sub("", re.split(r"[/\\]", name)[-1]).strip()
    return "" if last in (".", "..") else last


def file_name_of(response: requests.Response) -> str:
    """Give the file name that a response has by its headers or its URL; "" when none."""
    disposition = response.headers.get("Content-Disposition", "")
    named = parse_content_disposition(disposition).filename
    if named is not None or is_data_url(response.url):
        return named or ""
    return file_label(unquote(urlsplit(response.url).path.rstrip("/").rpartition("/")[2]))


def get_mimetype(response: requests.Response, default: str | None = None) -> str | None:
    """Give the Content-Type header as sent, else what the URL tells, else ``default``."""
    return (
        response.headers.get("Content-Type") or _mimetype_of_url(response.url) or default
    )


def _mimetype_of_url(url: str) -> str | None:
    if is_data_url(url):
        return data_media_type(url).name
    return guess_mimetype(file_label(unquote(urlsplit(url).path)))


def is_data_url(url: str) -> bool:
    """Say whether ``url`` holds its content itself."""
    return url[:5].lower() == "data:"


def guess_mimetype(file_name: str) -> str | None:
    """Guess a media type from a file's ending; None when it tells nothing."""
    kind, packing = mimetypes.guess_type(file_name)
    return f"application/{packing}" if packing else kind


def data_media_type(url: str) -> MediaType:
    """Give the media type that a `data:` URL names; `text/plain` when it names none."""
    head = url.partition(":")[2].partition(",")[0]
    named = unquote(re.sub(r";\s*base64\s*$", "", head, flags=re.I))
    if named.startswith(";"):  # parameters of the type that is left out
        named = f"text/plain{named}"
    return parse_mimetype(named) or MediaType("text/plain")
