"""Bytes and waiting time are bounded, in whatever way a server tries to exceed them."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from time import monotonic

import pytest
import requests

from app_runner.fetch import Fetcher, FetchPolicy, FetchTooLarge, FetchTooSlow
from app_runner.fetch.allowance import Allowance
from tests.fetch.servers import Answer, Exchange, serving

SMALL = Fetcher(FetchPolicy(allow_private=True, max_bytes=10_000, read_timeout=10))
HASTY = Fetcher(FetchPolicy(allow_private=True, max_seconds=0.3, read_timeout=10))


def body_of(size: int, **headers: str) -> Answer:
    return lambda exchange: exchange.reply(b"x" * size, 200, **headers)


def endless(exchange: Exchange, status: int = 200) -> None:
    """Send chunks for ever, and say nothing of a length."""
    exchange.send_response(status)
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    while True:
        exchange.wfile.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


def unlimited(exchange: Exchange, status: int = 200) -> None:
    """Send bytes for ever, up to the end of the connection."""
    exchange.close_connection = True
    exchange.send_response(status)
    exchange.end_headers()
    while True:
        exchange.wfile.write(b"x" * 0x1000)


def packed(encoding: str, size: int) -> Answer:
    plain = b"0" * size
    body = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    return lambda exchange: exchange.reply(body, Content_Encoding=encoding)


def test_a_body_that_says_it_is_too_large_is_not_begun() -> None:
    with (
        serving(body_of(10_001)) as server,
        pytest.raises(FetchTooLarge, match="FETCH_MAX_BYTES"),
    ):
        SMALL.open(server.url())


def test_a_body_of_just_the_size_passes() -> None:
    with serving(body_of(10_000)) as server, SMALL.open(server.url()) as response:
        assert len(response.content) == 10_000


def test_a_head_request_may_be_told_of_any_length() -> None:
    with (
        serving(body_of(0, Content_Length="99999999")) as server,
        SMALL.open(server.url(), method="HEAD") as response,
    ):
        assert response.headers["Content-Length"] == "99999999"
        assert response.content == b""


@pytest.mark.parametrize("answer", [endless, unlimited, packed("gzip", 10**7)])
def test_a_body_is_cut_off_however_it_is_read(answer: Answer) -> None:
    with serving(answer) as server:
        for read in (
            lambda response: response.content,
            lambda response: response.text,
            lambda response: list(response.iter_content(100)),
            lambda response: list(response.iter_lines(decode_unicode=True)),
            lambda response: response.raw.read(decode_content=True),
            lambda response: list(response.raw.stream(50, decode_content=True)),
            lambda response: list(iter(lambda: response.raw.read(99, True), b"")),
            lambda response: list(iter(lambda: response.raw.read1(99, True), b"")),
        ):
            with SMALL.open(server.url()) as response, pytest.raises(FetchTooLarge):
                read(response)


def test_the_raw_data_of_urllib3_is_cut_off_too() -> None:
    with (
        serving(endless) as server,
        SMALL.open(server.url()) as response,
        pytest.raises(FetchTooLarge),
    ):
        len(response.raw.data)


def test_a_packed_body_in_chunks_is_cut_off() -> None:
    def answer(exchange: Exchange) -> None:
        body = gzip.compress(b"0" * 10**6)
        exchange.send_response(200)
        exchange.send_header("Content-Encoding", "gzip")
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        exchange.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    with serving(answer) as server:
        with SMALL.open(server.url()) as response, pytest.raises(FetchTooLarge):
            len(response.content)
        with SMALL.open(server.url()) as response, pytest.raises(FetchTooLarge):
            response.raw.read(decode_content=True)


def test_a_packed_body_is_not_unpacked_as_a_whole_to_see_that_it_is_too_large() -> None:
    with serving(packed("gzip", 10**7)) as server, SMALL.open(server.url()) as response:
        tracemalloc.start()
        with pytest.raises(FetchTooLarge):
            response.raw.read(decode_content=True)
        _now, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2 * 10**6


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_packed_body_is_unpacked(encoding: str) -> None:
    with serving(packed(encoding, 9_000)) as server, SMALL.open(server.url()) as response:
        assert response.content == b"0" * 9_000


def test_a_call_can_ask_for_less_but_not_for_more() -> None:
    with serving(body_of(5_000)) as server, pytest.raises(FetchTooLarge):
        SMALL.open(server.url(), max_bytes=4_999)
    with serving(body_of(10_001)) as server, pytest.raises(FetchTooLarge):
        SMALL.open(server.url(), max_bytes=10**9)


def test_endless_headers_and_interim_answers_end() -> None:
    def interim(exchange: Exchange) -> None:
        while True:
            exchange.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def headers(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            exchange.wfile.write(b"X-Much: more\r\n" * 1000)

    with serving(interim) as server, pytest.raises(FetchTooLarge):
        SMALL.open(server.url())
    with serving(headers) as server, pytest.raises(requests.RequestException):
        SMALL.open(server.url())


def dripping_body(exchange: Exchange) -> None:
    exchange.send_response(200)
    exchange.end_headers()
    exchange.drip(b"x")


def dripping_chunks(exchange: Exchange) -> None:
    exchange.send_response(200)
    exchange.send_header("Transfer-Encoding", "chunked")
    exchange.end_headers()
    exchange.drip(b"1\r\nx\r\n")


def dripping_header(exchange: Exchange) -> None:
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    exchange.drip(b"x")


def silent(exchange: Exchange) -> None:
    exchange.server.stopping.wait(30)


@pytest.mark.parametrize(
    "answer", [silent, dripping_body, dripping_chunks, dripping_header]
)
def test_a_server_that_drips_is_left(answer: Answer) -> None:
    started = monotonic()
    with serving(answer) as server:
        with pytest.raises(FetchTooSlow) as caught, HASTY.open(server.url()) as response:
            list(response.iter_content(2**20))
        assert isinstance(caught.value, requests.Timeout)
    assert monotonic() - started < 5


def test_the_time_of_all_redirects_counts_together() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.server.stopping.wait(0.12)
        exchange.redirect("/next")

    with serving(answer) as server, pytest.raises(FetchTooSlow):
        HASTY.open(server.url())


def test_a_silent_server_is_left_after_the_read_timeout() -> None:
    with serving(silent) as server:
        with pytest.raises(requests.ReadTimeout):
            SMALL.open(server.url(), timeout=(5, 0.1))
        with pytest.raises(requests.ReadTimeout):
            SMALL.open(server.url(), timeout=0.1)


def test_a_server_that_does_not_read_is_left() -> None:
    def deaf(exchange: Exchange) -> None:
        exchange.server.stopping.wait(30)

    class DeafExchange(Exchange):
        def _answer(self) -> None:
            deaf(self)

        do_POST = _answer

    with serving(deaf) as server:
        server.RequestHandlerClass = DeafExchange
        with pytest.raises(FetchTooSlow):
            HASTY.open(server.url(), method="POST", data=b"x" * 50_000_000)


def test_time_between_reads_belongs_to_the_reader() -> None:
    allowance = Allowance(max_bytes=10, max_seconds=1)
    allowance.waited(0.4)
    assert allowance.next_wait(5) == pytest.approx(0.6)
    assert allowance.next_wait(0.1) == 0.1
    with pytest.raises(FetchTooSlow):
        allowance.waited(0.6)
    with pytest.raises(FetchTooSlow):
        allowance.next_wait(5)


def test_a_body_that_ends_too_early_is_an_error() -> None:
    def short(exchange: Exchange) -> None:
        exchange.close_connection = True
        exchange.reply(b"x" * 100, Content_Length="200")

    with (
        serving(short) as server,
        SMALL.open(server.url()) as response,
        pytest.raises(requests.RequestException),
    ):
        len(response.content)


def test_an_error_status_is_raised_with_its_body() -> None:
    with serving(lambda exchange: exchange.reply(b'{"why": "gone"}', 410)) as server:
        with pytest.raises(requests.HTTPError) as caught:
            SMALL.open(server.url())
        assert caught.value.response.status_code == 410
        assert caught.value.response.json() == {"why": "gone"}
        with SMALL.open(server.url(), raise_on_error_status=False) as response:
            assert response.status_code == 410
            assert response.json() == {"why": "gone"}


@pytest.mark.parametrize("answer", [endless, unlimited])
def test_the_body_of_an_error_does_not_hide_the_error(
    answer: Callable[..., None],
) -> None:
    with (
        serving(partial(answer, status=500)) as server,
        pytest.raises(requests.HTTPError, match="500"),
    ):
        SMALL.open(server.url())


def test_only_a_short_body_of_an_error_is_kept() -> None:
    sent = 0

    def answer(exchange: Exchange) -> None:
        nonlocal sent
        exchange.close_connection = True
        exchange.send_response(500)
        exchange.end_headers()
        while sent < 10**8:
            sent += exchange.wfile.write(b"x" * 2**16)

    fetcher = Fetcher(FetchPolicy(allow_private=True))
    with serving(answer) as server, pytest.raises(requests.HTTPError, match="500"):
        fetcher.open(server.url())
    assert sent < 5 * 10**7


def test_without_streaming_the_body_is_there_when_the_server_is_gone() -> None:
    with serving(lambda exchange: exchange.reply(b"[1]")) as server:
        response = SMALL.open(server.url(), stream=False)
    assert response.json() == [1]


def test_lines_and_raw_bytes_can_be_read() -> None:
    text = "ä\nb\n".encode()
    with serving(
        lambda exchange: exchange.reply(text, Content_Type="text/csv; charset=utf-8")
    ) as server:
        with SMALL.open(server.url()) as response:
            assert list(response.iter_lines(decode_unicode=True)) == ["ä", "b"]
        with SMALL.open(server.url()) as response:
            assert response.raw.read() == text


def test_a_webhook_is_posted_with_its_own_timeouts() -> None:
    def answer(exchange: Exchange) -> None:
        exchange.reply(status=204)

    with serving(answer) as server:
        with SMALL.open(
            server.url(path="/hook?source=a%20b"),
            method="POST",
            data=json.dumps({"status": "SUCCESS"}),
            headers={"Content-Type": "application/json", "webhook-id": "1"},
            timeout=(1, 2),
            max_seconds=3,
            allow_redirects=False,
        ) as response:
            assert response.status_code == 204
        seen = server.seen[0]
    assert (seen.method, seen.path) == ("POST", "/hook?source=a%20b")
    assert seen.headers["webhook-id"] == "1"
    assert json.loads(seen.body) == {"status": "SUCCESS"}


def test_connections_are_not_kept() -> None:
    with serving(body_of(5)) as server:
        for _round in range(3):
            with SMALL.open(server.url()) as response:
                assert response.content == b"xxxxx"
        assert server.connections == 3
        assert {request.headers["Connection"] for request in server.seen} == {"close"}
