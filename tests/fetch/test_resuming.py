"""Downloads go on, failures are tried again, and credentials go nowhere else."""

from __future__ import annotations

import gzip
import logging
import socket
from collections.abc import Callable

import pytest
import requests

from app_runner.fetch import Fetcher, FetchPolicy, FetchTooLarge
from tests.fetch.servers import Exchange, Names, serving

CONTENT = bytes(range(256)) * 4000
HERE = FetchPolicy(allow_private=True)


def breaking(
    content: bytes,
    cut: int,
    etag: Callable[[int], str] = lambda _count: '"one"',
    **more: str,
) -> Callable[[Exchange], None]:
    """Answer with ranges, and break off after ``cut`` bytes each time."""
    count = 0

    def answer(exchange: Exchange) -> None:
        nonlocal count
        count += 1
        tag, start = etag(count), 0
        asked = exchange.headers.get("Range")
        status = 200
        headers = {"ETag": tag, **more}
        if asked and exchange.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            status = 206
            last = len(content) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(content)}"
        exchange.send_response(status)
        exchange.send_header("Content-Length", str(len(content) - start))
        for name, value in headers.items():
            exchange.send_header(name.replace("_", "-"), value)
        exchange.end_headers()
        exchange.wfile.write(content[start : start + cut])
        exchange.wfile.flush()
        exchange.close_connection = True
        if start + cut < len(content):
            exchange.connection.shutdown(socket.SHUT_RDWR)

    return answer


def test_a_download_goes_on_where_it_broke() -> None:
    with (
        serving(breaking(CONTENT, 400_000)) as server,
        Fetcher(HERE).open(server.url()) as response,
    ):
        assert response.content == CONTENT
    ranges = [seen.headers.get("Range") for seen in server.seen]
    assert ranges == [None, "bytes=400000-", "bytes=800000-"]
    assert {seen.headers.get("If-Range") for seen in server.seen[1:]} == {'"one"'}


def test_a_packed_download_goes_on_too() -> None:
    packed = gzip.compress(CONTENT * 20, 1)
    with (
        serving(
            breaking(packed, len(packed) // 2 + 1, Content_Encoding="gzip")
        ) as server,
        Fetcher(HERE).open(server.url()) as response,
    ):
        assert b"".join(response.iter_content(1000)) == CONTENT * 20
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "headers", [{"ETag": 'W/"weak"'}, {"ETag": ""}, {"Accept_Ranges": "none"}]
)
def test_what_cannot_be_resumed_breaks(headers: dict[str, str]) -> None:
    tag = headers.pop("ETag", '"one"')
    with (
        serving(breaking(CONTENT, 1000, lambda _count: tag, **headers)) as server,
        pytest.raises(requests.RequestException),
    ):
        Fetcher(HERE).open(server.url(), stream=False)
    assert len(server.seen) == 1


def test_two_versions_are_never_mixed() -> None:
    with (
        serving(breaking(CONTENT, 400_000, lambda count: f'"{count}"')) as server,
        pytest.raises(requests.RequestException),
    ):
        Fetcher(HERE).open(server.url(), stream=False)
    assert len(server.seen) == 1 + HERE.retries


def test_it_is_not_resumed_for_ever() -> None:
    with (
        serving(breaking(CONTENT, 10)) as server,
        pytest.raises(requests.RequestException),
    ):
        Fetcher(HERE).open(server.url(), stream=False)
    assert len(server.seen) == 1 + HERE.retries


def test_resuming_gives_no_more_bytes_than_allowed() -> None:
    policy = FetchPolicy(allow_private=True, max_bytes=len(CONTENT) - 1)
    with serving(breaking(CONTENT, 400_000)) as server, pytest.raises(FetchTooLarge):
        Fetcher(policy).open(server.url(), stream=False)


class TestRetries:
    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    def test_a_server_that_is_busy_is_asked_again(self, status: int) -> None:
        def answer(exchange: Exchange) -> None:
            busy = len(exchange.server.seen) < 3
            exchange.reply(b"now", status if busy else 200)

        with serving(answer) as server, Fetcher(HERE).open(server.url()) as response:
            assert response.content == b"now"

    def test_a_line_that_broke_before_the_answer_is_tried_again(self) -> None:
        def answer(exchange: Exchange) -> None:
            if len(exchange.server.seen) == 1:
                exchange.close_connection = True
                exchange.connection.shutdown(socket.SHUT_RDWR)
            else:
                exchange.reply(b"now")

        with serving(answer) as server, Fetcher(HERE).open(server.url()) as response:
            assert response.content == b"now"

    def test_in_the_end_the_answer_is_told(self) -> None:
        with (
            serving(lambda exchange: exchange.reply(b"busy", 503)) as server,
            pytest.raises(requests.HTTPError) as refused,
        ):
            Fetcher(HERE).open(server.url())
        assert len(server.seen) == 1 + HERE.retries
        assert refused.value.response.text == "busy"

    @pytest.mark.parametrize(
        ("method", "status"), [("POST", 503), ("GET", 404), ("GET", 500)]
    )
    def test_nothing_else_is_tried_again(self, method: str, status: int) -> None:
        with (
            serving(lambda exchange: exchange.reply(b"", status)) as server,
            pytest.raises(requests.HTTPError),
        ):
            Fetcher(HERE).open(server.url(), method=method)
        assert len(server.seen) == 1

    def test_a_server_that_asks_for_long_patience_is_not_waited_for(self) -> None:
        def busy(exchange: Exchange) -> None:
            exchange.reply(b"", 503, Retry_After="3600")

        with serving(busy) as server, pytest.raises(requests.HTTPError):
            Fetcher(HERE).open(server.url())
        assert len(server.seen) == 1


