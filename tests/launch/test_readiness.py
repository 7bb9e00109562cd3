"""The probe asks until the runner is ready and remembers the last answer."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app_runner.launch.children import Patience
from app_runner.launch.readiness import ReadyProbe
from tests.launch.conftest import until


class Server(ThreadingHTTPServer):
    """Answers as a runner that lacks its broker, until told otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Health)
        self.status, self.hosts = 503, set[str]()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Health(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Say how it is."""
        self.server.hosts.add(self.headers["Host"])
        body = b'{"status": "x",\n "checks": {"broker": "down"}}'
        self.send_response(self.server.status if self.path == "/health/ready" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve for a test."""
    served = Server()
    thread = Thread(target=served.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def test_it_is_ready_when_the_server_says_so(server: Server) -> None:
    probe = ReadyProbe(server.url)
    until(lambda: "503" in probe.last)
    assert not probe.is_ready()
    told = '503 {"status": "x", "checks": {"broker": "down"}}'
    assert probe.missing() == f"The runner did not get ready; at last: {told}"
    server.status = 200
    until(probe.is_ready)


def test_it_asks_for_the_name_the_runner_answers_to(server: Server) -> None:
    server.status = 200
    probe = ReadyProbe(server.url, "runner.example.org")
    until(probe.is_ready)
    assert server.hosts == {"runner.example.org"}


def test_no_server_at_all_is_told() -> None:
    probe = ReadyProbe("http://127.0.0.1:9")
    until(lambda: "refused" in probe.last)
    probe.stop()
    assert not probe.is_ready()


def test_patience_ends_with_too_many_deaths_in_a_while() -> None:
    patience = Patience((1, 2), window=10)
    assert [patience.delay(now) for now in (0, 1, 2)] == [1, 2, None]
    assert patience.delay(30) == 1
