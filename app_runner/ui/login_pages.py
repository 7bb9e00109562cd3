"""Logging in and out in a browser: a token is pasted once and becomes a cookie."""

from __future__ import annotations

import re
import secrets
import time
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request

from app_runner.api import csrf, rate_limits
from app_runner.api.credentials import COOKIE, BadToken, Caller, of_token
from app_runner.api.identity import current_caller
from app_runner.babel import gettext as _
from app_runner.db import audit, tokens
from app_runner.db.models.access import SESSION
from app_runner.state import current_runner

BLUEPRINT = Blueprint("login", __name__)
#: The cookie that the form of the login page is bound to.
FORM_COOKIE = "app_runner_form"
#: A place on this server: a path, never another host (browsers take `\\` for `/`).
PLACE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*", re.ASCII)


@BLUEPRINT.get("/login/")
def show() -> Response:
    """Show the form, or who is logged in."""
    return _page(HTTPStatus.OK)


@BLUEPRINT.post("/login/")
def log_in() -> Response:
    """Take a token and give the cookie of a new session for it."""
    rate_limits.limit(rate_limits.LOGINS, request.remote_addr or "")
    if not csrf.is_own(request.cookies.get(FORM_COOKIE, "")):
        return _page(HTTPStatus.FORBIDDEN, _("The form is too old. Try again."))
    try:
        caller = of_token(request.form.get("token", "").strip(), "bearer")
    except BadToken as error:
        caller = Caller()
        audit.record("login.fail", reason=str(error))
    if caller.user is None:
        return _page(HTTPStatus.UNAUTHORIZED, _("This token is not valid (any more)."))
    response = _redirect(_place(request.form.get("next", "")))
    lifetime = _lifetime(caller)
    text = tokens.create(
        _("Session"), caller.user, caller.scopes, lifetime,
        kind=SESSION, parent_id=_row_of(caller),
    )  # fmt: skip
    tokens.forget_old_sessions()
    audit.record("login", actor=caller.user)
    _set(response, COOKIE, text, lifetime)
    response.delete_cookie(FORM_COOKIE, path=_path())
    return response


@BLUEPRINT.post("/logout/")
def log_out() -> Response:
    """End the session."""
    cookie = request.cookies.get(COOKIE, "")
    if not csrf.is_own(cookie):
        return _page(HTTPStatus.FORBIDDEN, _("The form is too old. Try again."))
    row = tokens.find(cookie, SESSION)
    if row is not None:
        tokens.revoke([row.id])
        audit.record("logout", actor=row.owner)
    response = _redirect("/login/")
    response.delete_cookie(COOKIE, path=_path())
    return response


def _page(status: HTTPStatus, error: str = "") -> Response:
    cookie = request.cookies.get(COOKIE, "")
    caller = current_caller()
    form = cookie if caller.how == SESSION else secrets.token_urlsafe(24)
    page = render_template(
        "login.html",
        caller=caller,
        is_local=current_runner.settings["EXPOSURE"] == "local",
        error=error,
        csrf_token=csrf.token_for(form),
        next=_place(request.values.get("next", "")),
    )
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    if caller.how != SESSION:
        _set(response, FORM_COOKIE, form, timedelta(hours=1), samesite="Strict")
    return response


def _row_of(caller: Caller) -> int | None:
    """Give the row with which the session ends, when that is revoked."""
    if not caller.signed_name:
        return caller.token_id
    ends = caller.claims.get("exp")
    return tokens.row_of_signed(caller.signed_name, caller.user or "", ends)


def _lifetime(caller: Caller) -> timedelta:
    """Give how long a session may last: never longer than the token."""
    lifetime = timedelta(hours=current_runner.settings["SESSION_HOURS"])
    ends = caller.claims.get("exp")
    if isinstance(ends, int | float):
        lifetime = min(lifetime, timedelta(seconds=max(1.0, ends - time.time())))
    return lifetime


def _set(
    response: Response, name: str, value: str, lifetime: timedelta, samesite: str = "Lax"
) -> None:
    options: dict[str, Any] = {"httponly": True, "secure": request.is_secure}
    options |= {"samesite": samesite, "path": _path()}
    response.set_cookie(name, value, max_age=lifetime, **options)


def _path() -> str:
    return request.script_root or "/"


def _place(wanted: str) -> str:
    """Give where to go after the login, on this server and nowhere else."""
    return wanted if PLACE.fullmatch(wanted) else "/"


def _redirect(place: str) -> Response:
    root = request.script_root
    below = place if place.startswith(f"{root}/") else f"{root}{place}"
    return redirect(below, HTTPStatus.SEE_OTHER)  # type: ignore[return-value]
