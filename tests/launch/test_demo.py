"""The demo client walks what the wire promises and says what is wrong with an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app_runner.launch.demo import bar, demo


class Wire(ThreadingHTTPServer):
    """The wire of a runner with one plugin, its answers open to change."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        root = f"http://127.0.0.1:{self.server_address[1]}"
        plugin = f"{root}/plugins/hello-world@v1-0-0/"
        self.root = root
        self.posted: list[str] = []
        self.looks = [
            {"status": "PENDING", "log": ""},
            {
                "status": "PENDING",
                "log": "",
                "progress": {"start": 0, "target": 100, "value": 50, "unit": "%"},
                "steps": [{"stepId": "more", "href": "", "uiHref": "", "cleared": False}],
            },
            {
                "status": "SUCCESS",
                "log": "",
                "outputs": [{"href": "/files/1/?file-id=x", "name": "out.txt"}],
            },
        ]
        entry = {"href": "process/", "uiHref": "ui/"}
        listed = {"name": "hello-world", "identifier": "hello-world@v1-0-0"}
        self.answers: dict[str, tuple[int, Any]] = {
            "GET /": (200, {"title": "App Runner"}),
            "GET /plugins/": (200, {"plugins": [{**listed, "apiRoot": plugin}]}),
            "GET /plugins/hello-world@v1-0-0/": (200, {"entryPoint": entry}),
            "GET /plugins/hello-world@v1-0-0/ui/": (200, '<input name="inputStr">'),
            "POST /plugins/hello-world@v1-0-0/process/": (303, "/tasks/1-abc/"),
            "GET /files/1/": (200, "Hello from the demo\n"),
        }

    def answer(self, request: str) -> tuple[int, Any]:
        """Give status and content; each look at the task gets further."""
        if request == "GET /tasks/1-abc/":
            return 200, self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return self.answers.get(request, (404, {"code": 404, "status": "Not Found"}))


class _Answers(BaseHTTPRequestHandler):
    server: Wire

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length:
            self.server.posted.append(self.rfile.read(length).decode())
        status, content = self.server.answer(
            f"{self.command} {self.path.partition('?')[0]}"
        )
        is_json = isinstance(content, dict)
        body = (json.dumps(content) if is_json else content).encode()
        self.send_response(status)
        if status == 303:
            self.send_header("Location", content)
        self.send_header("Content-Type", "application/json" if is_json else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _respond

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Serve the wire for a test."""
    server = Wire()
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_walks_to_the_result(wire: Wire) -> None:
    said: list[str] = []
    assert demo(wire.root, said.append) == 0
    assert said[-1] == "SUCCESS"
    assert said[-2] == "    | Hello from the demo"
    assert wire.posted == ["inputStr=Hello+from+the+demo"]
    text = "\n".join(said)
    assert f"POST {wire.root}/plugins/hello-world@v1-0-0/process/ -> 303" in text
    assert "[###############...............] 50 of 100 %" in text
    assert "step: more" in text


@pytest.mark.parametrize(
    ("request_line", "answer", "told"),
    [
        ("GET /", (200, "<html>"), "is no JSON"),
        ("GET /plugins/", (200, {"plugins": []}), "hello-world is not in the list"),
        ("GET /plugins/hello-world@v1-0-0/", (200, {}), "has not the shape"),
        ("GET /plugins/hello-world@v1-0-0/ui/", (200, ""), "no field inputStr"),
        ("POST /plugins/hello-world@v1-0-0/process/", (422, {}), "gave 422, not 303"),
        ("GET /files/1/", (500, {}), "gave 500, not 200"),
    ],
)
def test_it_says_what_is_wrong(
    wire: Wire, request_line: str, answer: tuple[int, Any], told: str
) -> None:
    wire.answers[request_line] = answer
    said: list[str] = []
    assert demo(wire.root, said.append) == 1
    assert said[-1].startswith("FAILED: ")
    assert told in said[-1]


def test_a_failed_task_is_told_with_its_reason(wire: Wire) -> None:
    wire.looks = [{"status": "FAILURE", "log": "no space left"}]
    said: list[str] = []
    assert demo(wire.root, said.append) == 1
    assert said[-1] == "FAILED: The task ended with FAILURE: no space left"


def test_a_server_that_is_not_there_is_no_traceback() -> None:
    said: list[str] = []
    assert demo("http://127.0.0.1:9", said.append) == 1
    assert said[-1].startswith("FAILED: http://127.0.0.1:9: ")


@pytest.mark.parametrize(
    ("value", "target", "drawn"),
    [
        (0, 100, 0),
        (50, 100, 15),
        (100, 100, 30),
        (120, 100, 30),
        (-5, 100, 0),
        (0, 0, 30),
    ],
)
def test_the_bar_stays_in_its_frame(value: int, target: int, drawn: int) -> None:
    text = bar({"start": 0, "target": target, "value": value, "unit": "%"})
    assert text.count("#") == drawn
    assert text.startswith("[")
    assert text.index("]") == 31
