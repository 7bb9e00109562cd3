"""Whatever a client sends gets a documented answer in the one shape of errors."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.state import state_of
from tests.api.conftest import PROCESS, assert_error, path_of

MAC = "a" * 26
BAD_IDS = [
    "1", "0", "-1", "01", "1.5", "1e3", "x", "None", "%00", "%ff", "%F0%9F%98%80", " 1",
    "1%0a", "9" * 30, "9" * 6000, f"1-{MAC}", f"-1-{MAC}", f"0-{MAC}", f"01-{MAC}",
    f"{'9' * 19}-{MAC}", f"{2**63}-{MAC}", f"1-{MAC}a", f"1-{MAC[1:]}",
    f"1-{MAC.upper()}", "1-", "..", "%2e%2e", "1;x", "1'--", "<script>", "١-" + MAC,
]  # fmt: skip


@pytest.mark.parametrize("bad_id", BAD_IDS)
@pytest.mark.parametrize("kind", ["tasks", "files"])
def test_a_bad_id_is_not_found(client: FlaskClient, kind: str, bad_id: str) -> None:
    assert_error(client.get(f"/{kind}/{bad_id}/"), 404)


@pytest.mark.parametrize("bad_id", BAD_IDS)
def test_no_command_reaches_a_bad_id(client: FlaskClient, bad_id: str) -> None:
    assert_error(client.post(f"/tasks/{bad_id}/", json={"command": "subscribe"}), 404)


def test_an_id_is_good_for_its_kind_only(
    app: Flask, client: FlaskClient, task_url: str
) -> None:
    assert client.get(task_url).status_code == 200
    assert_error(client.get(task_url.replace("/tasks/", "/files/")), 404)
    file_url = path_of(app, "files-api.FileView", file_id=1)
    assert_error(client.get(file_url.replace("/files/", "/tasks/")), 404)


def test_a_signed_id_of_no_row_is_not_found(app: Flask, client: FlaskClient) -> None:
    for number in (10**6, 2**63 - 1):
        assert_error(client.get(path_of(app, "tasks-api.TaskView", task_id=number)), 404)
        assert_error(client.get(path_of(app, "files-api.FileView", file_id=number)), 404)


def test_ids_of_another_runner_are_foreign(
    app: Flask, client: FlaskClient, task_id: int
) -> None:
    from app_runner.ids import PublicIds

    foreign = PublicIds("another secret").sign("task", task_id)
    assert_error(client.get(f"/tasks/{foreign}/"), 404)
    own = state_of(app).ids.sign("task", task_id)
    assert client.get(f"/tasks/{own}/").status_code == 200


METHODS = {
    "/": "GET",
    "/plugins/": "GET",
    "/problems/": "GET",
    "/plugins/poet@1-0-0/": "GET",
    PROCESS: "POST",
    "/api-spec.json": "GET",
    "/health/live": "GET",
}


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "XX"]
)
def test_wrong_methods_say_which_ones_are_right(
    client: FlaskClient, path: str, method: str
) -> None:
    if METHODS[path] == method:
        return
    answer = client.open(path, method=method)
    assert_error(answer, 405)
    assert METHODS[path] in answer.headers["Allow"].split(", ")


def test_wrong_methods_of_tasks_and_files(
    app: Flask, client: FlaskClient, task_url: str
) -> None:
    assert_error(client.put(task_url), 405)
    assert_error(client.post(path_of(app, "files-api.FileView", file_id=1)), 405)


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/plugins/none/", "/plugins/%ff/", "/plugins/a%0ab/", "/files/x/"],
)
def test_unknown_paths_are_not_found(client: FlaskClient, path: str) -> None:
    assert_error(client.get(path), 404)


SUBSCRIBE = {"command": "subscribe", "webhookHref": "http://hook/"}
WRONG_TYPES = [
    "text/plain",
    "application/xml",
    "application/octet-stream",
    "json",
    "x/y;z",
]


@pytest.mark.parametrize("content_type", [*WRONG_TYPES, ""])
def test_the_entry_point_takes_forms_and_json_only(
    client: FlaskClient, content_type: str
) -> None:
    answer = client.post(PROCESS, data=b"title=x&lines=1", content_type=content_type)
    assert "application/x-www-form-urlencoded" in assert_error(answer, 415)["message"]


@pytest.mark.parametrize(
    "content_type", [*WRONG_TYPES, "", "application/x-www-form-urlencoded"]
)
def test_commands_are_json_only(
    client: FlaskClient, task_url: str, content_type: str
) -> None:
    answer = client.post(task_url, data=b'{"command": ""}', content_type=content_type)
    assert "application/json" in assert_error(answer, 415)["message"]


BROKEN_JSON = {
    "empty": b"",
    "cut": b'{"title": "x"',
    "text": b"title=x",
    "deep": b"[" * 200_000,
    "deep_objects": b'{"title":' * 100_000,
    "long_number": b'{"lines": ' + b"9" * 5000 + b"}",
    "not_utf_8": b'{"title": "\xff"}',
    "utf_16": '{"title": "x"}'.encode("utf-16"),
    "raw_nul": b'{"title": "\0"}',
    "half_a_pair": b'{"title": "\\ud800", "lines": 1}',
    "half_a_pair_in_a_key": b'{"\\uDC00": 1}',
}


@pytest.mark.parametrize("body", BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_broken_json_is_a_bad_request(
    client: FlaskClient, task_url: str, body: bytes
) -> None:
    for path in (PROCESS, task_url):
        assert_error(client.post(path, data=body, content_type="application/json"), 400)


@pytest.mark.parametrize(
    "body", ["[]", "[1]", "null", "1", '"x"', "true", "1e400", "NaN"]
)
def test_json_that_is_no_object_is_refused(
    client: FlaskClient, task_url: str, body: str
) -> None:
    for path in (PROCESS, task_url):
        answer = client.post(path, data=body, content_type="application/json")
        errors = assert_error(answer, 422)["errors"]
        assert set(errors) == {"form" if path == PROCESS else "json"}


PARAMETERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "missing": ({}, {"title", "lines"}),
    "wrong": ({"title": 1, "lines": "many"}, {"title", "lines"}),
    "float": ({"title": "x", "lines": 1.5}, {"lines"}),
    "infinite": ({"title": "x", "lines": float("inf")}, {"lines"}),
    "not_a_number": ({"title": "x", "lines": float("nan")}, {"lines"}),
    "null": ({"title": None, "lines": None}, {"title", "lines"}),
    "nested": ({"title": {"a": []}, "lines": [1]}, {"title", "lines"}),
    "not_bool": ({"title": "x", "lines": 1, "rhymes": "perhaps"}, {"rhymes"}),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_wrong_parameters_are_named(client: FlaskClient, case: str) -> None:
    sent, wrong = PARAMETERS[case]
    errors = assert_error(client.post(PROCESS, json=sent), 422)["errors"]
    assert set(errors["form"]) == wrong
    assert all(
        isinstance(text, str) for texts in errors["form"].values() for text in texts
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"title=x",
        b"lines=%ff&title=a",
        b"title=&lines=&lines=1",
        b"&&==;",
        b"%",
        b"\0",
    ],
)
def test_wrong_forms_are_unprocessable(client: FlaskClient, body: bytes) -> None:
    kind = "application/x-www-form-urlencoded"
    assert_error(client.post(PROCESS, data=body, content_type=kind), 422)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\nfoo", b"--x\r\nA: b\r\n\r\nc--x--"]
)
def test_broken_multipart_is_unprocessable(
    client: FlaskClient, content_type: str, body: bytes
) -> None:
    assert_error(client.post(PROCESS, data=body, content_type=content_type), 422)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "a\0b\r\n", "lines": "1"},
        {"title": "x" * 100_000, "lines": "-1", "unknown": "ignored"},
        {"title": "𝔸\u202e", "lines": " 7 ", "rhymes": "on"},
    ],
)
def test_odd_but_valid_parameters_start_a_task(
    client: FlaskClient, fields: dict[str, str]
) -> None:
    for sent in ({"data": fields}, {"json": fields}):
        answer = client.post(PROCESS, **sent)
        assert answer.status_code == 303, answer.text
        assert client.get(answer.location).get_json()["status"] == "PENDING"


@pytest.mark.parametrize(
    "kind", ["application/JSON", "application/json; charset=utf-8", "application/ld+json"]
)
def test_json_has_many_spellings(client: FlaskClient, kind: str) -> None:
    body = b'{"title": "\\ud83d\\ude00", "lines": 3}'
    assert client.post(PROCESS, data=body, content_type=kind).status_code == 303


@pytest.mark.parametrize("how", ["data", "json"])
def test_a_body_held_in_memory_is_bounded_sooner(
    app: Flask, client: FlaskClient, how: str
) -> None:
    limit = app.config["MAX_FORM_MEMORY_SIZE"]
    app.config["MAX_FORM_MEMORY_SIZE"] = 2000
    try:
        body: Any = {"title": "x" * 3000}
        assert_error(client.post(PROCESS, **{how: body}), 413)
    finally:
        app.config["MAX_FORM_MEMORY_SIZE"] = limit


def test_a_body_that_is_too_large_is_refused(app: Flask, client: FlaskClient) -> None:
    limit = app.config["MAX_CONTENT_LENGTH"]
    app.config["MAX_CONTENT_LENGTH"] = 2000
    try:
        assert_error(client.post(PROCESS, data={"title": "x" * 3000}), 413)
        assert_error(client.post(PROCESS, json={"title": "x" * 3000}), 413)
    finally:
        app.config["MAX_CONTENT_LENGTH"] = limit


def test_a_body_of_unknown_length_is_read(client: FlaskClient) -> None:
    answer = client.post(
        PROCESS,
        input_stream=BytesIO(b'{"title": "x", "lines": 1}'),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code == 303


def test_a_submit_without_the_last_slash_is_sent_on(client: FlaskClient) -> None:
    answer = client.post(PROCESS.rstrip("/"), data={"title": "x", "lines": "1"})
    assert (answer.status_code, answer.location) == (308, f"http://localhost{PROCESS}")


def test_a_redirect_stays_on_this_host(client: FlaskClient) -> None:
    for path in ("/plugins", "/plugins//", "//localhost/plugins", "/plugins/poet"):
        answer = client.get(path)
        assert answer.status_code in (301, 302, 308, 404)
        assert answer.location is None or answer.location.startswith(
            ("http://localhost/", "/plugins/")
        )
