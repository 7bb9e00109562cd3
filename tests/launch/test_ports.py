"""The server's port is bound before the server starts, or an error names it."""

from __future__ import annotations

import socket

import pytest

from app_runner.launch import ports
from app_runner.launch.supervisor import LaunchError


def test_a_taken_port_that_was_asked_for_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"Port {number} is taken"):
            ports.bind("127.0.0.1", number)


def test_the_next_free_port_is_taken_when_none_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        monkeypatch.setattr(ports, "PORT", first)
        with ports.bind("127.0.0.1") as listener:
            assert first < listener.getsockname()[1] < first + ports.TRIES


def test_a_host_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(LaunchError, match="Cannot listen on"):
        ports.bind("192.0.2.1", 0)
    with pytest.raises(LaunchError, match="Cannot listen on"):
        ports.bind("no-such-host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5005"),
        ("0.0.0.0", "http://127.0.0.1:5005"),
        ("::", "http://[::1]:5005"),
        ("runner.example.org", "http://runner.example.org:5005"),
    ],
)
def test_the_address_is_one_a_browser_can_use(host: str, url: str) -> None:
    assert ports.url_of(host, 5005) == url
