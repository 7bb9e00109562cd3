"""What published plugins open by URL: responses, files, archives, options."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from requests.exceptions import HTTPError

from app_runner.compat import facades
from app_runner.data.archives import ArchiveRefused
from tests.fetch.servers import Exchange, Server, serving

CSV = b"ID,shots\r\nx,100\r\n"


def answer(exchange: Exchange) -> None:
    if exchange.path.startswith("/missing"):
        exchange.reply(b"no", 404)
        return
    exchange.reply(
        CSV,
        Content_Type="text/csv; charset=utf-8",
        Content_Disposition='attachment; filename="table.v1.csv"',
        X_Data_Type="entity/list",
        X_Attribute_Metadata="/attributes",
    )


@pytest.fixture
def server(app_context: Flask) -> Iterator[Server]:
    with serving(answer) as server:
        yield server


def data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def archive(**files: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, content in files.items():
            target.writestr(name.replace("__", "."), content)
    return file.getvalue()


def test_a_response_can_be_used_when_it_is_closed(server: Server) -> None:
    with facades.open_url(server.url()) as response:
        pass
    assert response.content == CSV
    with facades.open_url(server.url(), stream=True) as streamed:
        assert list(streamed.iter_lines(decode_unicode=True)) == ["ID,shots", "x,100"]


def test_an_error_status_is_an_error_unless_it_is_not(server: Server) -> None:
    with pytest.raises(HTTPError):
        facades.open_url(server.url(path="/missing"))
    with facades.open_url(server.url(path="/missing"), False) as response:
        assert response.text == "no"


def test_responses_and_urls_tell_of_themselves(server: Server) -> None:
    url = server.url()
    assert facades.retrieve_filename(url) == "table.v1"
    assert facades.retrieve_data_type(url) == "entity/list"
    assert facades.retrieve_attribute_metadata_url(url) == server.url(path="/attributes")


def test_urls_are_opened_as_files(server: Server) -> None:
    with facades.open_url_as_file_like(server.url()) as (name, file, kind):
        assert (name, kind) == ("table.v1.csv", "text/csv; charset=utf-8")
        assert file.readline() == b"ID,shots\r\n"
        assert file.read() == b"x,100\r\n"
    with facades.open_url_as_file_like_simple(server.url()) as file:
        assert io.TextIOWrapper(file).read() == CSV.decode().replace("\r\n", "\n")


def test_archives_are_opened_by_url(app_context: Flask) -> None:
    url = data_url(archive(a__json='{"x": 1}', b__json="[2]"), "application/zip")
    found = {n: json.load(f) for f, n in facades.get_files_from_zip_url(url)}
    assert found == {"a.json": {"x": 1}, "b.json": [2]}
    binary = {n: f.read() for f, n in facades.get_files_from_zip_url(url, mode="b")}
    assert binary["b.json"] == b"[2]"
    with pytest.raises(ArchiveRefused):
        list(facades.get_files_from_zip_url(data_url(b"text", "application/zip")))


@pytest.mark.parametrize(
    ("content", "kind", "options"),
    [
        (b'[{"shots": 100}, {}]', "application/json", {"shots": 100}),
        (CSV, "text/csv;charset=utf-8", {"ID": "x", "shots": "100"}),
        (b"", "application/x-lines+json", {}),
    ],
)
def test_execution_options_are_the_first_entity(
    app_context: Flask, content: bytes, kind: str, options: dict[str, Any]
) -> None:
    assert facades.parse_execution_options(data_url(content, kind)) == options


def test_private_parameters_are_not_logged() -> None:
    data = {"ibmqToken": "secret", "db_password": "secret", "shots": 3}
    redacted = facades.redact_log_data(data)
    assert redacted == {"ibmqToken": "****", "db_password": "****", "shots": 3}
    assert data["ibmqToken"] == "secret"
    assert facades.redact_log_data(data, ("shots",))["shots"] == "****"
