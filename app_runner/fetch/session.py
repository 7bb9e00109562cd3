"""HTTP and HTTPS: a `requests` session whose every connection goes along a checked route.

One session serves one fetch, so that neither cookies nor connections pass from one user
of the runner to another. It reads nothing from the environment (proxies, netrc).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.exceptions import HTTPError
from urllib3.util import create_urllib3_context, parse_url

from app_runner.babel import gettext as _
from app_runner.fetch.allowance import Allowance
from app_runner.fetch.body import CountedBody, counted, counted_over
from app_runner.fetch.patience import Patience
from app_runner.fetch.refusals import FetchTooLarge, MalformedUrl
from app_runner.fetch.resuming import ResumingStream, check_part, validator_of
from app_runner.fetch.route import (
    Route,
    RoutedHTTPPool,
    RoutedHTTPSPool,
    WatchedTLSSocket,
)

DEFAULT_PORTS = {"http": 80, "https": 443}
#: Headers that may follow a redirect to another origin; the others may hold secrets.
HARMLESS_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "content-length",
        "content-type",
        "cookie",  # at this point only those that the session has for the new host
        "if-modified-since",
        "if-none-match",
        "range",
        "transfer-encoding",
        "user-agent",
    }
)


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Make the TLS settings: certificates are checked against the machine's store, the
    one that `requests` brings, and ``ca_bundle``.
    """
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    context.sslsocket_class = WatchedTLSSocket
    context.load_default_certs()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle is not None:
        context.load_verify_locations(ca_bundle)
    return context


class RequestParts(TypedDict, total=False):
    """What a request may carry, as requests takes it."""

    data: Any
    json: Any
    headers: Mapping[str, str] | None
    auth: tuple[str, str] | None


class RoutedAdapter(HTTPAdapter):
    """Sends requests along checked routes and counts what comes back."""

    def __init__(
        self,
        route: Callable[[str, int], Route],
        tls: Callable[[], ssl.SSLContext],
        allowance: Allowance,
        patience: Patience,
    ) -> None:
        """Take how a host and port are checked, the TLS settings, and the bounds."""
        super().__init__()
        self._patience = patience
        self._timeout: Any = None
        self._is_resuming = False
        self._route = route
        self._tls = tls
        self._allowance = allowance

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: Any,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        """Check where the URL leads to and give a pool for exactly that place."""
        url = parse_url(request.url or "")
        host, port = url.host or "", url.port or DEFAULT_PORTS[url.scheme or ""]
        route = self._route(host, port)
        if url.scheme == "http":
            return RoutedHTTPPool(host, port, route=route)
        return RoutedHTTPSPool(host, port, ssl_context=self._tls(), route=route)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the TLS settings of the pool already check certificates."""

    def send(
        self, request: requests.PreparedRequest, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Send; raises the refusal that ended it, also where it looks like a broken line.

        The body of a redirect is not read.
        """
        self._timeout = options.get("timeout")
        try:
            response = super().send(request, *arguments, **options)
        except (RequestException, HTTPError) as error:
            ended = self._allowance.ended
            if ended is not None and ended is not error:
                raise ended from error
            raise
        if response.is_redirect:
            response.close()
            response._content = b""
        elif request.method != "HEAD":
            self._refuse_declared(response)
        return response

    def build_response(
        self, req: requests.PreparedRequest, resp: Any
    ) -> requests.Response:
        """Build the response over a body that counts, and goes on where it breaks."""
        if self._is_resuming:
            return super().build_response(req, resp)
        return super().build_response(req, self._body_of(req, resp))

    def _body_of(
        self, request: requests.PreparedRequest, raw: HTTPResponse
    ) -> CountedBody:
        validator = validator_of(raw.headers)
        whole = request.method == "GET" and raw.status == HTTPStatus.OK
        if not whole or validator is None or self._patience.tries <= 0:
            return counted(raw, self._allowance)

        def reopen(start: int, validator: str) -> HTTPResponse:
            return self._reopened(request, start, validator)

        stream = ResumingStream(raw, validator, reopen, self._patience.tries)
        return counted_over(stream, raw, self._allowance)

    def _reopened(
        self, request: requests.PreparedRequest, start: int, validator: str
    ) -> HTTPResponse:
        """Ask for the rest of a body along a route that is checked again."""
        again = request.copy()
        again.headers["Range"] = f"bytes={start}-"
        again.headers["If-Range"] = validator
        self._is_resuming = True
        try:
            answer = super().send(again, stream=True, timeout=self._timeout)
        finally:
            self._is_resuming = False
        return check_part(answer.raw, start)

    def _refuse_declared(self, response: requests.Response) -> None:
        declared = response.headers.get("Content-Length", "")
        try:
            self._allowance.refuse_size(int(declared) if declared.isdecimal() else 0)
        except FetchTooLarge:
            response.close()
            raise


class RoutedSession(requests.Session):
    """A session for one fetch."""

    def __init__(self, adapter: RoutedAdapter) -> None:
        """Send everything through ``adapter``, whatever its scheme."""
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        self.mount("http://", adapter)
        self.mount("https://", adapter)
        self.headers["User-Agent"] = "App-Runner"
        # nothing is sent twice along a route, so the server need not wait for more
        self.headers["Connection"] = "close"

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Give the Location; raises `MalformedUrl`, where requests would stumble."""
        try:
            target = super().get_redirect_target(resp)
        except UnicodeError as error:
            raise MalformedUrl(_("The redirect leads to no URL.")) from error
        if target is not None:
            split_url(target)
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Before a redirect leaves the origin, drop all headers that may hold secrets."""
        old, new = response.request.url or "", prepared_request.url or ""
        if origin_of(old) == origin_of(new):
            return
        for name in list(prepared_request.headers):
            if name.lower() not in HARMLESS_HEADERS:
                del prepared_request.headers[name]


def split_url(url: str) -> SplitResult:
    """Split ``url``; raises `MalformedUrl` for what is none."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:  # a port is only looked at when it is asked for
            raise ValueError("Port 0 cannot be connected to")
    except ValueError as error:
        raise MalformedUrl(str(error)) from error
    return parts


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Give scheme, host and port of ``url`` (RFC 6454); raises `MalformedUrl`."""
    parts = split_url(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)


def without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Take name and password out of ``url``, so that no message or log shows them."""
    parts = split_url(url)
    if "@" not in parts.netloc:
        return url, None
    auth = get_auth_from_url(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, auth if any(auth) else None
