"""Uploads: streamed, bounded, resumable, compared with their type, used, expired."""

from __future__ import annotations

import io
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app_runner.db import DB
from app_runner.db.models import Upload
from app_runner.db.types import now
from app_runner.state import state_of
from app_runner.tasks import records, uploads
from tests.api.conftest import Client, assert_error
from tests.conftest import AppFactory

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def app(make_app: AppFactory) -> Flask:
    app = make_app(UPLOAD_MAX_BYTES=100_000)
    app.test_client_class = Client
    return app


def keys(app: Flask) -> list[str]:
    return sorted(state_of(app).stores.default.keys())


def upload_of(app: Flask) -> Upload:
    """Give the only upload."""
    upload: Upload = DB.session.scalars(DB.select(Upload)).one()
    return upload


def begin(client: FlaskClient, size: int, **headers: str) -> str:
    asked = {**TUS, "Upload-Length": str(size), **headers}
    answer = client.post("/files/uploads/", headers=asked)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def send(client: FlaskClient, url: str, at: int, data: bytes) -> TestResponse:
    headers = {**PIECE, "Upload-Offset": str(at)}
    return client.patch(url, data=data, headers=headers)


class TestWholeFiles:
    def test_a_body_becomes_a_file_with_a_url(
        self, app: Flask, client: FlaskClient
    ) -> None:
        answer = client.post("/files/?name=a.csv", data=b"a,b", content_type="text/csv")
        assert answer.status_code == 201
        told = answer.get_json()
        assert told["href"] == answer.headers["Location"]
        described = told["name"], told["contentType"], told["size"]
        assert described == ("a.csv", "text/csv", 3)
        read = client.get(told["href"])
        assert (read.data, read.headers["Content-Type"]) == (b"a,b", "text/csv")
        assert 'filename="a.csv"' in read.headers["Content-Disposition"]

    def test_the_file_of_a_form_is_taken(self, app: Flask, client: FlaskClient) -> None:
        content = bytes(range(256)) * 300
        form = {"before": "x", "file": (io.BytesIO(content), "größe.bin"), "after": "y"}
        answer = client.post("/files/", data=form)
        assert answer.status_code == 201, answer.text
        assert answer.get_json()["name"] == "größe.bin"
        assert client.get(answer.get_json()["href"]).data == content

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", 422),
            (b"nonsense", 400),
            (b"--x\r\n\r\n", 400),
            (
                b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
                422,
            ),
        ],
    )
    def test_a_form_without_a_file_is_refused(
        self, app: Flask, client: FlaskClient, body: bytes, code: int
    ) -> None:
        kind = "multipart/form-data; boundary=x"
        assert_error(client.post("/files/", data=body, content_type=kind), code)
        assert keys(app) == []

    def test_a_form_that_breaks_off_leaves_nothing(
        self, app: Flask, client: FlaskClient
    ) -> None:
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
        kind = "multipart/form-data; boundary=x"
        answer = client.post("/files/", data=head + bytes(9000), content_type=kind)
        assert_error(answer, 400)
        assert keys(app) == []

    def test_two_files_in_one_form_are_refused(
        self, app: Flask, client: FlaskClient
    ) -> None:
        form = {"a": (io.BytesIO(b"1"), "1"), "b": (io.BytesIO(b"2"), "2")}
        assert_error(client.post("/files/", data=form), 422)

    @pytest.mark.parametrize("as_form", [True, False])
    def test_more_than_the_limit_is_refused(
        self, app: Flask, client: FlaskClient, as_form: bool
    ) -> None:
        large = bytes(100_001)
        body: Any = {"file": (io.BytesIO(large), "x")} if as_form else large
        answer = client.post("/files/", data=body)
        assert assert_error(answer, 413)
        assert keys(app) == []
        whole: Any = {"file": (io.BytesIO(large[1:]), "x")} if as_form else large[1:]
        assert client.post("/files/", data=whole).status_code == 201

    def test_the_limit_holds_for_a_body_of_unknown_length(
        self, app: Flask, client: FlaskClient
    ) -> None:
        answer = client.post(
            "/files/",
            input_stream=io.BytesIO(bytes(300_000)),
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert_error(answer, 413)
        assert keys(app) == []

    @pytest.mark.parametrize(
        ("declared", "content", "code"),
        [
            ("image/png", PNG, 201),
            ("image/png", b"<script>", 415),
            ("application/pdf", PNG, 415),
            ("text/csv", PNG, 415),
            ("text/csv", "ä,ö".encode("utf-16"), 201),
            ("application/json", b"{}", 201),
            ("application/x-unheard-of", PNG, 201),
            ("image/png", b"", 201),
        ],
    )
    def test_the_content_is_compared_with_its_type(
        self, app: Flask, client: FlaskClient, declared: str, content: bytes, code: int
    ) -> None:
        answer = client.post("/files/", data=content, content_type=declared)
        assert answer.status_code == code
        if code == 201:
            assert answer.get_json()["contentType"] == declared
        else:
            assert_error(answer, 415)
            assert keys(app) == []

    def test_the_type_is_found_when_nobody_tells_it(
        self, app: Flask, client: FlaskClient
    ) -> None:
        kinds = [
            client.post("/files/", data=content).get_json()["contentType"]
            for content in (PNG, b"plain text", b"\0\1\2")
        ]
        assert kinds == ["image/png", "text/plain", "application/octet-stream"]


class TestResumable:
    def test_a_client_is_told_what_is_spoken(self, client: FlaskClient) -> None:
        answer = client.options("/files/uploads/")
        assert answer.status_code == 204
        assert answer.headers["Tus-Version"] == "1.0.0"
        assert answer.headers["Tus-Max-Size"] == "100000"
        assert "creation,creation-with-upload" in answer.headers["Tus-Extension"]

    def test_pieces_become_a_file(self, app: Flask, client: FlaskClient) -> None:
        named = b64encode("größe.csv".encode()).decode()
        kind = b64encode(b"text/csv").decode()
        told = {"Upload-Metadata": f"filename {named},filetype {kind},empty"}
        url = begin(client, 10, **told)
        assert client.get(url).status_code == 409
        for at, data in ((0, b"012"), (3, b"3456"), (7, b"789")):
            head = client.head(url, headers=TUS)
            assert head.headers["Upload-Offset"] == str(at)
            assert head.headers["Cache-Control"] == "no-store"
            answer = send(client, url, at, data)
            assert answer.status_code == 204, answer.text
            assert answer.headers["Upload-Offset"] == str(at + len(data))
            assert "Upload-Expires" in answer.headers
        whole = client.get(url)
        assert (whole.data, whole.headers["Content-Type"]) == (b"0123456789", "text/csv")
        assert "gr%C3%B6%C3%9Fe.csv" in whole.headers["Content-Disposition"]
        assert client.head(url).content_length == 10
        assert len(keys(app)) == 1

    def test_the_first_bytes_may_come_with_the_beginning(
        self, app: Flask, client: FlaskClient
    ) -> None:
        headers = {**PIECE, "Upload-Length": "4"}
        answer = client.post("/files/uploads/", data=b"1234", headers=headers)
        assert answer.status_code == 201
        assert answer.headers["Upload-Offset"] == "4"
        assert client.get(answer.headers["Location"]).data == b"1234"

    def test_a_piece_elsewhere_is_refused(self, app: Flask, client: FlaskClient) -> None:
        url = begin(client, 10)
        assert send(client, url, 0, b"01234").status_code == 204
        for at in (0, 4, 6, 10):
            assert_error(send(client, url, at, b"x"), 409)
        assert client.head(url, headers=TUS).headers["Upload-Offset"] == "5"
        assert send(client, url, 5, b"56789").status_code == 204
        assert_error(send(client, url, 10, b""), 409)

    def test_more_than_was_declared_is_refused(
        self, app: Flask, client: FlaskClient
    ) -> None:
        url = begin(client, 5)
        assert_error(send(client, url, 0, b"012345"), 413)
        assert client.head(url, headers=TUS).headers["Upload-Offset"] == "0"

    def test_nothing_is_a_file_too(self, client: FlaskClient) -> None:
        assert client.get(begin(client, 0)).data == b""

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({"Upload-Length": "5"}, 412),
            ({"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, 412),
            (TUS, 400),
            ({**TUS, "Upload-Length": "-1"}, 400),
            ({**TUS, "Upload-Length": "x"}, 400),
            ({**TUS, "Upload-Length": "9" * 30}, 400),
            ({**TUS, "Upload-Length": "100001"}, 413),
            ({**TUS, "Upload-Length": "5", "Upload-Metadata": "filename ä"}, 400),
            ({**TUS, "Upload-Length": "5", "Upload-Metadata": "filename /w=="}, 400),
            ({**TUS, "Upload-Length": "5", "Upload-Metadata": "x" * 9000}, 400),
        ],
    )
    def test_a_bad_beginning_is_refused(
        self, app: Flask, client: FlaskClient, headers: dict[str, str], code: int
    ) -> None:
        answer = client.post("/files/uploads/", headers=headers)
        assert_error(answer, code)
        assert "Tus-Resumable" in answer.headers
        with app.app_context():
            assert DB.session.query(Upload).count() == 0

    def test_a_piece_needs_type_version_and_tag(self, client: FlaskClient) -> None:
        url = begin(client, 5)
        headers = {**TUS, "Upload-Offset": "0"}
        assert_error(client.patch(url, data=b"x", headers=headers), 415)
        typed = {"Content-Type": PIECE["Content-Type"], "Upload-Offset": "0"}
        assert_error(client.patch(url, data=b"x", headers=typed), 412)
        assert_error(send(client, url.partition("?")[0], 0, b"x"), 404)

    def test_a_wrong_type_ends_the_upload(self, app: Flask, client: FlaskClient) -> None:
        kind = b64encode(b"image/png").decode()
        url = begin(client, 6, **{"Upload-Metadata": f"filetype {kind}"})
        assert send(client, url, 0, b"not").status_code == 204
        assert_error(send(client, url, 3, b"png"), 415)
        assert_error(client.head(url, headers=TUS), 404)
        assert keys(app) == []

    def test_an_upload_can_be_ended(self, app: Flask, client: FlaskClient) -> None:
        url = begin(client, 6)
        send(client, url, 0, b"012")
        assert client.delete(url, headers=TUS).status_code == 204
        assert_error(client.get(url), 404)
        assert keys(app) == []

    def test_what_arrived_before_the_line_broke_is_kept(self, app: Flask) -> None:
        class Breaking(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if data := super().read(size):
                    return data
                raise ConnectionError("the line broke")

        with app.test_request_context():
            upload = uploads.begin("x", None, 10)
            with pytest.raises(ConnectionError):
                uploads.receive(upload, Breaking(b"01234"), 0)
            assert upload_of(app).received == 5
            uploads.receive(upload, io.BytesIO(b"56789"), 5)
            assert upload.is_complete

    def test_of_two_that_go_on_at_once_one_is_refused(self, app: Flask) -> None:
        with app.test_request_context():
            upload = uploads.begin("x", None, 10)

            class Overtaken(io.BytesIO):
                def read(self, size: int | None = -1, /) -> bytes:
                    if data := super().read(size):
                        return data
                    if upload.received == 0 and not overtaken:
                        overtaken.append(True)
                        uploads.receive(upload, io.BytesIO(b"first"), 0)
                    return b""

            overtaken: list[bool] = []
            with pytest.raises(uploads.WrongOffset, match="5 bytes are there"):
                uploads.receive(upload, Overtaken(b"second"), 0)
            assert len(keys(app)) == 1
            uploads.receive(upload, io.BytesIO(b"67890"), 5)
            with state_of(app).stores.default.open(upload.file_storage_data) as file:
                assert file.read() == b"first67890"


class TestUse:
    def test_an_upload_is_read_without_the_network(
        self, app: Flask, client: FlaskClient
    ) -> None:
        href = client.post("/files/?name=a.txt", data=b"content").get_json()["href"]
        fetcher = state_of(app).fetcher
        with app.test_request_context(), fetcher.open(href) as response:
            assert response.content == b"content"  # nothing listens there
            assert response.headers["Content-Type"].startswith("text/plain")
        wrong = href.replace("file-id=", "file-id=_")
        with app.test_request_context():
            answer = fetcher.open(wrong, raise_on_error_status=False)
            assert answer.status_code == 404

    def test_uploads_that_nobody_uses_expire(
        self, app: Flask, client: FlaskClient
    ) -> None:
        href = client.post("/files/", data=b"content").get_json()["href"]
        with app.test_request_context():
            assert uploads.expire() == 0
            upload_of(app).expires_at = now() - timedelta(seconds=1)
            DB.session.commit()
            task = records.start("reads", parameters=f'{{"file": "{href}"}}')
            assert uploads.expire() == 0, "a task waits that reads it"
            records.fail(task, "done")
            assert uploads.expire() == 1
        assert keys(app) == []
        assert_error(client.get(href), 404)

    def test_what_is_read_lives_on(self, app: Flask, client: FlaskClient) -> None:
        href = client.post("/files/", data=b"content").get_json()["href"]
        with app.test_request_context():
            upload_of(app).expires_at = now() + timedelta(seconds=1)
            DB.session.commit()
            state_of(app).fetcher.open(href).close()
            DB.session.expire_all()
            assert upload_of(app).expires_at > now() + timedelta(hours=23)


class TestQuota:
    def test_a_task_keeps_no_more_than_its_quota(self, make_app: AppFactory) -> None:
        app = make_app(TASK_FILE_QUOTA=10)
        from app_runner.tasks import quotas, results

        with app.test_request_context():
            task = records.start("writes")
            results.save_file(task, b"12345", "a", "custom", None)
            with pytest.raises(quotas.QuotaExceeded, match="TASK_FILE_QUOTA"):
                results.save_file(task, b"123456", "b", "custom", None)
            with pytest.raises(quotas.QuotaExceeded):
                results.write(task, b"123", "b", "custom", None, unsaved=3)
            results.save_file(task, b"12345", "c", "custom", None)
            assert len(keys(app)) == 2

    def test_a_user_keeps_no_more_than_the_quota(self, make_app: AppFactory) -> None:
        app = make_app(USER_FILE_QUOTA=10)
        from app_runner.tasks import quotas, results

        client = app.test_client()
        assert client.post("/files/", data=b"1234").status_code == 201
        assert client.post("/files/", data=b"1234567").status_code == 413
        headers = {**TUS, "Upload-Length": "7"}
        assert client.post("/files/uploads/", headers=headers).status_code == 413
        with app.test_request_context():
            task = records.start("writes")
            results.save_file(task, b"12345", "a", "custom", None)
            with pytest.raises(quotas.QuotaExceeded, match="USER_FILE_QUOTA"):
                results.save_file(task, b"12", "b", "custom", None)
            records.get(task).owner = "somebody"
            DB.session.commit()
            results.save_file(task, b"12", "b", "custom", None)
