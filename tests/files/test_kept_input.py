"""An input that a job reads twice is fetched once, as long as it stays the same."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app_runner.tasks import kept_content
from app_runner.tasks.inputs import InputFile
from tests.fetch.servers import Exchange, serving


class Versions:
    """Answers with the content of the moment and its tag, or that it is the same."""

    def __init__(self, content: bytes, etag: str | None = '"1"') -> None:
        self.content, self.etag = content, etag

    def __call__(self, exchange: Exchange) -> None:
        headers: dict[str, Any] = {"ETag": self.etag} if self.etag else {}
        told: dict[str, Any] = {
            "X_Data_Type": "entity/list",
            "X_Attribute_Metadata": "/attributes",
        }
        if self.etag and exchange.headers.get("If-None-Match") == self.etag:
            exchange.reply(b"", 304, **headers)
        else:
            exchange.reply(self.content, Content_Type="text/csv", **headers, **told)


def test_what_stays_the_same_is_fetched_once(app_context: Flask) -> None:
    version = Versions(b"a,b\n" * 100_000)
    with serving(version) as server:
        file = InputFile(server.url(path="/table.csv"))
        first, second = file.read_bytes(), file.read_bytes()
        assert first == second == version.content
        assert file.name == "table.csv"
        assert file.content_type == "text/csv"
        assert file.data_type == "entity/list"
        assert file.attribute_metadata_url == server.url(path="/attributes")
        assert [seen.headers.get("If-None-Match") for seen in server.seen] == [
            None,
            '"1"',
        ]
        version.content, version.etag = b"new", '"2"'
        assert file.read_bytes() == file.read_bytes() == b"new"


def test_without_a_tag_it_is_fetched_again(app_context: Flask) -> None:
    with serving(Versions(b"content", None)) as server:
        file = InputFile(server.url())
        assert file.read_bytes() == file.read_bytes() == b"content"
        assert len(server.seen) == 2
        assert "If-None-Match" not in server.seen[1].headers


def test_what_was_read_in_part_or_is_large_is_not_kept(app_context: Flask) -> None:
    version = Versions(bytes(kept_content.MOST + 1))
    with serving(version) as server:
        file = InputFile(server.url())
        with file.open() as stream:
            assert len(stream.read(10)) == 10
        for _ in range(2):
            assert len(file.read_bytes()) == len(version.content)
        assert all("If-None-Match" not in seen.headers for seen in server.seen)
