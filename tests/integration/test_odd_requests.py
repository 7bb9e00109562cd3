"""What no client of ours sends is answered as a fault of the client, and not believed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.conftest import Runner
from tests.integration.live import Server, serving

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(runner.app, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-Proto: https",
        "X-Forwarded-Ssl: on",
        "X-Forwarded-Protocol: ssl",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Prefix: /evil",
        "SCRIPT_NAME: /plugins",
        "SCRIPT_NAME: /evil",
        "PATH_INFO: /evil",
    ],
)
def test_without_a_proxy_nothing_that_one_would_say_is_believed(
    server: Server, header: str
) -> None:
    name, value = header.split(": ")
    answer = requests.get(f"{server.root}/plugins/", headers={name: value}, timeout=30)
    assert answer.status_code == 200, answer.text
    roots = [plugin["apiRoot"] for plugin in answer.json()["plugins"]]
    assert roots
    assert all(root.startswith(f"{server.root}/plugins/") for root in roots)
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", ["/plugins/report@1/process/", "/files/"])
@pytest.mark.parametrize(
    "body",
    ["ZZ\r\nword", "-1\r\nword", "0x4\r\nword\r\n0\r\n\r\n", "4\r\nwordXX\r\n0\r\n\r\n"],
)
def test_a_body_in_broken_chunks_is_a_bad_request(
    server: Server, path: str, body: str
) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(server.root).netloc}\r\n"
        "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(f"{head}{body}".encode())
        answer = line.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.endswith(
        b'"message":"The chunks of the body are not those of HTTP."}\n'
    )
