"""Each redirect is checked again, and no secret follows it to another place."""

from __future__ import annotations

import base64
import contextlib
from io import BytesIO
from pathlib import Path

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from app_runner.fetch import (
    AddressRefused,
    Fetcher,
    FetchPolicy,
    LocalContent,
    RedirectRefused,
    SchemeRefused,
)
from tests.fetch.servers import Exchange, Names, serving

OUTSIDE = "127.0.0.2"
ELSEWHERE = "127.0.0.3"
POLICY = FetchPolicy(allowed_hosts=(OUTSIDE, ELSEWHERE), timeout=5, read_timeout=5)


def hello(exchange: Exchange) -> None:
    exchange.reply(b"hello", Content_Type="text/plain; charset=utf-8")


def test_a_redirect_is_followed_also_a_relative_one() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/a/old":
            exchange.redirect("new?x=1")
        else:
            hello(exchange)

    with (
        serving(answer, OUTSIDE) as server,
        Fetcher(POLICY).open(server.url(path="/a/old")) as response,
    ):
        assert response.text == "hello"
        assert response.url == server.url(path="/a/new?x=1")
        assert [hop.status_code for hop in response.history] == [302]


@pytest.mark.parametrize("host", ["127.0.0.1", "intern.test", "[::ffff:7f00:1]"])
def test_a_redirect_to_a_private_address_is_refused_and_not_contacted(host: str) -> None:
    names = Names(intern_test=[["127.0.0.1"]])
    with serving(hello) as private:
        target = private.url(host)
        with (
            serving(lambda exchange: exchange.redirect(target), OUTSIDE) as server,
            pytest.raises(AddressRefused),
        ):
            Fetcher(POLICY, getaddrinfo=names).open(server.url())
        assert private.connections == 0


