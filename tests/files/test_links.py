"""The link store keeps a URL, which is what clients of a task are given."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.errors import FileMissing, StoreError
from app_runner.fetch import Fetcher, FetchPolicy
from app_runner.files.contract import CHUNK, FileStore
from app_runner.files.links import checked_url
from app_runner.state import state_of
from app_runner.tasks import results
from tests.fetch.servers import Exchange, Server, serving
from tests.files.contract import Failing, KeepingContract

LINK = "http://elsewhere.example/results/7?x=a%20b#part"


@pytest.fixture
def linked(app: Flask) -> Iterator[TaskFile]:
    with app.test_request_context():
        task = ProcessingTask("t")
        task.save(commit=True)
        yield results.save_file(
            task.id, LINK, "circuit", "executable/circuit", "text/x-qasm",
            store="url_file_store",
        )  # fmt: skip


def test_only_the_url_is_kept(linked: TaskFile) -> None:
    assert (linked.file_storage_data, linked.size) == (LINK, None)
    results.drop({"storage_provider": "url_file_store", "file_storage_data": LINK})


def test_clients_are_given_the_url_itself(linked: TaskFile, client: FlaskClient) -> None:
    task = client.get(url_for("tasks-api.TaskView", task_id=linked.task_id)).get_json()
    assert task["outputs"] == [
        {
            "href": LINK,
            "dataType": "executable/circuit",
            "contentType": "text/x-qasm",
            "name": "circuit",
        }
    ]


def test_the_url_of_the_file_leads_to_it(linked: TaskFile, client: FlaskClient) -> None:
    tag: Any = {"file-id": linked.security_tag}
    url = url_for("files-api.FileView", file_id=linked.id, **tag)
    answer = client.get(url)
    assert (answer.status_code, answer.location) == (302, LINK)
    assert client.get(url[:-4]).status_code == 404


class TestLinkStore(KeepingContract):
    """The part of the contract that does not speak of bytes here."""

    large, memory = 64 * CHUNK, 12 * CHUNK

    @pytest.fixture
    def elsewhere(self) -> Iterator[Server]:
        """Serve what tests publish, under paths that are keys."""
        self.published: dict[str, bytes] = {}

        def answer(exchange: Exchange) -> None:
            content = self.published.get(exchange.path)
            exchange.reply(content or b"", 404 if content is None else 200)

        with serving(answer) as server:
            self.no_such = server.url(path="/no/such")
            self.server = server
            yield server

    @pytest.fixture
    def store(self, app: Flask, elsewhere: Server) -> Iterator[FileStore]:
        with app.app_context():
            yield state_of(app).stores["url_file_store"]

    def saved(self, key: str, content: bytes) -> BinaryIO:
        self.published[f"/{key}"] = content
        return cast(BinaryIO, InPieces(self.server.url(path=f"/{key}").encode()))

    @staticmethod
    def failing() -> BinaryIO:
        return cast(BinaryIO, Failing(b"http://elsewhere.example/"))


class InPieces(io.BytesIO):
    """A source that gives little at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(7)


def test_what_cannot_be_reached_is_told(app: Flask) -> None:
    store = state_of(app).stores["url_file_store"]
    with app.app_context():
        with serving(lambda exchange: exchange.reply(b"", 500)) as server:
            url = server.url()
            with pytest.raises(StoreError, match="link") as broken:
                store.open(url)
        with pytest.raises(StoreError, match="link") as gone:
            store.open(url)
    assert not isinstance(broken.value, FileMissing)
    assert not isinstance(gone.value, FileMissing)


def test_what_breaks_off_or_stops_is_no_half_file(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaking(exchange: Exchange) -> None:
        exchange.close_connection = True
        exchange.reply(b"half", Content_Length="8")

    def freezing(exchange: Exchange) -> None:
        breaking(exchange)
        exchange.server.stopping.wait(60)

    impatient = Fetcher(FetchPolicy(allow_private=True, read_timeout=0.5, retries=0))
    monkeypatch.setattr(state_of(app), "fetcher", impatient)
    store = state_of(app).stores["url_file_store"]
    for answer in (breaking, freezing):
        with (
            app.app_context(),
            serving(answer) as server,
            pytest.raises(StoreError, match="link"),
        ):
            store.open(server.url())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"file:///etc/passwd",
        b"javascript:alert(1)",
        b"//host/x",
        b"http://",
        b"http://host/\n/x",
        b"http://host/ x",
        b"\xff",
        b"http://[::1",
        b"http://h/" + b"x" * 9000,
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(StoreError):
        checked_url(content)


@given(
    st.binary(max_size=50) | st.text(max_size=50).map(lambda t: f"http://{t}".encode())
)
def test_what_is_taken_is_a_web_url(content: bytes) -> None:
    try:
        url = checked_url(content)
    except StoreError:
        return
    assert url.startswith(("http://", "https://", "HTTP"))
    assert url.isprintable() or not url.isascii()
