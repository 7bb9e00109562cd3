"""The decorator that views ask for a login with, and the answer to bad tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from flask import Flask, Response, abort, g, jsonify, request
from flask_jwt_extended import JWTManager
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError
from werkzeug.exceptions import HTTPException

from app_runner.api import credentials, rate_limits
from app_runner.api.credentials import COOKIE, BadToken, Caller
from app_runner.api.errors import CHALLENGE, error_body, on_http_error
from app_runner.api.identity import current_caller
from app_runner.application import blocking
from app_runner.babel import gettext as _
from app_runner.state import state_of

#: What flask-jwt-extended remembers of a request without a token, so that plugins may
#: ask it. Most requests are such, so this must cost nothing.
NO_TOKEN: dict[str, Any] = {
    "_jwt_extended_jwt": {},
    "_jwt_extended_jwt_header": {},
    "_jwt_extended_jwt_user": {"loaded_user": None},
    "_jwt_extended_jwt_location": None,
}
#: One of these in the environment of a request, and it may bring a proof.
PROOFS = frozenset({"HTTP_AUTHORIZATION", "HTTP_X_API_KEY"})


def require_jwt(
    *,
    optional: bool = False,
    fresh: bool = False,
    refresh_token: bool = False,
    scopes: Collection[str] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a view: a token is needed, or with ``optional`` only checked.

    Who calls needs all of ``scopes``; the person at a machine of exposure `local` has
    them all.
    """

    def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
        called = blocking(view)

        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            environ = request.environ
            asked = not optional or bool(scopes) or not PROOFS.isdisjoint(environ)
            if asked or COOKIE in environ.get("HTTP_COOKIE", ""):
                caller = current_caller()
                _check(caller, optional, fresh, refresh_token, scopes)
                claims = dict(caller.claims)
                for name, value in {**NO_TOKEN, "_jwt_extended_jwt": claims}.items():
                    setattr(g, name, value)
            else:
                vars(g._get_current_object()).update(NO_TOKEN)
            return called(*args, **kwargs)

        return checked

    return decorator


def _check(
    caller: Caller, optional: bool, fresh: bool, refresh: bool, scopes: Iterable[str]
) -> None:
    """Refuse what does not fit (401), and scopes that are missing (403)."""
    claims = caller.claims
    is_known = bool(claims) or caller.user is not None
    if not is_known and optional and not scopes:
        return
    if not is_known and not optional:
        raise BadToken("a token is needed")
    if claims and (claims.get("type") == "refresh") != refresh:
        raise BadToken("a token of another type is needed")
    if fresh and not claims.get("fresh"):
        raise BadToken("a fresh token is needed")
    if caller.user is None and not caller.is_admin and not refresh:
        raise BadToken("a token is needed")
    if not caller.has(scopes):
        needed = ", ".join(sorted(scopes))
        text = _("This needs a token with the scope %(scopes)s.", scopes=needed)
        abort(HTTPStatus.FORBIDDEN, text)


def refused(*_args: Any) -> Response:
    """Answer 401 for every token that is missing, broken, expired or not ours.

    429 to who sends very many of them.
    """
    if not PROOFS.isdisjoint(request.environ):
        try:
            rate_limits.limit(rate_limits.LOGINS, request.remote_addr or "")
        except HTTPException as error:
            return cast(Response, on_http_error(error))
    response = jsonify(error_body(401, _("A valid bearer token is needed.")))
    response.status_code = 401
    response.headers["WWW-Authenticate"] = CHALLENGE
    return response


def init_app(app: Flask) -> None:
    """Check tokens with the keys of the settings; make them with the first secret."""
    secrets = state_of(app).settings["JWT_SECRET_KEY"]
    app.config["JWT_SECRET_KEY"] = secrets[0] if secrets else app.config["SECRET_KEY"]
    credentials.init_app(app)
    JWTManager(app)  # plugins may make tokens with it, and ask it who calls
    for kind in (BadToken, JWTExtendedException, PyJWTError):
        app.register_error_handler(kind, refused)
