"""Result files over HTTP: the bytes, parts of them, names, and who may read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.tasks import records, results
from tests.api.conftest import assert_error, path_of

CONTENT = bytes(range(256)) * 10
Keep = Callable[..., str]


@pytest.fixture
def keep(app: Flask) -> Keep:
    """Keep a result file and give its path with the tag."""

    def save(
        content: Any = CONTENT, name: str = "out.bin", mimetype: str | None = "text/plain"
    ) -> str:
        with app.test_request_context():
            task_id = records.start("files")
            file = results.save_file(task_id, content, name, "custom", mimetype)
            values = {"file_id": file.id, "file-id": file.security_tag}
            return path_of(app, "files-api.FileView", **values)

    return save


def test_the_bytes_come_with_their_length_and_type(
    client: FlaskClient, keep: Keep
) -> None:
    answer = client.get(keep(name="a b.csv", mimetype="text/csv"))
    assert (answer.status_code, answer.data) == (200, CONTENT)
    assert answer.content_length == len(CONTENT)
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["X-Data-Type"] == "custom"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "query",
    ["", "?file-id=", "?file-id=wrong", "?file-id=%ff", "?file-id=é", "?file_id="],
)
def test_a_file_is_not_found_without_its_tag(
    client: FlaskClient, keep: Keep, query: str
) -> None:
    path, _, tag = keep().partition("?")
    answer = client.get(path + query.replace("file_id=", f"file_id={tag}"))
    assert_error(answer, 404)


def test_the_tag_of_another_file_is_wrong(client: FlaskClient, keep: Keep) -> None:
    path, other = keep().partition("?")[0], keep().partition("?")[2]
    assert_error(client.get(f"{path}?{other}"), 404)


def test_unknown_fields_in_the_query_are_ignored(client: FlaskClient, keep: Keep) -> None:
    assert client.get(f"{keep()}&utm_source=x&file-id=second").data == CONTENT


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0),
        ("0-99", 0, 99),
        ("100-", 100, 2559),
        ("-1", 2559, 2559),
        ("2000-999999", 2000, 2559),
    ],
)
def test_a_range_gives_that_part(
    client: FlaskClient, keep: Keep, asked: str, first: int, last: int
) -> None:
    answer = client.get(keep(), headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.data == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert answer.content_length == last + 1 - first


@pytest.mark.parametrize("asked", ["2560-", "99999-100000"])
def test_a_range_outside_of_the_file_is_refused(
    client: FlaskClient, keep: Keep, asked: str
) -> None:
    answer = client.get(keep(), headers={"Range": f"bytes={asked}"})
    assert_error(answer, 416)
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "lines=1-2",
        "bytes=x-y",
        "bytes=5-2",
        "ä",
        "bytes=0-1,5-6",
        "bytes=-9999",
    ],
)
def test_a_header_that_is_no_range_changes_nothing(
    client: FlaskClient, keep: Keep, header: str
) -> None:
    answer = client.get(keep(), headers={"Range": header})
    assert (answer.status_code, answer.data) == (200, CONTENT)


def test_an_empty_file_is_a_file(client: FlaskClient, keep: Keep) -> None:
    path = keep(b"")
    assert (client.get(path).status_code, client.get(path).data) == (200, b"")
    assert client.get(path, headers={"Range": "bytes=0-0"}).data == b""


def test_head_tells_what_get_would_give(client: FlaskClient, keep: Keep) -> None:
    path = keep()
    head, get = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.data == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Content-Disposition"):
        assert head.headers[name] == get.headers[name]


def test_a_client_that_has_the_file_is_told_so(client: FlaskClient, keep: Keep) -> None:
    path = keep()
    first = client.get(path)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(path, headers={"If-None-Match": "*"}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"x"'}).data == CONTENT
    assert client.get(path, headers={"If-Modified-Since": modified}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": "junk"}).data == CONTENT


def test_a_range_of_a_changed_file_is_not_given(client: FlaskClient, keep: Keep) -> None:
    path = keep()
    tag = client.get(path).headers["ETag"]
    same = client.get(path, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"x"'})
    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("out.txt", "out.txt", "out.txt"),
        ("/etc/passwd", "etc_passwd", "_etc_passwd"),
        ("..\\..\\x", ".._.._x", ".._.._x"),
        ('a"b;c=d', "abcd", "a%22b%3Bc%3Dd"),
        ("x\r\nSet-Cookie: y", "x_Set-Cookie_y", "x%0D%0ASet-Cookie%3A%20y"),
        ("größe 😀.csv", "groe_.csv", "gr%C3%B6%C3%9Fe%20%F0%9F%98%80.csv"),
        ("日本", "file", "%E6%97%A5%E6%9C%AC"),
        ("", "file", ""),
        ("\ud800\0", "file", "%3F%EF%BF%BD"),
        ("n" * 600, "n" * 500, "n" * 500),
    ],
)
def test_a_name_is_only_a_label(
    client: FlaskClient, keep: Keep, name: str, plain: str, encoded: str
) -> None:
    answer = client.get(keep(name=name))
    assert answer.data == CONTENT
    disposition = answer.headers["Content-Disposition"]
    assert disposition.endswith(f"filename*=UTF-8''{encoded}")
    shown = disposition.partition('filename="')[2].partition('"')[0]
    assert shown.strip("._") == plain.strip("._")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("mimetype", "kind"),
    [
        ("text/plain", "inline"),
        ("image/png", "inline"),
        ("application/json", "inline"),
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
        ("IMAGE/SVG+XML; charset=utf-8", "attachment"),
        ("application/javascript", "attachment"),
        ("application/xhtml+xml", "attachment"),
        ("text/plain\r\nX-Evil: 1", "attachment"),
        ("", "attachment"),
        (None, "attachment"),
    ],
)
def test_no_file_runs_in_our_origin(
    client: FlaskClient, keep: Keep, mimetype: str | None, kind: str
) -> None:
    answer = client.get(keep(mimetype=mimetype))
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith(kind), disposition
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert "X-Evil" not in answer.headers


def test_a_download_can_be_asked_for(client: FlaskClient, keep: Keep) -> None:
    answer = client.get(f"{keep()}&download=true")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert_error(client.get(f"{keep()}&download=perhaps"), 422)


def test_bytes_that_are_gone_are_not_found(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        file = results.save_file(records.start("f"), b"x", "x", "custom", None)
        store, key = file.storage_provider, file.file_storage_data
        path = path_of(
            app, "files-api.FileView", file_id=file.id, **{"file-id": file.security_tag}
        )
        results.drop({"storage_provider": store, "file_storage_data": key})
    assert_error(client.get(path), 404)
    assert_error(client.head(path), 404)
