"""The link store keeps a URL, which is what clients of a task are given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.errors import StoreError
from app_runner.files.links import checked_url
from app_runner.state import state_of
from app_runner.tasks import results

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


class Elsewhere(BaseHTTPRequestHandler):
    """Answers with one text."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from elsewhere")

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def test_jobs_read_what_the_url_leads_to(app: Flask) -> None:
    store = state_of(app).stores["url_file_store"]
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.handle_request).start()
    url = f"http://127.0.0.1:{server.server_port}"
    with app.app_context(), server, store.open(url) as file:
        assert file.read() == b"from elsewhere"
        assert file.seek(0) == 0
    with app.app_context(), pytest.raises(StoreError, match="link"):
        store.open(url)


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
