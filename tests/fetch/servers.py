"""Real servers on loopback, and names that resolve to where a test says."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Seen:
    """One request that arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchange(BaseHTTPRequestHandler):
    """One request, with short ways to answer it."""

    protocol_version = "HTTP/1.1"
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        try:
            self.server.answer(self)
        except OSError:
            self.close_connection = True  # the client went away, as some tests want

    do_GET = do_POST = do_HEAD = do_PUT = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name)
        """Stay silent."""

    def reply(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        """Answer with ``body``; header names are written with underscores."""
        self.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(len(body)), **named}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def redirect(self, location: str, status: int = 302, **headers: str) -> None:
        """Answer with a redirect."""
        self.reply(b"moved", status, Location=location, **headers)

    def drip(self, piece: bytes) -> None:
        """Send ``piece`` every few milliseconds until one side has enough."""
        self.close_connection = True
        while not self.server.stopping.wait(0.02):
            self.wfile.write(piece)
            self.wfile.flush()


Answer = Callable[[Exchange], None]


@dataclass
class Server(ThreadingHTTPServer):
    """A server that remembers what it was asked."""

    answer: Answer
    address: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Listen on a free port."""
        self.address_family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        super().__init__((self.address, 0), Exchange)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def url(self, host: str | None = None, path: str = "/") -> str:
        """Give the URL of ``path`` under the name ``host``."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.address}:{self.port}{path}"

    def get_request(self) -> tuple[Any, Any]:
        """Count connections, before anything is said on them."""
        connection, peer = super().get_request()
        self.connections += 1
        return connection, peer

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the thread of the connection."""
        try:
            if self.tls:
                request = self.tls.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except OSError:
            pass  # a client that does not trust us, or that had enough
        finally:
            if self.tls:
                request.close()


@contextmanager
def serving(
    answer: Answer, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Server]:
    """Run a server until the block ends."""
    server = Server(answer, address, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Names:
    """Stands in for name resolution: names lead where the test says, in turn.

    A name with several answers gives the next one at each question, the last for ever:
    that is what a rebinding attack does.
    """

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        """Take for each name (``_`` stands for a dot) the list of its answers."""
        self.answers = {
            name.replace("_", "."): list(all_) for name, all_ in answers.items()
        }
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_options: Any) -> list[Any]:
        """Answer like `socket.getaddrinfo`; addresses stand for themselves."""
        self.asked.append(host)
        waiting = self.answers.get(host)
        if waiting is None:
            flags = socket.AI_NUMERICHOST
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
        addresses = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return [
            info
            for address in addresses
            for info in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        ]
