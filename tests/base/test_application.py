"""Which hosts are answered, what links look like, and where the secret comes from."""

from __future__ import annotations

import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest
from flask import Flask, request, url_for

from app_runner.application import MOST_LINKS, _secret, base_url
from app_runner.config import load_settings
from app_runner.state import BASE_URL
from tests.conftest import AppFactory

LIVE = "/health/live"


def status(app: Flask, host: str, **headers: str) -> int:
    answer = app.test_client().get(LIVE, headers={"Host": host, **headers})
    return answer.status_code


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5005", "LOCALHOST", "127.0.0.1:1", "[::1]", "[::1]:5005"],
)
def test_loopback_names_are_answered(shared_app: Flask, host: str) -> None:
    assert status(shared_app, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.org",
        "example.org:5005",
        "localhost.example.org",
        "127.0.0.1.nip.io",
        "127.0.0.2",
        "[::2]:5005",
        "[::1].example.org",
        "[::1",
        "::1",
        "localhost:5005:80",
        "localhost@example.org",
        ".localhost",
        " ",
    ],
)
def test_foreign_names_are_refused(shared_app: Flask, host: str) -> None:
    answer = shared_app.test_client().get(LIVE, headers={"Host": host})
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["status"] == "Bad Request"


def test_the_server_name_is_answered_and_loopback_stays(make_app: AppFactory) -> None:
    app = make_app(SERVER_NAME="Runner.example.org:8080")
    assert status(app, "runner.EXAMPLE.org:8080") == 200
    assert status(app, "localhost:5005") == 200
    assert status(app, "other.example.org:8080") == 400


def test_trusted_hosts_are_answered(make_app: AppFactory) -> None:
    app = make_app(TRUSTED_HOSTS="One.example.org, .below.example.org [fd00::1]")
    for host in ("one.example.org", "a.below.example.org:80", "[fd00::1]:80"):
        assert status(app, host) == 200, host
    for host in ("two.example.org", "below.example.org.evil", "xbelow.example.org"):
        assert status(app, host) == 400, host


def test_a_star_trusts_any_host(make_app: AppFactory) -> None:
    assert status(make_app(TRUSTED_HOSTS="*"), "whatever.example") == 200


def test_forwarded_headers_are_not_believed_without_a_proxy(app: Flask) -> None:
    forwarded = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "9.9.9.9"}
    app.add_url_rule(
        "/root", view_func=lambda: f"{request.url_root} {request.remote_addr}"
    )
    answer = app.test_client().get("/root", headers=forwarded)
    assert answer.text == "http://localhost/ 127.0.0.1"


def proxied(make_app: AppFactory, count: int) -> Flask:
    app = make_app(
        REVERSE_PROXY_COUNT=count,
        EXPOSURE="public",
        LOGIN_REQUIRED=False,
        TRUSTED_HOSTS="runner.example.org",
    )
    app.add_url_rule(
        "/root", view_func=lambda: f"{request.url_root} {request.remote_addr}"
    )
    return app


def test_a_proxy_tells_address_scheme_host_and_prefix(make_app: AppFactory) -> None:
    headers = {
        "X-Forwarded-For": "6.6.6.6, 7.7.7.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "runner.example.org",
        "X-Forwarded-Prefix": "/below",
    }
    answer = proxied(make_app, 1).test_client().get("/root", headers=headers)
    assert answer.text == "https://runner.example.org/below/ 7.7.7.7"


def test_only_as_many_proxies_are_believed_as_there_are(make_app: AppFactory) -> None:
    headers = {"X-Forwarded-For": "5.5.5.5, 6.6.6.6, 7.7.7.7"}
    client = proxied(make_app, 2).test_client()
    assert client.get("/root", headers=headers).text.endswith(" 6.6.6.6")


def test_a_proxy_does_not_open_foreign_hosts(make_app: AppFactory) -> None:
    app = proxied(make_app, 1)
    assert status(app, "localhost", **{"X-Forwarded-Host": "evil.example"}) == 400


