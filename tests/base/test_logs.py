"""Log lines: configured once, with the id of the request, as text or JSON."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner import logs
from app_runner.logs import JsonFormatter, RequestIdFilter, RunnerHandler
from app_runner.state import REQUEST_ID
from tests.conftest import AppFactory
from tests.processes import run_program

PROGRAM = """
import logging
from app_runner import create_app
create_app(); create_app()
logging.getLogger("some.plugin").warning("it is %s", "so")
logging.getLogger("some.plugin").debug("not shown")
"""


def record(**changes: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "a.logger", "levelname": "WARNING", "msg": "it is %s", "args": ("so",)}
    )
    made.__dict__.update(changes)
    return made


def test_json_lines_are_one_object_each() -> None:
    line = JsonFormatter().format(record(msg="two\nlines ä", args=()))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry["message"] == "two\nlines ä"
    assert entry["level"] == "WARNING"
    assert entry["logger"] == "a.logger"
    assert entry["time"].endswith("+00:00")


def test_json_lines_carry_the_traceback() -> None:
    try:
        raise LookupError("lost")
    except LookupError:
        entry = json.loads(JsonFormatter().format(record(exc_info=sys.exc_info())))
    assert "LookupError: lost" in entry["error"]


def test_each_line_has_the_id_of_its_request() -> None:
    token = REQUEST_ID.set("abc")
    try:
        made = record()
        RequestIdFilter().filter(made)
        assert json.loads(JsonFormatter().format(made))["request_id"] == "abc"
        assert " [abc] " in logging.Formatter(logs.TEXT).format(made)
    finally:
        REQUEST_ID.reset(token)


def test_many_apps_add_one_handler(make_app: AppFactory) -> None:
    make_app()
    make_app()
    handlers = logging.getLogger().handlers
    assert sum(isinstance(handler, RunnerHandler) for handler in handlers) == 1


@pytest.fixture
def client(shared_app: Flask) -> FlaskClient:
    return shared_app.test_client()


@pytest.mark.parametrize("given", ["abc.DEF-1_2", "x" * 64])
def test_the_id_that_a_client_sends_is_taken(client: FlaskClient, given: str) -> None:
    response = client.get("/health/live", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "ä", '{"a"}', None])
def test_other_ids_are_replaced(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    response = client.get("/health/live", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-ID"])


def test_each_request_has_an_id_of_its_own(client: FlaskClient) -> None:
    made = {client.get("/health/live").headers["X-Request-ID"] for _ in range(5)}
    assert len(made) == 5


def test_errors_have_an_id_too(client: FlaskClient) -> None:
    assert client.get("/no/such/page").headers["X-Request-ID"]


def test_a_request_logs_with_its_id(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    @app.route("/log")
    def log() -> str:
        logging.getLogger("a.plugin").warning("seen")
        return "done"

    caplog.handler.addFilter(RequestIdFilter())
    app.test_client().get("/log", headers={"X-Request-ID": "mine"})
    (line,) = (r for r in caplog.records if r.getMessage() == "seen")
    assert line.request_id == "mine"  # type: ignore[attr-defined]


@pytest.mark.integration
def test_the_log_of_a_process_goes_to_stderr_once(tmp_path: Path) -> None:
    settings = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path), "LOG_FORMAT": "json"}
    ended = run_program("python", "-c", PROGRAM, settings=settings)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [x["message"] for x in lines if x["logger"] == "some.plugin"] == ["it is so"]
    assert ended.stdout == ""
