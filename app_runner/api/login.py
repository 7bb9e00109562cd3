"""Who calls: bearer tokens (JWT) and the decorator that views ask with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, request
from flask_jwt_extended import JWTManager, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from app_runner.api.errors import error_body
from app_runner.babel import gettext as _
from app_runner.state import state_of

HEADERS_ONLY = ["headers"]
#: What flask-jwt-extended remembers of a request without a token. Most requests are such,
#: and to search their headers for one takes longer than anything else here.
NO_TOKEN: dict[str, Any] = {
    "_jwt_extended_jwt": {},
    "_jwt_extended_jwt_header": {},
    "_jwt_extended_jwt_user": {"loaded_user": None},
    "_jwt_extended_jwt_location": None,
}


def require_jwt(
    *, optional: bool = False, fresh: bool = False, refresh_token: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a view: a token is needed, or with ``optional`` only checked."""

    def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            given = request.environ.get("HTTP_AUTHORIZATION", "")
            asked = not optional or given[:6].lower() == "bearer"
            if asked or current_app.config["JWT_TOKEN_LOCATION"] != HEADERS_ONLY:
                verify_jwt_in_request(
                    optional=not asked, fresh=fresh, refresh=refresh_token
                )
            else:
                for name, value in NO_TOKEN.items():
                    setattr(g, name, value)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return checked

    return decorator


def refused(*_args: Any) -> Response:
    """Answer 401 for every token that is missing, broken, expired or not ours."""
    response = jsonify(error_body(401, _("A valid bearer token is needed.")))
    response.status_code = 401
    response.headers["WWW-Authenticate"] = 'Bearer realm="app-runner"'
    return response


def init_app(app: Flask) -> None:
    """Check tokens with the runner's secret; only in headers, only HS256."""
    app.config.setdefault("JWT_SECRET_KEY", state_of(app).app.config["SECRET_KEY"])
    app.config.setdefault("JWT_TOKEN_LOCATION", HEADERS_ONLY)
    app.config.setdefault("JWT_DECODE_ALGORITHMS", ["HS256"])
    manager = JWTManager(app)
    for loader in (
        manager.expired_token_loader,
        manager.invalid_token_loader,
        manager.needs_fresh_token_loader,
        manager.revoked_token_loader,
        manager.token_verification_failed_loader,
        manager.unauthorized_loader,
        manager.user_lookup_error_loader,
    ):
        loader(refused)
    app.register_error_handler(JWTExtendedException, refused)
    app.register_error_handler(PyJWTError, refused)
