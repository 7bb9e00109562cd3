"""Says in words why a request failed."""

from __future__ import annotations

from urllib.parse import urlsplit

from requests import RequestException
from requests.exceptions import ChunkedEncodingError, SSLError, Timeout
from requests.exceptions import ConnectionError as FetchConnectionError

from app_runner.babel import gettext as _


def why_failed(error: RequestException) -> str:
    """Give a part of a sentence about the server that was asked."""
    if error.response is not None:
        return _("the answer was %(status)s", status=error.response.status_code)
    if isinstance(error, SSLError):
        return _("the server could not prove who it is (TLS)")
    if isinstance(error, Timeout):
        return _("the server did not answer in time")
    if isinstance(error, FetchConnectionError | ChunkedEncodingError):
        said = error.args[0] if error.args else None  # a text where it is our own
        return said if isinstance(said, str) else _("there is no connection to it")
    return type(error).__name__


def place_of(error: RequestException) -> str:
    """Give the URL that was asked, without what may be secret in it; "" if unknown."""
    url = getattr(error.request, "url", None)
    if not isinstance(url, str):
        return ""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
