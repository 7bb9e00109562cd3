"""Connections to addresses that were checked, and to no other; knows no policy of URLs.

The name is resolved once; what is connected to is what was checked. Host header, TLS
server name and certificate check keep using the name.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import TYPE_CHECKING, Any

from requests.exceptions import ConnectionError as FetchConnectionError
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from app_runner.babel import gettext as _
from app_runner.fetch.addresses import (
    KIND_WORDS,
    NEAR,
    AddressKind,
    AddressRules,
    checked_host,
)
from app_runner.fetch.allowance import Allowance
from app_runner.fetch.refusals import AddressRefused

log = logging.getLogger(__name__)

#: Like `socket.getaddrinfo`.
GetAddrInfo = Callable[..., Sequence[tuple[Any, Any, Any, Any, Any]]]

if TYPE_CHECKING:
    _SocketMixin = socket.socket
else:
    _SocketMixin = object


class _Watched(_SocketMixin):
    """Lets every wait of a socket draw on the allowance of its fetch."""

    allowance: Allowance | None = None
    _longest: float | None = None

    def settimeout(self, value: float | None, /) -> None:
        """Set the seconds that one wait may take."""
        self._longest = value
        super().settimeout(value)

    def recv_into(self, *arguments: Any, **options: Any) -> int:
        count = self._waiting(super().recv_into, *arguments, **options)
        if self.allowance is not None:
            self.allowance.received(count)
        return int(count)

    def sendall(self, *arguments: Any, **options: Any) -> None:
        self._waiting(super().sendall, *arguments, **options)

    def _waiting(self, wait: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self.allowance is None:
            return wait(*arguments, **options)
        super().settimeout(self.allowance.next_wait(self._longest))
        started = monotonic()
        try:
            return wait(*arguments, **options)
        finally:
            self.allowance.waited(monotonic() - started)


class WatchedSocket(_Watched, socket.socket):
    """A TCP socket that draws on an allowance."""


class WatchedTLSSocket(_Watched, ssl.SSLSocket):
    """A TLS socket that draws on an allowance."""


@dataclass(frozen=True)
class Route:
    """Checked addresses of one host, in the order they are tried."""

    addresses: tuple[tuple[socket.AddressFamily, Any], ...]
    allowance: Allowance

    def connect(self, seconds: float | None) -> WatchedSocket:
        """Connect to the first address that answers; raises OSError of the last.

        The ``seconds`` are shared out, so that an address that swallows packets leaves
        time for the next one, and a host with many of them takes no longer.
        """
        ends = monotonic() + self.allowance.next_wait(seconds)
        failure: OSError = OSError("no address")
        for index, (family, address) in enumerate(self.addresses):
            left = max(ends - monotonic(), 0.001)
            try:
                connection = self._connected(
                    family, address, left / (len(self.addresses) - index)
                )
            except OSError as error:
                failure = error
            else:
                connection.settimeout(left)  # for TLS to shake hands
                return connection
        raise failure

    def _connected(
        self, family: socket.AddressFamily, address: Any, seconds: float
    ) -> WatchedSocket:
        connection = WatchedSocket(family, socket.SOCK_STREAM)
        started = monotonic()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(seconds)
            connection.connect(address)
            self.allowance.waited(monotonic() - started)
        except OSError:
            connection.close()
            raise
        connection.allowance = self.allowance
        return connection


def checked_route(
    host: str,
    port: int,
    rules: AddressRules,
    getaddrinfo: GetAddrInfo,
    allowance: Allowance,
) -> Route:
    """Resolve ``host`` once and check every address it has.

    Raises `AddressRefused` when one of them is refused (before anything is connected, so
    it tells nothing of what answers there), `MalformedUrl`, or the `ConnectionError` of
    requests when the name does not resolve.
    """
    name = checked_host(host)
    try:
        found = getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise FetchConnectionError(
            _("The host %(host)s was not found.", host=name)
        ) from error
    for *_unused, address in found:
        kind = rules.refused_kind(name, ip_address(address[0]))
        if kind is not None:
            log.info("Refused to connect to %s: %s (%s)", name, address[0], kind.name)
            raise _refusal(name, kind)
    return Route(
        tuple((family, address) for family, *_unused, address in found), allowance
    )


def _refusal(host: str, kind: AddressKind) -> AddressRefused:
    if kind is AddressKind.METADATA:
        way_out = _("Only its very address in FETCH_ALLOWED_HOSTS would allow it.")
    elif kind in NEAR:
        way_out = _(
            "The setting FETCH_ALLOWED_HOSTS can allow it, or EXPOSURE=local on a "
            "machine of one person."
        )
    else:
        way_out = _("The setting FETCH_ALLOWED_HOSTS can allow it.")
    reason = _(
        "%(host)s is not fetched: it leads to an address of the kind “%(kind)s”.",
        host=host,
        kind=KIND_WORDS[kind],
    )
    return AddressRefused(f"{reason} {way_out}")


class RoutedHTTPConnection(HTTPConnection):
    """A connection along a route."""

    def __init__(self, *arguments: Any, route: Route, **options: Any) -> None:
        """Take what urllib3 gives, and the route."""
        super().__init__(*arguments, **options)
        self.route = route

    def _new_conn(self) -> socket.socket:
        seconds = self.timeout
        try:
            return self.route.connect(
                seconds if isinstance(seconds, int | float) else None
            )
        except TimeoutError as error:
            text = f"Connection to {self.host} timed out."
            raise ConnectTimeoutError(self, text) from error
        except OSError as error:
            raise NewConnectionError(self, f"Connection failed: {error}") from error


class RoutedHTTPSConnection(RoutedHTTPConnection, HTTPSConnection):
    """The same, over TLS."""

    def connect(self) -> None:
        """Connect and shake hands; from then on TLS waits draw on the allowance too."""
        super().connect()
        if isinstance(self.sock, WatchedTLSSocket):
            self.sock.allowance = self.route.allowance


class RoutedHTTPPool(HTTPConnectionPool):
    """Makes connections along the route given as ``route=``."""

    ConnectionCls = RoutedHTTPConnection


class RoutedHTTPSPool(HTTPSConnectionPool):
    """Makes TLS connections along the route given as ``route=``."""

    ConnectionCls = RoutedHTTPSConnection
