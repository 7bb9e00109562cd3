"""Requests that a browser sends because a foreign page told it to are refused.

Only requests that a cookie speaks for need this: a foreign page has no token to send.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus

from flask import abort, current_app, request

from app_runner.api.credentials import COOKIE
from app_runner.babel import gettext as _

#: Where a token comes: a field of our forms, or a header of scripts.
FIELD, HEADER = "csrf_token", "X-CSRF-Token"


def token_for(cookie: str) -> str:
    """Give the token that belongs to a cookie; only we can make it."""
    key = str(current_app.config["SECRET_KEY"]).encode()
    return hmac.new(key, b"csrf token\0" + cookie.encode(), "sha256").hexdigest()


def is_own(cookie: str) -> bool:
    """Tell whether the request brings the token that belongs to ``cookie``."""
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    return bool(cookie) and hmac.compare_digest(
        token_for(cookie).encode(), given.encode("utf-8", "replace")
    )


def comes_from_us() -> bool:
    """Tell whether the browser says that a page of ours sends the request.

    Fetch Metadata where the browser has it, else the origin (RFC 6454).
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin == f"{request.scheme}://{request.host}"


def check() -> None:
    """Refuse (403) what neither comes from a page of ours nor brings a token."""
    if not comes_from_us() and not is_own(request.cookies.get(COOKIE, "")):
        abort(
            HTTPStatus.FORBIDDEN,
            _("This was not sent by a page of this server; with a token it would count."),
        )
