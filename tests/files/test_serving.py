"""How files leave the runner: packed, by signed links, by the store or the web server."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app_runner.api.file_links import expiring_url, lasting_url
from app_runner.api.task_document import task_document
from app_runner.db.models import TaskFile
from app_runner.errors import SettingError
from app_runner.files.local import LocalStore
from app_runner.state import state_of
from app_runner.tasks import records, results
from tests.api.conftest import Client, assert_error
from tests.conftest import AppFactory

TEXT = "äöü,1\n" * 1000
Keep = Callable[..., str]


@pytest.fixture
def app(app: Flask) -> Flask:
    app.test_client_class = Client
    return app


def kept(app: Flask, content: Any, name: str, mimetype: str | None) -> TaskFile:
    return results.save_file(records.start("f"), content, name, "custom", mimetype)


@pytest.fixture
def keep(app: Flask) -> Keep:
    """Keep a file and give the path of its URL."""

    def save(content: Any = TEXT, name: str = "a", mimetype: str = "text/csv") -> str:
        with app.test_request_context():
            return path_of(lasting_url(kept(app, content, name, mimetype)))

    return save


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


class TestPacking:
    def test_text_is_packed_for_who_takes_that(
        self, client: FlaskClient, keep: Keep
    ) -> None:
        path = keep()
        answer = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.data).decode() == TEXT
        assert len(answer.data) < len(TEXT) / 10
        plain = client.get(path)
        assert plain.data.decode() == TEXT
        assert plain.headers["Vary"] == answer.headers["Vary"] == "Accept-Encoding"
        assert plain.headers["ETag"] != answer.headers["ETag"]

    def test_each_form_has_its_own_tag(self, client: FlaskClient, keep: Keep) -> None:
        path, gzipped = keep(), {"Accept-Encoding": "gzip"}
        tag = client.get(path, headers=gzipped).headers["ETag"]
        asked = {"If-None-Match": tag}
        assert client.get(path, headers={**gzipped, **asked}).status_code == 304
        assert client.get(path, headers=asked).status_code == 200

    @pytest.mark.parametrize(
        ("content", "mimetype", "headers"),
        [
            (TEXT, "image/png", {}),
            ("short", "text/csv", {}),
            (TEXT, "text/csv", {"Range": "bytes=0-99"}),
            (TEXT, "text/csv", {"Accept-Encoding": "gzip;q=0"}),
        ],
    )
    def test_nothing_else_is_packed(
        self,
        client: FlaskClient,
        keep: Keep,
        content: str,
        mimetype: str,
        headers: dict[str, str],
    ) -> None:
        path = keep(content, mimetype=mimetype)
        answer = client.get(path, headers={"Accept-Encoding": "gzip", **headers})
        assert "Content-Encoding" not in answer.headers
        assert content.encode().startswith(answer.data)


class TestLinks:
    def test_a_link_works_until_it_expires(self, app: Flask, client: FlaskClient) -> None:
        with app.test_request_context():
            file = kept(app, "x", "a", "text/plain")
            good = path_of(expiring_url(file, int(time.time()) + 100))
            old = path_of(expiring_url(file, int(time.time()) - 1))
            other = path_of(expiring_url(kept(app, "y", "b", None), 10**11))
        assert client.get(good).data == b"x"
        assert_error(client.get(old), 404)
        later = re.sub("expires=[0-9]+", f"expires={10**11}", good)
        assert_error(client.get(later), 404)
        assert_error(client.get(good.partition("?")[0] + "?" + other.split("?")[1]), 404)
        for wrong in ("expires=x", "expires=-1", "expires=", "expires=" + "9" * 40):
            assert_error(client.get(re.sub("expires=[0-9]+", wrong, good)), 404)

    def test_who_knows_the_tag_can_give_links_away(
        self, client: FlaskClient, keep: Keep
    ) -> None:
        path, _, query = keep().partition("?")
        answer = client.get(f"{path}link/?{query}&seconds=60")
        link = path_of(answer.get_json()["href"])
        assert query.partition("=")[2] not in link
        assert client.get(link).data.decode() == TEXT
        assert_error(client.get(f"{path}link/"), 404)
        assert_error(client.get(f"{path}link/?{query}&seconds=0"), 422)

    def test_who_has_a_link_cannot_make_it_last(
        self, client: FlaskClient, keep: Keep
    ) -> None:
        path, _, query = keep().partition("?")
        first = client.get(f"{path}link/?{query}&seconds=60").get_json()
        shared = urlsplit(first["href"]).query
        second = client.get(f"{path}link/?{shared}&seconds=9999").get_json()
        assert second["expiresAt"] == first["expiresAt"]

    def test_tasks_can_give_links_that_expire(self, make_app: AppFactory) -> None:
        app = make_app(FILE_URL_SECONDS=7200)
        with app.test_request_context():
            file = kept(app, "x", "a", "text/plain")
            href = json.loads(task_document(file.task_id).content)["outputs"][0]["href"]
            with state_of(app).fetcher.open(href) as response:
                assert response.content == b"x"
        assert file.security_tag not in href
        expires = re.search(r"expires=([0-9]+)", href)
        assert expires is not None
        assert 7200 <= int(expires[1]) - time.time() <= 14400
        with pytest.raises(SettingError, match="0, or a whole number from 7200"):
            make_app(FILE_URL_SECONDS=60)


class TestDelivery:
    def test_nginx_sends_the_file(self, make_app: AppFactory) -> None:
        app = make_app(FILE_DELIVERY="x-accel-redirect")
        with app.test_request_context():
            file = kept(app, "content", "größe.csv", "text/csv")
            path = path_of(lasting_url(file))
        answer = app.test_client().get(path)
        inside = answer.headers["X-Accel-Redirect"]
        assert inside == f"/protected-files/{file.file_storage_data}"
        assert (answer.data, answer.headers["Content-Type"]) == (b"", "text/csv")
        assert "gr%C3%B6%C3%9Fe.csv" in answer.headers["Content-Disposition"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    def test_another_server_gets_the_path(self, make_app: AppFactory) -> None:
        app = make_app(FILE_DELIVERY="x-sendfile")
        with app.test_request_context():
            file = kept(app, "content", "a.csv", "text/csv")
            path = path_of(lasting_url(file))
        store = state_of(app).stores.default
        assert isinstance(store, LocalStore)
        answer = app.test_client().get(path)
        assert answer.headers["X-Sendfile"] == str(store.path(file.file_storage_data))

    def test_the_client_is_sent_to_the_store(self, make_app: AppFactory) -> None:
        app = make_app(
            FILE_DELIVERY="redirect",
            S3_BUCKET="bucket",
            S3_ENDPOINT_URL="http://127.0.0.1:1",
            S3_ACCESS_KEY_ID="id",
            S3_SECRET_ACCESS_KEY="secret",
        )
        store = state_of(app).stores["s3"]
        headers = {"Content-Type": "text/csv", "Content-Disposition": "attachment"}
        from app_runner.api.delivery import handed_over

        with app.test_request_context():
            answer = handed_over(store, "1/0/abc", headers)
            assert handed_over(state_of(app).stores.default, "1/0/abc", headers) is None
        assert answer is not None
        assert answer.status_code == 307
        location = answer.headers["Location"]
        assert location.startswith("http://127.0.0.1:1/bucket/1/0/abc?")
        assert "response-content-disposition=attachment" in location
        assert "X-Amz-Expires=7200" in location
        assert "secret" not in location


def test_a_download_is_asked_for_by_a_number_too(client: FlaskClient, keep: Keep) -> None:
    answer = client.get(f"{keep()}&download=1")
    assert answer.headers["Content-Disposition"].startswith("attachment")