@pytest.mark.parametrize(
    "prefix",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/a b", "a", "/a//b"],
)
def test_a_prefix_leads_nowhere_else(make_app: AppFactory, prefix: str) -> None:
    headers = {"X-Forwarded-Prefix": prefix}
    answer = proxied(make_app, 1).test_client().get("/login/", headers=headers)
    assert answer.status_code == 400
    assert "evil.example" not in answer.text


@pytest.mark.parametrize("prefix", ["/", "/a", "/a/b/", "/user/ann@example.org/x-1.0"])
def test_a_prefix_is_a_path(make_app: AppFactory, prefix: str) -> None:
    headers = {"X-Forwarded-Prefix": prefix}
    answer = proxied(make_app, 1).test_client().get("/root", headers=headers)
    assert answer.text.startswith(f"http://localhost{prefix.rstrip('/')}/ ")


def test_links_of_many_prefixes_are_not_all_kept(make_app: AppFactory) -> None:
    app = proxied(make_app, 1)
    app.add_url_rule("/link", "link", lambda: url_for("health.live"))
    client = app.test_client()
    for number in range(MOST_LINKS + 10):
        told = {"X-Forwarded-Prefix": f"/p{number}"}
        assert client.get("/link", headers=told).text == f"/p{number}/health/live"
    assert len(vars(app)["_plain_urls"]) < MOST_LINKS


def test_links_of_a_request_have_its_host(shared_app: Flask) -> None:
    with shared_app.test_request_context("/", base_url="http://localhost:7/"):
        assert base_url(shared_app) == "http://localhost:7/"
        assert url_for("health.live", _external=True) == "http://localhost:7/health/live"


def test_links_of_a_job_begin_with_the_base_of_its_submit(shared_app: Flask) -> None:
    token = BASE_URL.set("https://runner.example.org:8443/below/")
    try:
        with shared_app.app_context():
            link = url_for("health.live", _external=True)
            assert link == "https://runner.example.org:8443/below/health/live"
            assert base_url(shared_app) == BASE_URL.get()
    finally:
        BASE_URL.reset(token)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, None),
        ({"SERVER_NAME": "h.example"}, "http://h.example/"),
        (
            {
                "SERVER_NAME": "h.example:8443",
                "PREFERRED_URL_SCHEME": "https",
                "APPLICATION_ROOT": "/below",
            },
            "https://h.example:8443/below/",
        ),
    ],
)
def test_without_request_and_job_the_settings_tell_the_base(
    make_app: AppFactory, settings: dict[str, str], expected: str | None
) -> None:
    app = make_app(**settings)
    with app.app_context():
        assert base_url(app) == expected
        if expected:
            assert url_for("health.live", _external=True) == f"{expected}health/live"


def test_the_secret_is_made_once_and_readable_by_its_owner_only(
    make_app: AppFactory, tmp_path: Path
) -> None:
    instance = {"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path / "shared")}
    one, other = make_app(**instance), make_app(**instance)
    file = tmp_path / "shared" / "secret.key"
    assert one.config["SECRET_KEY"] == other.config["SECRET_KEY"] == file.read_text()
    assert len(file.read_text()) == 64
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert make_app().config["SECRET_KEY"] != one.config["SECRET_KEY"]


def test_a_given_secret_is_used_and_not_written(
    make_app: AppFactory, tmp_path: Path
) -> None:
    app = make_app(SECRET_KEY="mine", APP_RUNNER_INSTANCE_FOLDER=str(tmp_path / "own"))
    assert app.config["SECRET_KEY"] == "mine"
    assert not (tmp_path / "own" / "secret.key").exists()


def test_those_who_start_together_share_one_secret(tmp_path: Path) -> None:
    settings = load_settings({"APP_RUNNER_INSTANCE_FOLDER": str(tmp_path / "new")})
    ready, secrets = Barrier(12), set[str]()

    def start() -> None:
        ready.wait()
        secrets.add(_secret(settings))

    threads = [Thread(target=start) for _ in range(ready.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert secrets == {(tmp_path / "new" / "secret.key").read_text()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret.key"]
