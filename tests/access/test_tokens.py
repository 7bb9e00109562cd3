"""Tokens of all kinds: taken when they are good, refused when they are not."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app_runner.api import issuers
from app_runner.db import DB, tokens
from app_runner.db.types import now
from app_runner.errors import SettingError
from app_runner.state import state_of
from tests.access.conftest import PROCESS, Site
from tests.fetch.servers import Exchange, Server, serving

SECRET, OLDER = "s" * 40, "o" * 40
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
AUDIENCE = "https://runner.example/"


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"sub": "ann", "iat": now, "exp": now + 600}
    return {k: v for k, v in {**usual, **changed}.items() if v is not None}


def jwk(key: Any, kid: str, **more: str) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = json.loads(algorithm.to_jwk(key.public_key()))
    return {**found, "kid": kid, "use": "sig", **more}


def status(site: Site, token: str) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    return int(site.ask(None, "GET", "/tasks/", headers=bearer).status_code)


def test_secrets_are_rotated(make_site: Any) -> None:
    site = make_site(JWT_SECRET_KEY=f"{SECRET}\n{OLDER}")
    assert status(site, jwt.encode(claims(), SECRET, "HS256")) == 200
    assert status(site, jwt.encode(claims(), OLDER, "HS256")) == 200
    own = site.app.config["SECRET_KEY"]
    assert status(site, jwt.encode(claims(), own, "HS256")) == 401


@pytest.mark.parametrize("form", ["pem", "set", "file"])
def test_public_keys_are_taken_in_several_forms(
    make_site: Any, tmp_path: Any, form: str
) -> None:
    given = PEM.decode()
    if form == "set":
        given = json.dumps({"keys": [jwk(RSA, "one"), jwk(EC, "two")]})
    if form == "file":
        (tmp_path / "keys.pem").write_bytes(PEM)
        given = str(tmp_path / "keys.pem")
    site = make_site(JWT_KEYS=given)
    assert status(site, jwt.encode(claims(), RSA, "RS256")) == 200
    assert status(site, jwt.encode(claims(), OTHER_RSA, "RS256")) == 401


def test_keys_with_names_are_chosen_by_them(make_site: Any) -> None:
    keys = {"keys": [jwk(RSA, "old"), jwk(EC, "new")]}
    site = make_site(JWT_KEYS=json.dumps(keys))
    new = jwt.encode(claims(), EC, "ES256", headers={"kid": "new"})
    wrong = jwt.encode(claims(), EC, "ES256", headers={"kid": "old"})
    assert (status(site, new), status(site, wrong)) == (200, 401)


@pytest.mark.parametrize(
    "given", ["{}", "-----BEGIN X-----", "/nowhere/keys", '{"keys": 1}']
)
def test_keys_that_cannot_be_read_stop_the_start(make_site: Any, given: str) -> None:
    with pytest.raises(SettingError, match="JWT_KEYS"):
        make_site(JWT_KEYS=given)


def test_a_public_key_is_never_a_secret(make_site: Any) -> None:
    """The mix-up of algorithms: HS256 with the text of the public key as its secret."""
    site = make_site(JWT_KEYS=PEM.decode(), JWT_SECRET_KEY=SECRET)

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims())
    mac = hmac.digest(PEM, signed, "sha256")
    forged = signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")
    assert status(site, forged.decode()) == 401


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"aud": AUDIENCE, "iss": "https://me/"}, 200),
        ({"aud": "other", "iss": "https://me/"}, 401),
        ({"aud": AUDIENCE, "iss": "https://you/"}, 401),
        ({"iss": "https://me/"}, 401),
        ({"aud": AUDIENCE}, 401),
        ({"aud": AUDIENCE, "iss": "https://me/", "exp": 1}, 401),
        ({"aud": AUDIENCE, "iss": "https://me/", "nbf": 2**33}, 401),
        ({"aud": AUDIENCE, "iss": "https://me/", "sub": None}, 401),
    ],
)
def test_claims_are_held_to_the_settings(
    make_site: Any, changed: dict[str, Any], expected: int
) -> None:
    site = make_site(
        JWT_SECRET_KEY=SECRET, JWT_AUDIENCE=AUDIENCE, JWT_ISSUER="https://me/"
    )
    assert status(site, jwt.encode(claims(**changed), SECRET, "HS256")) == expected


@pytest.mark.parametrize(
    "changed",
    [{"scope": "x admin"}, {"scopes": ["admin"]}, {"permissions": ["admin"]}],
)
def test_scopes_come_from_several_claims(make_site: Any, changed: dict[str, Any]) -> None:
    site = make_site(JWT_SECRET_KEY=SECRET)
    token = jwt.encode(claims(sub="root", **changed), SECRET, "HS256")
    path = site.task("ann")
    bearer = {"Authorization": f"Bearer {token}"}
    answer = site.ask(None, "POST", path, json={"command": "cancel"}, headers=bearer)
    assert answer.status_code == 200


class IssuerServer:
    """An issuer on loopback, whose keys can change."""

    def __init__(self, server: Server) -> None:
        self.server, self.keys = server, [jwk(RSA, "one")]
        self.names = self.url
        server.answer = self.answer

    @property
    def url(self) -> str:
        return self.server.url(path="/tenant/")

    def answer(self, exchange: Exchange) -> None:
        if exchange.path.endswith("/.well-known/openid-configuration"):
            content: dict[str, Any] = {
                "issuer": self.names,
                "jwks_uri": f"{self.url}keys",
            }
        else:
            content = {"keys": self.keys}
        exchange.reply(json.dumps(content).encode(), Content_Type="application/json")

    def token(self, key: Any = RSA, kid: str = "one", **changed: Any) -> str:
        given = claims(**{"iss": self.url, "aud": AUDIENCE, **changed})
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(given, key, algorithm, headers={"kid": kid})


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with serving(lambda exchange: exchange.reply()) as server:
        yield IssuerServer(server)


@pytest.fixture
def trusting(make_site: Any, issuer: IssuerServer) -> Site:
    made: Site = make_site(OIDC_ISSUERS=f"{issuer.url} {AUDIENCE}")
    return made


def test_a_user_of_an_issuer_is_known_by_both_names(
    trusting: Site, issuer: IssuerServer
) -> None:
    bearer = {"Authorization": f"Bearer {issuer.token()}"}
    form = {"text": "x"}
    answer = trusting.ask(None, "POST", PROCESS, data=form, headers=bearer)
    assert answer.status_code == 303
    assert trusting.ask("ann", "GET", "/tasks/").json["tasks"] == []
    listed = trusting.ask(None, "GET", "/tasks/", headers=bearer).json["tasks"]
    assert len(listed) == 1


ATTACKS: dict[str, Callable[[IssuerServer], str]] = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "without_end": lambda issuer: issuer.token(exp=None),
    "other_audience": lambda issuer: issuer.token(aud="https://other.example/"),
    "no_audience": lambda issuer: issuer.token(aud=None),
    "no_subject": lambda issuer: issuer.token(sub=None),
    "foreign_key": lambda issuer: issuer.token(key=OTHER_RSA),
    "unknown_key": lambda issuer: issuer.token(kid="unknown"),
    "unknown_issuer": lambda issuer: issuer.token(iss="https://evil.example/"),
    "secret_of_ours": lambda issuer: jwt.encode(
        claims(iss=issuer.url, aud=AUDIENCE), SECRET, "HS256"
    ),
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_bad_tokens_of_issuers_are_refused(
    trusting: Site, issuer: IssuerServer, name: str
) -> None:
    assert status(trusting, issuer.token()) == 200
    assert status(trusting, ATTACKS[name](issuer)) == 401


def test_new_keys_of_an_issuer_are_found_but_not_asked_for_each_time(
    trusting: Site, issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status(trusting, issuer.token()) == 200
    asked = len(issuer.server.seen)
    issuer.keys = [jwk(EC, "two")]
    fresh = issuer.token(key=EC, kid="two")
    assert [status(trusting, fresh) for _ in range(3)] == [401] * 3
    assert len(issuer.server.seen) == asked
    monkeypatch.setattr(issuers, "NOT_AGAIN", 0.0)
    assert status(trusting, fresh) == 200
    assert status(trusting, issuer.token()) == 401


def test_an_issuer_that_names_itself_otherwise_is_not_believed(
    trusting: Site, issuer: IssuerServer
) -> None:
    issuer.names = "https://other.example/"
    assert status(trusting, issuer.token()) == 503


def test_an_issuer_that_does_not_answer_is_an_outage(make_site: Any) -> None:
    site = make_site(OIDC_ISSUERS=f"http://127.0.0.1:1/ {AUDIENCE}")
    token = jwt.encode(claims(iss="http://127.0.0.1:1/"), SECRET, "HS256")
    assert status(site, token) == 503


@pytest.mark.parametrize("line", ["https://a/", "a b", "https://a/ b c d", "ftp://a/ b"])
def test_lines_that_name_no_issuer_stop_the_start(make_site: Any, line: str) -> None:
    with pytest.raises(SettingError, match="OIDC_ISSUERS"):
        make_site(OIDC_ISSUERS=line)


def test_tokens_are_made_listed_and_end(site: Site) -> None:
    runner = site.app.test_cli_runner()
    made = runner.invoke(
        args=[
            "token",
            "create",
            "ci",
            "--user",
            "ann",
            "--scope",
            "lab",
            "--expires",
            "1m",
        ]
    )
    token = made.output.strip()
    assert status(site, token) == 200
    listed = runner.invoke(args=["token", "list"]).output
    assert "\tci\tann\tlab\tuntil " in listed
    assert token not in listed
    assert runner.invoke(args=["token", "revoke", "nothing"]).exit_code == 1
    audit = runner.invoke(args=["audit", "--action", "token"]).output
    assert "token.create" in audit
    assert token not in audit


def test_only_digests_of_tokens_are_kept(site: Site) -> None:
    folder = state_of(site.app).settings.instance
    kept = b"".join(path.read_bytes() for path in folder.glob("app_runner.db*"))
    assert b"ann's" in kept
    assert site.tokens["ann"].encode() not in kept


def test_a_token_ends_when_its_time_is_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site.app.app_context():
        text = tokens.create("short", "ann", lifetime=timedelta(minutes=1))
    assert status(site, text) == 200
    monkeypatch.setattr(tokens, "now", lambda: now() + timedelta(minutes=2))
    assert status(site, text) == 401


@pytest.mark.parametrize("named", ["jti", "token", "without jti"])
def test_one_signed_token_is_revoked_with_its_sessions(site: Site, named: str) -> None:
    secret, end = site.app.config["SECRET_KEY"], int(time.time()) + 900
    names = {} if named == "without jti" else {"jti": "one"}
    bad = jwt.encode({"sub": "ann", "exp": end, **names}, secret, "HS256")
    good = jwt.encode({"sub": "ann", "exp": end + 1, "jti": "two"}, secret, "HS256")
    page = site.ask(None, "GET", "/login/").text
    form = {"token": bad, "csrf_token": page.split('name="csrf_token" value="')[1]}
    form["csrf_token"] = form["csrf_token"].partition('"')[0]
    assert site.ask(None, "POST", "/login/", data=form).status_code == 303
    assert site.ask(None, "GET", "/tasks/").status_code == 200  # by the cookie

    command = ["token", "revoke", "--jwt", "one" if named == "jti" else bad]
    done = site.app.test_cli_runner().invoke(args=command)
    assert done.exit_code == 0, done.output
    assert bad not in done.output
    assert (status(site, bad), status(site, good)) == (401, 200)
    assert site.ask(None, "GET", "/tasks/").status_code == 401  # the cookie


def test_a_token_that_was_never_seen_is_revoked(site: Site) -> None:
    runner, secret = site.app.test_cli_runner(), site.app.config["SECRET_KEY"]
    assert runner.invoke(args=["token", "revoke", "--jwt", "early"]).exit_code == 0
    assert runner.invoke(args=["token", "revoke", "--jwt", "a.b.c"]).exit_code == 1
    for _ in range(2):  # what is over is forgotten, and this has no end
        token = jwt.encode({"sub": "ann", "jti": "early"}, secret, "HS256")
        assert status(site, token) == 401
        with site.app.app_context():
            tokens.forget_old_sessions()
            DB.session.commit()
