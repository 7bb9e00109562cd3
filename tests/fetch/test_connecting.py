"""The address that is checked is the one connected to, and refusals tell nothing."""

from __future__ import annotations

import contextlib
import socket

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from app_runner.fetch import AddressRefused, Fetcher, FetchPolicy, FetchRefused
from tests.fetch.servers import Exchange, Names, serving

#: 127.0.0.2 stands for the internet: it is listed, 127.0.0.1 is not.
OUTSIDE = "127.0.0.2"
POLICY = FetchPolicy(allowed_hosts=(OUTSIDE,), timeout=5, read_timeout=5)


def hello(exchange: Exchange) -> None:
    exchange.reply(b"hello", Content_Type="text/plain; charset=utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_public_url_is_fetched_with_the_name_in_the_host_header() -> None:
    names = Names(data_test=[[OUTSIDE]])
    with serving(hello, OUTSIDE) as server:
        with Fetcher(POLICY, getaddrinfo=names).open(server.url("data.test")) as response:
            assert isinstance(response, requests.Response)
            assert response.text == "hello"
        assert server.seen[0].headers["Host"] == f"data.test:{server.port}"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "intern.test"]
)
def test_a_private_address_is_refused_before_anything_is_connected(host: str) -> None:
    names = Names(intern_test=[["127.0.0.1"]], localhost=[["127.0.0.1"]])
    with serving(hello) as server:
        url = server.url(host)
        with pytest.raises(AddressRefused, match="FETCH_ALLOWED_HOSTS") as caught:
            Fetcher(POLICY, getaddrinfo=names).open(url)
        assert "EXPOSURE" in str(caught.value)
        assert server.connections == 0


def test_a_refusal_is_the_same_whether_the_port_is_open_or_not() -> None:
    names = Names(intern_test=[["127.0.0.1"]])
    fetcher = Fetcher(POLICY, getaddrinfo=names)
    texts = set()
    with serving(hello) as server:
        for port in (server.port, free_port()):
            with pytest.raises(AddressRefused) as caught:
                fetcher.open(f"http://intern.test:{port}/")
            texts.add(str(caught.value))
    assert len(texts) == 1
    assert "127.0.0.1" not in texts.pop()


def test_a_name_is_resolved_once_so_that_it_cannot_change_its_mind() -> None:
    names = Names(rebind_test=[[OUTSIDE], ["127.0.0.1"]])
    with (
        serving(hello, OUTSIDE) as server,
        Fetcher(POLICY, getaddrinfo=names).open(server.url("rebind.test")) as response,
    ):
        assert response.text == "hello"
    assert names.asked == ["rebind.test"]


def test_one_refused_address_among_others_refuses_the_name() -> None:
    names = Names(mixed_test=[[OUTSIDE, "127.0.0.1"]])
    with serving(hello, OUTSIDE) as server, pytest.raises(AddressRefused):
        Fetcher(POLICY, getaddrinfo=names).open(server.url("mixed.test"))


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    policy = FetchPolicy(allowed_hosts=("127.0.0.0/8",))
    names = Names(two_test=[["127.0.0.3", OUTSIDE]])
    with (
        serving(hello, OUTSIDE) as server,
        Fetcher(policy, getaddrinfo=names).open(server.url("two.test")) as response,
    ):
        assert response.text == "hello"


def test_local_exposure_fetches_from_this_machine() -> None:
    with (
        serving(hello) as server,
        Fetcher(FetchPolicy(allow_private=True)).open(server.url("localhost")) as got,
    ):
        assert got.text == "hello"


def test_an_ipv6_address_is_connected_to() -> None:
    try:
        server_of_six = serving(hello, "::1")
        with server_of_six as server:
            with Fetcher(FetchPolicy(allow_private=True)).open(
                server.url("[::1]")
            ) as got:
                assert got.text == "hello"
            assert server.seen[0].headers["Host"] == f"[::1]:{server.port}"
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        pytest.skip(f"no IPv6 here: {error}")


def test_metadata_is_refused_with_local_exposure_too() -> None:
    fetcher = Fetcher(FetchPolicy(allow_private=True))
    with pytest.raises(AddressRefused, match="very address in FETCH_ALLOWED"):
        fetcher.open("http://169.254.169.254/latest/meta-data/")


def test_proxies_and_logins_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine data.test login me password secret\n")
    netrc.chmod(0o600)
    with serving(hello) as proxy, serving(hello, OUTSIDE) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.setenv("NETRC", str(netrc))
        fetcher = Fetcher(POLICY, getaddrinfo=Names(data_test=[[OUTSIDE]]))
        with fetcher.open(server.url("data.test")) as response:
            assert response.text == "hello"
        assert proxy.connections == 0
        assert "Authorization" not in server.seen[0].headers


def test_failures_of_the_network_are_those_of_requests() -> None:
    fetcher = Fetcher(FetchPolicy(allow_private=True), getaddrinfo=Names())
    with pytest.raises(requests.ConnectionError, match=r"nowhere\.test"):
        fetcher.open("http://nowhere.test/")
    with pytest.raises(requests.ConnectionError):
        fetcher.open(f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "plain text",
        "//data.test/",
        "http://",
        "http:///path",
        "http://[::1",
        "http://data.test:99999/",
        "http://data.test:0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://data\x00.test/",
        "http://" + "a" * 300 + ".test/",
        "ht\ntp://data.test/",
        "ftp://data.test/",
        "gopher://data.test/",
        "javascript:alert(1)",
        "http+unix://socket/",
    ],
)
def test_what_cannot_be_fetched_is_told_as_requests_would(url: str) -> None:
    names = Names(data_test=[["127.0.0.1"]])
    with pytest.raises(requests.RequestException):
        Fetcher(POLICY, getaddrinfo=names).open(url)


@settings(max_examples=150)
@given(
    st.sampled_from(["", "http:", "http://", "https://", "data:", "file://"]), st.text()
)
def test_no_text_raises_anything_but_the_exceptions_of_requests(
    start: str, rest: str
) -> None:
    with contextlib.suppress(requests.RequestException):
        Fetcher(FetchPolicy(), getaddrinfo=Names()).open(start + rest).close()


def test_refusals_are_for_the_user_and_for_code_that_knows_requests() -> None:
    from app_runner.errors import UserError

    assert issubclass(FetchRefused, UserError)
    assert issubclass(FetchRefused, requests.RequestException)
