"""Binds the port of the server, so that nobody can take it before the server is up."""

from __future__ import annotations

import errno
import socket

from app_runner.babel import gettext as _
from app_runner.launch.supervisor import LaunchError

PORT = 5005
TRIES = 100  # ports looked at after the first one


def bind(host: str, port: int | None = None) -> socket.socket:
    """Listen on the port asked for, or on the first free one from 5005 on.

    Raises `LaunchError` when that port is taken, or the host cannot be bound.
    """
    ports = range(PORT, PORT + TRIES) if port is None else (port,)
    for number in ports:
        try:
            return _listen(host, number)
        except PermissionError as error:
            raise LaunchError(
                _("Port %(port)d needs more rights than you have.", port=number)
            ) from error
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                text = _("Cannot listen on %(host)s: %(why)s", host=host, why=error)
                raise LaunchError(text) from error
    if port is None:
        raise LaunchError(
            _("No port from %(first)d to %(last)d is free.", first=PORT, last=ports[-1])
        )
    raise LaunchError(
        _("Port %(port)d is taken; leave out --port to get a free one.", port=port)
    )


def _listen(host: str, port: int) -> socket.socket:
    kind, _type, _proto, _name, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(kind, socket.SOCK_STREAM)
    try:
        # Else connections of a server that has just ended keep the port for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def free_port(host: str = "127.0.0.1") -> int:
    """Give a port that is free at this moment (somebody else may take it)."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def url_of(host: str, port: int) -> str:
    """Give the address of a server bound to ``host`` for a browser on this machine."""
    if host in ("0.0.0.0", ""):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