class TestCredentials:
    NAMES = Names(data_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])

    def fetcher(self, *credentials: tuple[str, str]) -> Fetcher:
        policy = FetchPolicy(allow_private=True, credentials=credentials)
        return Fetcher(policy, getaddrinfo=self.NAMES)

    def test_a_configured_host_gets_them(self) -> None:
        with serving(lambda exchange: exchange.reply(b"")) as server:
            origin = f"http://data.example:{server.port}"
            self.fetcher((origin, "Bearer abc")).open(f"{origin}/x").close()
            self.fetcher((origin, "Basic me:pw")).open(f"{origin}/x").close()
        sent = [seen.headers.get("Authorization") for seen in server.seen]
        assert sent == ["Bearer abc", "Basic bWU6cHc="]

    def test_nobody_else_gets_them(self) -> None:
        with serving(lambda exchange: exchange.reply(b"")) as server:
            elsewhere = [
                f"http://other.example:{server.port}",
                f"http://data.example.other.example:{server.port}",
                f"https://data.example:{server.port}",
                f"data.example:{server.port}",  # means https
                "http://data.example",
                f"http://data.example:{server.port + 1}",
            ]
            fetcher = self.fetcher(*((origin, "Bearer abc") for origin in elsewhere))
            fetcher.open(f"http://data.example:{server.port}/").close()
        assert "Authorization" not in server.seen[0].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_they_do_not_follow_a_redirect_to_another_host(self, status: int) -> None:
        def answer(exchange: Exchange) -> None:
            if exchange.path == "/away":
                target = f"http://other.example:{exchange.server.port}/there"
                exchange.redirect(target, status)
            elif exchange.path == "/near":
                exchange.redirect("/here", status)
            else:
                exchange.reply(b"")

        with serving(answer) as server:
            origin = f"http://data.example:{server.port}"
            fetcher = self.fetcher((origin, "Bearer abc"))
            fetcher.open(f"{origin}/away").close()
            fetcher.open(f"{origin}/near").close()
        sent = {seen.path: seen.headers.get("Authorization") for seen in server.seen}
        assert sent["/away"] == sent["/here"] == "Bearer abc"
        assert sent["/there"] is None

    def test_a_redirect_to_a_configured_host_brings_that_hosts_own(self) -> None:
        def answer(exchange: Exchange) -> None:
            if exchange.path == "/away":
                target = f"http://other.example:{exchange.server.port}/there"
                exchange.redirect(target)
            else:
                exchange.reply(b"")

        with serving(answer) as server:
            ours = f"http://data.example:{server.port}", "Bearer ours"
            theirs = f"http://other.example:{server.port}", "Bearer theirs"
            self.fetcher(ours, theirs).open(f"{ours[0]}/away").close()
        sent = [seen.headers.get("Authorization") for seen in server.seen]
        assert sent == ["Bearer ours", "Bearer theirs"]

    def test_what_the_url_brings_wins(self) -> None:
        with serving(lambda exchange: exchange.reply(b"")) as server:
            origin = f"http://data.example:{server.port}"
            fetcher = self.fetcher((origin, "Bearer abc"))
            fetcher.open(f"http://me:pw@data.example:{server.port}/").close()
        assert server.seen[0].headers["Authorization"] == "Basic bWU6cHc="

    def test_they_are_in_no_log_and_no_message(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with serving(lambda exchange: exchange.reply(b"", 401)) as server:
            origin = f"http://data.example:{server.port}"
            fetcher = self.fetcher((origin, "Bearer topsecret"))
            with pytest.raises(requests.HTTPError) as refused:
                fetcher.open(f"{origin}/x")
        assert server.seen[0].headers["Authorization"] == "Bearer topsecret"
        assert "topsecret" not in f"{refused.value!r} {caplog.text} {fetcher.policy!r}"
