"""Over TLS the name is what is checked, the address is what is connected to."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import requests

from app_runner.fetch import AddressRefused, Fetcher, FetchPolicy, FetchTooSlow
from tests.fetch.servers import Exchange, Names, serving

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None,
    reason="openssl makes the certificates of these tests",
)

OUTSIDE = "127.0.0.2"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for data.test that signs itself; its key lies beside it."""
    folder = tmp_path_factory.mktemp("tls")
    path = folder / "cert.pem"
    options = "req -x509 -nodes -days 2 -subj /CN=data.test "
    options += "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    extension = "subjectAltName=DNS:data.test,IP:127.0.0.2"
    command = ["openssl", *options.split(), "-addext", extension, "-out", str(path)]
    command += ["-keyout", str(folder / "key.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
def names_asked() -> list[str | None]:
    """The names that clients asked the server's certificate for."""
    return []


@pytest.fixture
def context(certificate: Path, names_asked: list[str | None]) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    context.sni_callback = lambda _socket, name, _context: names_asked.append(name)
    return context


def hello(exchange: Exchange) -> None:
    exchange.reply(b"hello")


def policy(certificate: Path | None, max_seconds: float = 10) -> FetchPolicy:
    return FetchPolicy(
        allowed_hosts=(OUTSIDE,),
        ca_bundle=certificate,
        max_seconds=max_seconds,
        timeout=5,
    )


def test_the_name_is_asked_for_and_the_checked_address_connected_to(
    certificate: Path, context: ssl.SSLContext, names_asked: list[str | None]
) -> None:
    names = Names(data_test=[[OUTSIDE], ["127.0.0.1"]])
    with serving(hello, OUTSIDE, context) as server:
        with Fetcher(policy(certificate), getaddrinfo=names).open(
            server.url("data.test")
        ) as response:
            assert response.content == b"hello"
        assert server.seen[0].headers["Host"] == f"data.test:{server.port}"
    assert names_asked == ["data.test"]
    assert names.asked == ["data.test"]


def test_an_address_is_checked_against_the_certificate_too(
    certificate: Path, context: ssl.SSLContext
) -> None:
    with (
        serving(hello, OUTSIDE, context) as server,
        Fetcher(policy(certificate)).open(server.url()) as response,
    ):
        assert response.content == b"hello"


def test_a_certificate_for_another_name_is_refused(
    certificate: Path, context: ssl.SSLContext
) -> None:
    fetcher = Fetcher(policy(certificate), getaddrinfo=Names(other_test=[[OUTSIDE]]))
    with serving(hello, OUTSIDE, context) as server:
        with pytest.raises(requests.exceptions.SSLError):
            fetcher.open(server.url("other.test"))
        assert server.seen == []


def test_a_certificate_of_nobody_known_is_refused(
    context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    fetcher = Fetcher(policy(None), getaddrinfo=Names(data_test=[[OUTSIDE]]))
    with serving(hello, OUTSIDE, context) as server:
        with pytest.raises(requests.exceptions.SSLError):
            fetcher.open(server.url("data.test"))
        assert server.seen == []


def test_a_private_address_is_refused_before_the_handshake(
    certificate: Path, context: ssl.SSLContext
) -> None:
    fetcher = Fetcher(policy(certificate), getaddrinfo=Names(data_test=[["127.0.0.1"]]))
    with serving(hello, "127.0.0.1", context) as server:
        with pytest.raises(AddressRefused):
            fetcher.open(server.url("data.test"))
        assert server.connections == 0


def test_a_server_that_drips_is_left_over_tls_too(
    certificate: Path, context: ssl.SSLContext
) -> None:
    def dripping(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.end_headers()
        exchange.drip(b"x")

    fetcher = Fetcher(policy(certificate, 0.4), getaddrinfo=Names(data_test=[[OUTSIDE]]))
    with (
        serving(dripping, OUTSIDE, context) as server,
        pytest.raises(FetchTooSlow),
        fetcher.open(server.url("data.test")) as response,
    ):
        len(response.content)


def test_a_server_that_never_shakes_hands_is_left() -> None:
    def unreached(exchange: Exchange) -> None:
        raise AssertionError("no request can arrive")

    class Mute(Exchange):
        def handle(self) -> None:
            self.server.stopping.wait(30)

    fetcher = Fetcher(policy(None), getaddrinfo=Names(data_test=[[OUTSIDE]]))
    with serving(unreached, OUTSIDE) as server:
        server.RequestHandlerClass = Mute
        url = server.url("data.test").replace("http:", "https:")
        with pytest.raises(requests.Timeout):
            fetcher.open(url, timeout=0.2)
