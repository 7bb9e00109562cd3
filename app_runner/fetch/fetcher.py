"""Opens URLs that somebody else gave us, within a policy.

Knows no tasks, no files and no requests of ours: which URLs are our own files is told by
a resolver that is handed in.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from functools import cached_property
from math import inf
from typing import Unpack

import requests
from requests.exceptions import RequestException

from app_runner.babel import gettext as _
from app_runner.fetch.addresses import AddressRules
from app_runner.fetch.allowance import Allowance
from app_runner.fetch.body import CountedBody
from app_runner.fetch.credentials import Credentials
from app_runner.fetch.local import (
    LocalContent,
    data_response,
    file_response,
    local_response,
)
from app_runner.fetch.patience import Patience
from app_runner.fetch.policy import FetchPolicy
from app_runner.fetch.refusals import MalformedUrl, RedirectRefused, SchemeRefused
from app_runner.fetch.route import GetAddrInfo, Route, checked_route
from app_runner.fetch.session import (
    RequestParts,
    RoutedAdapter,
    RoutedSession,
    tls_context,
    without_credentials,
)

#: Gives the content of a URL that is one of our own files, else None.
Resolver = Callable[[str], LocalContent | None]
#: Seconds to connect and seconds between two bytes; one number stands for both.
Timeout = float | tuple[float | None, float | None] | None

SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.ASCII | re.IGNORECASE)
READING = ("GET", "HEAD")
#: Bytes of an error's body that are kept with the exception.
ERROR_BODY = 2**20


def no_own_files(url: str) -> None:
    """Resolve nothing: no URL is one of our own files."""


class Fetcher:
    """Opens URLs for one app; threads may share it."""

    def __init__(
        self,
        policy: FetchPolicy,
        resolver: Resolver = no_own_files,
        *,
        getaddrinfo: GetAddrInfo = socket.getaddrinfo,
    ) -> None:
        """Take the limits, what knows our own files, and how names are resolved.

        Raises ValueError for an entry of the policy that is no network or pattern.
        """
        self.policy = policy
        self.resolver = resolver
        self._getaddrinfo = getaddrinfo
        self._rules = AddressRules(policy.allow_private, policy.allowed_hosts)
        self._credentials = Credentials(policy.credentials)
        self._url_map = [(re.compile(old), new) for old, new in policy.url_map]

    def open(
        self,
        url: str,
        *,
        method: str = "GET",
        stream: bool = True,
        raise_on_error_status: bool = True,
        allow_redirects: bool = True,
        timeout: Timeout = None,
        max_bytes: int | None = None,
        max_seconds: float | None = None,
        **parts: Unpack[RequestParts],
    ) -> requests.Response:
        """Open ``url`` and give its response, to be used as a context manager.

        ``timeout`` is in seconds, one number or (connect, read); ``max_bytes`` and
        ``max_seconds`` can only lower the policy's. With ``stream`` the body is read
        when it is asked for. ``parts`` are ``data``, ``json``, ``headers`` and ``auth``
        as requests takes them.

        Raises `FetchRefused` (also while the body is read), and the exceptions of
        requests for failures of the network and, with ``raise_on_error_status``, for
        answers from 400 on. All of them are `requests.exceptions.RequestException`.
        """
        allowance = self._allowance(max_bytes, max_seconds)
        method = method.upper()
        given, auth = without_credentials(url.strip())
        target, mapped_auth = without_credentials(self.mapped(given))
        response = self._without_network(given, target, method, allowance)
        if response is None:
            parts.setdefault("auth", auth or mapped_auth)
            request = requests.Request(method, target, **parts)
            hops = self.policy.max_redirects if allow_redirects else None
            response = self._follow(request, self._timeouts(timeout), allowance, hops)
        return _finished(response, stream, raise_on_error_status)

    def _allowance(self, max_bytes: int | None, max_seconds: float | None) -> Allowance:
        policy = self.policy
        return Allowance(
            policy.max_bytes if max_bytes is None else min(max_bytes, policy.max_bytes),
            min(policy.max_seconds, inf if max_seconds is None else max_seconds),
        )

    def _timeouts(self, timeout: Timeout) -> tuple[float, float]:
        given = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        connect, read = given
        return connect or self.policy.timeout, read or self.policy.read_timeout

    def mapped(self, url: str) -> str:
        """Give what the operator's rules (`URL_MAP`) make of ``url``."""
        for pattern, replacement in self._url_map:
            url = pattern.sub(replacement, url)
        return url

    def _without_network(
        self, given: str, target: str, method: str, allowance: Allowance
    ) -> requests.Response | None:
        """Answer what is here; None for URLs that need the network."""
        own = self._own_file(given, target, method)
        if own is not None:
            return own
        scheme = self._scheme(target)
        if scheme in ("http", "https"):
            return None
        if method not in READING:
            raise SchemeRefused(_("%(scheme)s: URLs can only be read.", scheme=scheme))
        if scheme == "data":
            return data_response(target, method, allowance)
        return file_response(target, self.policy.file_roots, method, allowance)

    def _own_file(self, given: str, target: str, method: str) -> requests.Response | None:
        """Answer one of our own files; what we made ourselves may be of any size."""
        if method not in READING:
            return None
        for url in dict.fromkeys((given, target)):
            if (content := self.resolver(url)) is not None:
                return local_response(url, content, method, Allowance(inf, inf))
        return None

    def _scheme(self, url: str) -> str:
        match = SCHEME.match(url)
        if match is None:
            raise MalformedUrl(_("A URL begins with a scheme, like https://."))
        scheme = match[1].lower()
        if scheme not in self.policy.schemes or scheme not in FetchPolicy.schemes:
            raise SchemeRefused(_("%(scheme)s: URLs are not fetched.", scheme=scheme))
        return scheme

    def _follow(
        self,
        request: requests.Request,
        timeout: tuple[float, float],
        allowance: Allowance,
        hops: int | None,
    ) -> requests.Response:
        """Send, and send on up to ``hops`` redirects; None follows none."""
        patience = Patience(self.policy.retries, allowance)
        session = RoutedSession(self._adapter(allowance, patience))
        following = session.prepare_request(request)
        history: list[requests.Response] = []
        while True:
            self._credentials.add_to(following)
            response = _sent(session, following, timeout, patience)
            response.history = history.copy()
            redirected = None if hops is None else response.next
            if redirected is None:
                return response
            history.append(response)
            if len(history) > (hops or 0):
                raise RedirectRefused(
                    _("The URL redirects more than %(count)s times.", count=hops)
                )
            following = redirected
            own = self._redirected(following)
            if own is not None:
                own.history = history
                return own

    def _redirected(self, request: requests.PreparedRequest) -> requests.Response | None:
        """Check and map a redirect's URL; its address is checked when it is sent."""
        url, _auth = without_credentials(request.url or "")
        target, _auth = without_credentials(self.mapped(url))
        own = self._own_file(url, target, request.method or "GET")
        if own is not None:
            return own
        if self._scheme(target) not in ("http", "https"):
            raise SchemeRefused(_("A redirect may only lead to http: and https: URLs."))
        request.prepare_url(target, None)
        return None

    def _adapter(self, allowance: Allowance, patience: Patience) -> RoutedAdapter:
        def route(host: str, port: int) -> Route:
            return checked_route(host, port, self._rules, self._getaddrinfo, allowance)

        return RoutedAdapter(route, lambda: self._tls, allowance, patience)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self.policy.ca_bundle)


def _sent(
    session: RoutedSession,
    request: requests.PreparedRequest,
    timeout: tuple[float, float],
    patience: Patience,
) -> requests.Response:
    """Send; what only reads is tried again when the server may do better soon."""
    reads = request.method in READING
    while True:
        try:
            response = session.send(
                request, stream=True, allow_redirects=False, timeout=timeout
            )
        except RequestException as error:
            if not reads or not patience.for_error(error):
                raise
        else:
            if not reads or not patience.for_answer(response):
                return response
            response.close()


def _finished(
    response: requests.Response, stream: bool, raise_on_error_status: bool
) -> requests.Response:
    if raise_on_error_status and response.status_code >= requests.codes.bad_request:
        _keep_error_body(response)
        response.raise_for_status()
    if not stream:
        with response:
            len(response.content)  # what was read is kept
    return response


def _keep_error_body(response: requests.Response) -> None:
    """Read the body of an error while there is a connection, unless it is long."""
    body: CountedBody = response.raw  # type: ignore[assignment]
    body.allowance = body.allowance.at_most(ERROR_BODY)
    try:
        len(response.content)  # what was read is kept
    except RequestException:
        pass  # the status is the news; a broken or long body takes nothing from it
    finally:
        response.close()
