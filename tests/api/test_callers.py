"""Who calls and from where: tokens, host names, origins."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import (
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
)

from app_runner.api.login import require_jwt
from tests.api.conftest import PROCESS, assert_error
from tests.conftest import AppFactory


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def unsigned() -> str:
    parts = (b'{"alg":"none","typ":"JWT"}', b'{"sub":"root","type":"access","jti":"x"}')
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def bad_tokens(app: Flask) -> dict[str, str]:
    claims = {"sub": "root", "type": "access", "jti": "x", "fresh": False}
    own = app.config["SECRET_KEY"]
    with app.app_context():
        expired = create_access_token("root", expires_delta=timedelta(seconds=-1))
        refresh = create_refresh_token("root")
        good = create_access_token("root")
    return {
        "garbage": "garbage",
        "dots": "a.b.c",
        "empty_parts": "..",
        "many_parts": "a.b.c.d.e",
        "not_ascii": "\xe4\xf6\xfc",
        "long": "x" * 20_000,
        "none_algorithm": unsigned(),
        "other_algorithm": jwt.encode(claims, own, "HS512"),
        "foreign_key": jwt.encode(claims, "k" * 64, "HS256"),
        "expired": expired,
        "refresh": refresh,
        "cut": good[:-4],
        "two": f"{good} {good}",
        "number_as_subject": jwt.encode({**claims, "sub": 1}, own, "HS256"),
        "no_claims": jwt.encode({}, own, "HS256"),
    }


NAMES = [
    "garbage", "dots", "empty_parts", "many_parts", "not_ascii", "long", "none_algorithm",
    "other_algorithm", "foreign_key", "expired", "refresh", "cut", "two",
    "number_as_subject", "no_claims",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_token_is_refused_where_login_is_optional(
    app: Flask, client: FlaskClient, task_url: str, name: str
) -> None:
    headers = bearer(bad_tokens(app)[name])
    for answer in (
        client.get(task_url, headers=headers),
        client.post(PROCESS, data={"title": "x", "lines": "1"}, headers=headers),
        client.get("/plugins/poet@1-0-0/ui/", headers=headers),
    ):
        assert_error(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "bearer x", "BEARER a.b.c"])
def test_a_malformed_bearer_header_is_refused(
    client: FlaskClient, task_url: str, header: str
) -> None:
    assert_error(client.get(task_url, headers={"Authorization": header}), 401)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Digest x", "garbage", "\xff"])
def test_other_schemes_count_as_no_token(
    client: FlaskClient, task_url: str, header: str
) -> None:
    answer = client.get(task_url, headers={"Authorization": header})
    assert answer.status_code == 200


def test_a_good_token_is_taken(app: Flask, client: FlaskClient, task_url: str) -> None:
    with app.app_context():
        token = create_access_token("somebody")
    assert client.get(task_url, headers=bearer(token)).status_code == 200


FOREIGN = [
    "evil.example", "localhost.evil.example", "evil.example:80", "localhost:80@evil.com",
    "localhost:abc", "localhost:80/x", "localhost/", "", "a b", "[::1", "[::2]:80",
    "127.0.0.2", "localhost:1:2", "localhost,evil.com", "localhost\\evil", "me@localhost",
]  # fmt: skip


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused(client: FlaskClient, host: str) -> None:
    for path in ("/", "/plugins/", "/nothing", "/health/live"):
        assert_error(client.get(path, headers={"Host": host}), 400)


@pytest.mark.parametrize(
    ("host", "root"),
    [
        ("localhost", "http://localhost/"),
        ("LocalHost:5005", "http://localhost:5005/"),
        ("127.0.0.1:80", "http://127.0.0.1/"),
        ("[::1]:5005", "http://[::1]:5005/"),
    ],
)
def test_links_name_the_loopback_host_that_was_asked(
    client: FlaskClient, host: str, root: str
) -> None:
    listed = client.get("/plugins/", headers={"Host": host}).get_json()["plugins"]
    assert listed[0]["apiRoot"].lower() == f"{root}plugins/poet@1-0-0/"


def test_headers_of_proxies_are_not_believed(client: FlaskClient) -> None:
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example",
        "X-Host": "evil.example",
    }
    answer = client.get("/plugins/", headers=forged)
    assert "evil" not in answer.text
    assert "https" not in answer.text


def test_further_hosts_are_a_setting(make_app: AppFactory) -> None:
    app = make_app(
        TRUSTED_HOSTS="runner.example, .lab.example", SERVER_NAME="main.example"
    )
    client = app.test_client()
    for host in ("runner.example", "a.lab.example:80", "main.example", "localhost:1"):
        assert client.get("/plugins/", headers={"Host": host}).status_code == 200, host
    for host in ("lab.example", "evil-lab.example", "x.runner.example"):
        assert_error(client.get("/plugins/", headers={"Host": host}), 400)


def test_any_host_still_must_be_one(make_app: AppFactory) -> None:
    client = make_app(TRUSTED_HOSTS="*").test_client()
    assert client.get("/plugins/", headers={"Host": "any.example"}).status_code == 200
    assert_error(client.get("/plugins/", headers={"Host": "any.example:80@x"}), 400)


def test_any_origin_may_call_by_default(client: FlaskClient, task_url: str) -> None:
    for answer in (
        client.get(task_url, headers={"Origin": "https://ui.example"}),
        client.post(PROCESS, data={}, headers={"Origin": "https://ui.example"}),
        client.get("/tasks/1/", headers={"Origin": "https://ui.example"}),
    ):
        allowed = answer.headers["Access-Control-Allow-Origin"]
        assert allowed == "*" or (
            allowed == "https://ui.example" and "Origin" in answer.headers["Vary"]
        )
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_preflight_is_answered(client: FlaskClient, task_url: str) -> None:
    asked = {
        "Origin": "https://ui.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization",
    }
    for path in (PROCESS, task_url, "/plugins/"):
        answer = client.options(path, headers=asked)
        assert answer.status_code in (200, 204)
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert "content-type" in allowed
        assert "authorization" in allowed


def test_origins_can_be_restricted(make_app: AppFactory) -> None:
    client = make_app(CORS_ORIGINS="https://ui.example, https://b.example").test_client()
    mine = client.get("/plugins/", headers={"Origin": "https://ui.example"})
    assert mine.headers["Access-Control-Allow-Origin"] == "https://ui.example"
    assert "Origin" in mine.headers["Vary"]
    for origin in ("https://evil.example", "https://ui.example.evil.example", "null"):
        other = client.get("/plugins/", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize("given", ["abc-1", "x" * 64])
def test_a_request_id_is_kept(client: FlaskClient, given: str) -> None:
    answer = client.get("/plugins/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ä", "<script>"])
def test_a_request_id_that_could_forge_log_lines_is_replaced(
    client: FlaskClient, given: str
) -> None:
    answer = client.get("/plugins/", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"] not in ("", given)


def test_every_answer_has_one_id_of_its_own(client: FlaskClient) -> None:
    answers = [client.get("/plugins/") for _ in range(3)]
    ids = [answer.headers.getlist("X-Request-ID") for answer in answers]
    assert len({only for (only,) in ids}) == 3


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic eDp5"}])
def test_views_with_optional_login_may_ask_who_calls(
    make_app: AppFactory, headers: dict[str, str]
) -> None:
    """Nobody, when no token came; the answer is that of flask-jwt-extended."""
    app = make_app()

    @app.get("/who")
    @require_jwt(optional=True)
    def who() -> dict[str, Any]:
        return {"who": get_jwt_identity(), "claims": get_jwt()}

    assert app.test_client().get("/who", headers=headers).json == {
        "who": None,
        "claims": {},
    }
