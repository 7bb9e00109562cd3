"""Sources over HTTP: credentials reach one server only, redirects are bound."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app_runner.errors import SourceError
from app_runner.plugins.fetching import Change, Fetching
from app_runner.plugins.git import Git
from app_runner.plugins.sources import parse_source
from tests.sources.conftest import Repository

SECRET = "se%2Fcret"  # percent-encoded, as in URLs
HEADER = f"Basic {b64encode(b'some:se/cret').decode()}"


class GitHandler(SimpleHTTPRequestHandler):
    """Serves bare repositories as files, to those who log in; `/moved/` redirects."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/moved/"):
            self.send_response(301)
            self.send_header("Location", self.path.removeprefix("/moved"))
            self.end_headers()
        elif self.headers.get("Authorization") != HEADER:
            self.send_error(401)
        else:
            super().do_GET()

    def log_message(self, *_arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def asked() -> list[str]:
    """Give the paths that were asked for."""
    return []


@pytest.fixture
def address(repository: Repository, asked: list[str]) -> Iterator[str]:
    """Serve the repository, and give host and port."""
    repository.push("HEAD:refs/heads/main")
    GitWithInfo(repository.bare).update()
    handler = type("Handler", (GitHandler,), {"asked": asked})
    folder = str(repository.bare.parent)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class GitWithInfo(Git):
    """A repository that is served as files."""

    def update(self) -> None:
        """Write the lists that plain HTTP needs (``git help update-server-info``)."""
        self._local("update-server-info")


@pytest.fixture
def fetch(instance: Path) -> Callable[..., Change]:
    """Fetch one line, with the hosts that are allowed."""

    def run(line: str, *allowed: str) -> Change:
        fetching = Fetching(instance, allowed)
        with fetching.alone():
            return fetching.fetch(parse_source(line))

    return run


def test_credentials_of_the_url_reach_the_server_and_no_file(
    fetch: Callable[..., Change], address: str, instance: Path
) -> None:
    change = fetch(f"git+http://some:{SECRET}@{address}/plugins.git")
    assert change.subject == "Begin"
    assert (change.source.checkout(instance) / "fetched.py").is_file()
    for path in instance.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(word in content for word in (b"cret", HEADER[6:].encode()))


def test_a_login_that_is_refused_ends_without_a_question(
    fetch: Callable[..., Change], address: str
) -> None:
    for login in ("", "some:wrong@", "token@"):
        with pytest.raises(SourceError) as error:
            fetch(f"git+http://{login}{address}/plugins.git")
        assert "wrong" not in str(error.value)
        assert "token" not in str(error.value)


@pytest.mark.parametrize(
    ("login", "allowed", "followed"),
    [("", (), True), ("", ("127.0.0.1",), False), (f"some:{SECRET}@", (), False)],
)
def test_redirects_are_followed_only_where_they_can_do_no_harm(
    fetch: Callable[..., Change],
    address: str,
    asked: list[str],
    login: str,
    allowed: tuple[str, ...],
    followed: bool,
) -> None:
    """Not out of the allowlist; and git would give the login to the next server too."""
    with pytest.raises(SourceError):
        fetch(f"git+http://{login}{address}/moved/plugins.git", *allowed)
    assert any(path.startswith("/moved/") for path in asked)
    assert any(path.startswith("/plugins.git") for path in asked) == followed
