"""What proves who calls: a bearer token, an API key, or the cookie of a session."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from flask import Flask, Request
from jwt import PyJWTError

from app_runner.api.issuers import Issuer, issuers_of
from app_runner.api.jwt_keys import (
    Claims,
    Key,
    checked_claims,
    issuer_of,
    read_keys,
)
from app_runner.db import tokens
from app_runner.db.models.access import SESSION, TOKEN
from app_runner.state import current_runner, state_of

#: The scope that makes an admin of who has it.
ADMIN = "admin"
COOKIE = "app_runner_session"
API_KEY = "HTTP_X_API_KEY"
CACHE = "credentials"
#: Characters of the longest token that is looked at, and of the longest user name.
LONGEST, LONGEST_USER = 16_384, 255
#: Claims that hold scopes: RFC 8693, Auth0's, and those of others.
SCOPE_CLAIMS = ("scope", "scopes", "permissions", "roles")


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: a user with scopes, or nobody known."""

    user: str | None = None
    scopes: frozenset[str] = frozenset()
    #: How it was proved: "bearer", "key", "session", or "" when nothing was.
    how: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    token_id: int | None = None
    #: What a signed token is known by, see `tokens.name_of_signed`.
    signed_name: str = ""

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller may do everything, with everybody's tasks."""
        return ADMIN in self.scopes

    def has(self, scopes: Iterable[str]) -> bool:
        """Tell whether the caller has all of ``scopes``; an admin has every one."""
        return self.is_admin or self.scopes.issuperset(scopes)


#: Without a token: on a laptop the person there, elsewhere somebody unknown.
PERSON_HERE = Caller(scopes=frozenset({ADMIN}))
NOBODY = Caller()


class BadToken(Exception):
    """What was sent as a token proves nothing (401)."""


@dataclass(frozen=True)
class Credentials:
    """What the tokens of one app are checked with."""

    keys: tuple[Key, ...]
    issuers: Mapping[str, Issuer]
    audience: str
    issuer: str

    def of_jwt(self, token: str) -> Caller:
        """Give the user of a signed token; raises `BadToken`, `UnavailableError`."""
        try:
            named = issuer_of(token)
            known = self.issuers.get(named)
            if known is not None:
                claims = known.claims(token, jwt.get_unverified_header(token))
                user = f"{named}|{claims['sub']}"
            else:
                claims = checked_claims(token, self.keys, self.audience, self.issuer)
                user = str(claims["sub"])
        except (PyJWTError, ValueError, RecursionError) as error:
            raise BadToken(type(error).__name__) from error
        name = tokens.name_of_signed(token, claims)
        if tokens.is_revoked(name):
            raise BadToken("the token was revoked")
        return _caller(claims, user, name)


def _caller(claims: Claims, user: str, name: str) -> Caller:
    if not user or "\0" in user:
        raise BadToken("the token names nobody")
    if len(user) > LONGEST_USER:  # two long names must not become one
        user = f"sha256:{hashlib.sha256(user.encode()).hexdigest()}"
    if claims.get("type") == "refresh":  # good for nothing but new tokens
        return Caller(how="bearer", claims=claims)
    return Caller(user, frozenset(_scopes(claims)), "bearer", claims, signed_name=name)


def _scopes(claims: Claims) -> Iterable[str]:
    for name in SCOPE_CLAIMS:
        value = claims.get(name, ())
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (one for one in value if isinstance(one, str))


def of_request(request: Request) -> Caller:
    """Give who sent ``request``; raises `BadToken` when what it brings proves nothing."""
    environ = request.environ
    given = environ.get("HTTP_AUTHORIZATION", "")
    if given[:6].lower() == "bearer":
        return of_token(given[6:].strip(), "bearer")
    if API_KEY in environ:
        return of_token(environ[API_KEY].strip(), "key")
    if current_runner.settings["EXPOSURE"] == "local":
        return PERSON_HERE
    if COOKIE in environ.get("HTTP_COOKIE", ""):
        return of_cookie(request.cookies.get(COOKIE, ""))
    return NOBODY


def of_token(text: str, how: str) -> Caller:
    """Give whose token it is, one of ours or a signed one; raises `BadToken`."""
    if not text or len(text) > LONGEST or not text.isascii():
        raise BadToken("no token")
    if text.startswith(tokens.PREFIX):
        return _of_row(tokens.find(text), how)
    if how == "key":
        raise BadToken("no API key of ours")
    checker: Credentials = current_runner.caches[CACHE]
    return checker.of_jwt(text)


def of_cookie(text: str) -> Caller:
    """Give whose session it is; nobody when it is over."""
    row = tokens.find(text, SESSION)
    return NOBODY if row is None else _of_row(row, SESSION)


def _of_row(row: Any, how: str) -> Caller:
    if row is None:
        raise BadToken(f"no {TOKEN} of ours, or one that has ended")
    claims = {"sub": row.owner, "scope": " ".join(row.scopes)}
    return Caller(row.owner, frozenset(row.scopes), how, claims, row.id)


def init_app(app: Flask) -> None:
    """Read the keys; raises `SettingError` for those that cannot be used."""
    settings = state_of(app).settings
    secrets = settings["JWT_SECRET_KEY"] or (app.config["SECRET_KEY"],)
    keys = [Key(secret, ("HS256",)) for secret in secrets]
    keys += read_keys(settings["JWT_KEYS"])
    state_of(app).caches[CACHE] = Credentials(
        tuple(keys),
        issuers_of(settings),
        settings["JWT_AUDIENCE"],
        settings["JWT_ISSUER"],
    )
