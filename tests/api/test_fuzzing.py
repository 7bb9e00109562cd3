"""Random ids, paths, headers and bodies: never a server error, always the one shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_runner.ids import MAX_ID, PublicIds
from app_runner.state import state_of
from tests.api.conftest import PROCESS, assert_error

BOUNDED = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
IDS = PublicIds("a secret")
HEADERS = [
    "Range",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
    "Authorization",
    "Accept",
    "Accept-Language",
    "Host",
    "X-Request-ID",
    "Content-Length",
    "Content-Type",
    "Origin",
    "Cookie",
    "Transfer-Encoding",
]


@given(st.integers(1, MAX_ID), st.sampled_from(["task", "file"]))
def test_a_signed_id_comes_back(number: int, kind: str) -> None:
    signed = IDS.sign(kind, number)
    assert IDS.verify(kind, signed) == number
    assert IDS.sign(kind, signed) == signed
    assert IDS.sign(kind, str(number)) == signed


@given(st.integers(1, MAX_ID), st.integers(1, MAX_ID))
def test_a_signature_is_good_for_one_id_kind_and_secret(one: int, other: int) -> None:
    mac = IDS.sign("task", one).partition("-")[2]
    if one != other:
        assert IDS.verify("task", f"{other}-{mac}") is None
    assert IDS.verify("file", f"{one}-{mac}") is None
    assert PublicIds("another").verify("task", f"{one}-{mac}") is None


@given(TEXT | st.from_regex(r"-?[0-9]{1,25}-[a-z2-7]{26}", fullmatch=True))
def test_what_was_not_signed_is_no_id(text: str) -> None:
    assert IDS.verify("task", text) is None


@given(
    st.integers(max_value=0)
    | st.integers(MAX_ID + 1)
    | TEXT.filter(lambda t: not t.isdigit())
)
def test_what_is_no_id_is_not_signed(value: int | str) -> None:
    with pytest.raises(ValueError):
        IDS.sign("task", value)


@BOUNDED
@given(
    text=TEXT.filter(lambda text: text.strip("/")),
    kind=st.sampled_from(["tasks", "files", "plugins"]),
)
def test_any_path_is_answered(client: FlaskClient, text: str, kind: str) -> None:
    answer = client.get(f"/{kind}/{quote(text, safe='')}/")
    assert answer.status_code in (200, 302, 308, 404), answer.text
    if answer.status_code == 404:
        assert_error(answer, 404)


@pytest.fixture(scope="module")
def quiet(app: Flask) -> Iterator[Flask]:
    """Take messages without a broker, and without a row for each example."""
    state_of(app).celery.conf.task_always_eager = True
    yield app
    state_of(app).celery.conf.task_always_eager = False


def assert_documented(client: FlaskClient, answer: Any) -> None:
    assert answer.status_code in (303, 400, 413, 415, 422), answer.text
    if answer.status_code != 303:
        assert_error(answer, answer.status_code)


@BOUNDED
@given(body=JSON)
def test_any_json_is_answered(client: FlaskClient, quiet: Flask, body: Any) -> None:
    answer = client.post(PROCESS, data=json.dumps(body), content_type="application/json")
    assert_documented(client, answer)


@BOUNDED
@given(title=JSON, lines=JSON, rhymes=JSON)
def test_any_values_are_answered(
    client: FlaskClient, quiet: Flask, title: Any, lines: Any, rhymes: Any
) -> None:
    values = {"title": title, "lines": lines, "rhymes": rhymes}
    answer = client.post(
        PROCESS, data=json.dumps(values), content_type="application/json"
    )
    assert_documented(client, answer)


@BOUNDED
@given(fields=st.dictionaries(st.sampled_from(["title", "lines", "rhymes", "x"]), TEXT))
def test_any_form_is_answered(
    client: FlaskClient, quiet: Flask, fields: dict[str, str]
) -> None:
    assert_documented(client, client.post(PROCESS, data=fields))
    form = PROCESS.replace("process", "ui")
    assert client.post(form, data=fields).status_code == 200
    assert client.get(form, query_string=fields).status_code == 200


@BOUNDED
@given(
    body=st.binary(max_size=200),
    kind=st.sampled_from(
        ["application/json", "multipart/form-data; boundary=b", "", "text/plain"]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
)
def test_any_bytes_are_answered(
    client: FlaskClient, quiet: Flask, body: bytes, kind: str
) -> None:
    assert_documented(client, client.post(PROCESS, data=body, content_type=kind))


@BOUNDED
@given(command=JSON, hook=JSON, event=JSON)
def test_any_command_is_answered(
    client: FlaskClient, task_url: str, command: Any, hook: Any, event: Any
) -> None:
    body = {"command": command, "webhookHref": hook, "event": event}
    answer = client.post(task_url, data=json.dumps(body), content_type="application/json")
    assert answer.status_code in (400, 422)
    assert_error(answer, answer.status_code)


@BOUNDED
@given(
    name=st.sampled_from(HEADERS),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
)
def test_any_header_is_answered(
    client: FlaskClient, task_url: str, name: str, value: str
) -> None:
    for path in (task_url, "/", "/plugins/", "/plugins/poet@1-0-0/ui/"):
        answer = client.get(path, headers={name: value})
        assert answer.status_code in (200, 206, 304, 400, 401, 416), answer.text
        if answer.status_code >= 400:
            assert_error(answer, answer.status_code)