@pytest.mark.parametrize(
    "location", ["file:///{}", "FILE://localhost/{}", "data:,x", "ftp://x/"]
)
def test_a_redirect_leads_to_http_only(location: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    policy = FetchPolicy(allowed_hosts=(OUTSIDE,), file_roots=(tmp_path,))
    target = location.format(str(secret).lstrip("/"))
    with (
        serving(lambda exchange: exchange.redirect(target), OUTSIDE) as server,
        pytest.raises(SchemeRefused),
    ):
        Fetcher(policy).open(server.url())


def test_the_name_of_a_redirect_to_the_same_host_is_checked_again() -> None:
    names = Names(rebind_test=[[OUTSIDE], ["127.0.0.1"]])
    with (
        serving(lambda exchange: exchange.redirect("/again"), OUTSIDE) as server,
        pytest.raises(AddressRefused),
    ):
        Fetcher(POLICY, getaddrinfo=names).open(server.url("rebind.test"))


def test_redirects_end() -> None:
    with serving(lambda exchange: exchange.redirect("/again"), OUTSIDE) as server:
        with pytest.raises(RedirectRefused, match="5") as caught:
            Fetcher(POLICY).open(server.url())
        assert isinstance(caught.value, requests.TooManyRedirects)
        assert len(server.seen) == 6


def test_redirects_are_not_followed_when_not_wanted() -> None:
    with serving(
        lambda exchange: exchange.redirect("http://127.0.0.1/"), OUTSIDE
    ) as server:
        with Fetcher(POLICY).open(server.url(), allow_redirects=False) as response:
            assert response.status_code == 302
        assert len(server.seen) == 1


def test_the_body_of_a_redirect_is_not_read() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/":
            exchange.send_response(302)
            exchange.send_header("Location", "/next")
            exchange.end_headers()
            exchange.drip(b"x" * 1000)
        else:
            hello(exchange)

    with (
        serving(answer, OUTSIDE) as server,
        Fetcher(POLICY).open(server.url()) as response,
    ):
        assert response.text == "hello"


@pytest.mark.parametrize("origin", ["same", "other host", "other port"])
def test_secrets_stay_at_the_origin_they_were_meant_for(origin: str) -> None:
    headers = {
        "Authorization": "Bearer t",
        "X-Api-Key": "k",
        "Cookie": "c=1",
        "Accept": "a/b",
    }
    with (
        serving(hello, ELSEWHERE if origin == "other host" else OUTSIDE) as other,
        serving(lambda exchange: redirect(exchange), OUTSIDE) as server,
    ):

        def redirect(exchange: Exchange) -> None:
            if exchange.path == "/end":
                hello(exchange)
            else:
                exchange.redirect("/end" if origin == "same" else other.url())

        with Fetcher(POLICY).open(server.url(), headers=headers) as response:
            assert response.text == "hello"
        arrived = (server if origin == "same" else other).seen[-1].headers
        assert server.seen[0].headers["X-Api-Key"] == "k"
        assert ("Authorization" in arrived) is (origin == "same")
        assert ("X-Api-Key" in arrived) is (origin == "same")
        assert "Cookie" not in arrived
        assert arrived["Accept"] == "a/b"


def test_credentials_of_a_url_reach_its_host_only_and_no_message() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/":
            exchange.redirect(other.url())
        else:
            exchange.reply(status=404)

    with serving(hello, ELSEWHERE) as other, serving(answer, OUTSIDE) as server:
        fetcher = Fetcher(POLICY)
        with fetcher.open(server.url(f"me:p%40ss@{OUTSIDE}")) as response:
            assert "p%40ss" not in response.url
            assert "p%40ss" not in (response.history[0].url or "")
        basic = base64.b64encode(b"me:p@ss").decode()
        assert server.seen[0].headers["Authorization"] == f"Basic {basic}"
        assert "Authorization" not in other.seen[0].headers
        with pytest.raises(requests.HTTPError) as caught:
            fetcher.open(server.url(f"me:p%40ss@{OUTSIDE}", "/missing"))
        assert "p%40ss" not in str(caught.value)


def test_cookies_live_for_one_fetch_and_their_host() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/":
            exchange.redirect("/end", Set_Cookie="ticket=1")
        else:
            hello(exchange)

    names = Names(data_test=[[OUTSIDE]])
    with serving(answer, OUTSIDE) as server:
        fetcher = Fetcher(POLICY, getaddrinfo=names)
        fetcher.open(server.url("data.test")).close()
        fetcher.open(server.url("data.test")).close()
        cookies = [request.headers.get("Cookie") for request in server.seen]
    assert cookies == [None, "ticket=1", None, "ticket=1"]


@pytest.mark.parametrize(
    ("status", "method"), [(303, "GET"), (307, "POST"), (308, "POST")]
)
def test_methods_and_bodies_follow_a_redirect_as_http_says(
    status: int, method: str
) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/":
            exchange.redirect("/end", status)
        else:
            hello(exchange)

    with serving(answer, OUTSIDE) as server:
        Fetcher(POLICY).open(server.url(), method="POST", json={"a": 1}).close()
        last = server.seen[-1]
    assert (last.method, last.body) == (method, b'{"a": 1}' if method == "POST" else b"")


def test_urls_are_rewritten_also_those_of_redirects() -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.path == "/":
            exchange.redirect("http://public.test/end")
        else:
            hello(exchange)

    with serving(answer, OUTSIDE) as server:
        rules = (
            (r"^http://public\.test/", "http://inner/"),
            ("//inner/", server.url()[5:]),
        )
        policy = FetchPolicy(allowed_hosts=(OUTSIDE,), url_map=rules)
        with Fetcher(policy, getaddrinfo=Names()).open("http://public.test/") as response:
            assert response.text == "hello"
            assert response.url == server.url(path="/end")


def test_a_rewritten_url_is_checked_like_any_other() -> None:
    policy = FetchPolicy(url_map=(("^http://public.test/", "http://127.0.0.1/"),))
    with pytest.raises(AddressRefused):
        Fetcher(policy, getaddrinfo=Names()).open("http://public.test/")


def test_a_redirect_to_one_of_our_own_files_needs_no_network() -> None:
    own = "http://runner.invalid/files/1/"

    def resolver(url: str) -> LocalContent | None:
        return LocalContent(BytesIO(b"mine")) if url == own else None

    with (
        serving(lambda exchange: exchange.redirect(own), OUTSIDE) as server,
        Fetcher(POLICY, resolver, getaddrinfo=Names()).open(server.url()) as response,
    ):
        assert response.content == b"mine"
        assert response.url == own
        assert len(response.history) == 1


def test_no_location_raises_anything_but_the_exceptions_of_requests() -> None:
    location = b""

    def answer(exchange: Exchange) -> None:
        exchange.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: " + location)
        exchange.wfile.write(b"\r\nContent-Length: 0\r\n\r\n")
        exchange.close_connection = True

    with serving(answer, OUTSIDE) as server:
        fetcher = Fetcher(POLICY, getaddrinfo=Names())

        @settings(max_examples=60)
        @given(
            st.sampled_from([b"", b"//", b"http://", b"data:", b"http://["]), st.binary()
        )
        def check(start: bytes, rest: bytes) -> None:
            nonlocal location
            location = start + rest.replace(b"\r", b"").replace(b"\n", b"")
            with contextlib.suppress(requests.RequestException):
                fetcher.open(server.url()).close()

        check()
