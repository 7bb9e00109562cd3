"""The gate before every view of a runner that is not `local`: who may pass.

It knows the request and its route, so that views of plugins and of later resources are
kept like our own: ids of tasks and files are found in the route by their converters.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NoReturn, cast
from urllib.parse import urlencode

from flask import Flask, Response, abort, redirect, request, url_for
from sqlalchemy import BindParameter, Select, bindparam, select

from app_runner.api import csrf, rate_limits
from app_runner.api.converters import SignedIdConverter
from app_runner.api.credentials import Caller
from app_runner.api.identity import SAFE, current_caller, may_change, refuse
from app_runner.api.root import wants_html
from app_runner.babel import gettext as _
from app_runner.config import Settings
from app_runner.db.engine import DB
from app_runner.db.models import ProcessingTask, TaskFile
from app_runner.db.models.access import SESSION
from app_runner.db.models.uploads import Upload
from app_runner.state import state_of

#: Endpoints for everybody: who logs in is not logged in yet.
OPEN = frozenset({"login.show", "login.log_in", "login.log_out", "static"})
#: Tells us only to look how far a called task is; other runners have no login here.
TOLD = "steps.CallView"
#: Views of files check links that expire; those need no login.
FILES, LINK = frozenset({"files-api.FileView"}), "signature"
OPEN_TO_READ = OPEN | {"health.live", "health.ready"}
#: To subscribe is to read: clients that know a task's URL do it without a login.
READING = frozenset({"tasks-api.TaskView"})
_ID: BindParameter[int] = bindparam("id")
#: Whose a thing is, by the kind of its signed id.
OWNERS: dict[str, Select[Any]] = {
    "task": select(ProcessingTask.owner).where(ProcessingTask.id == _ID),
    "upload": select(Upload.owner).where(Upload.id == _ID),
    "file": select(ProcessingTask.owner).join(TaskFile).where(TaskFile.id == _ID),
}


class Gate:
    """What an app lets pass; called before each request."""

    def __init__(self, settings: Settings) -> None:
        """Read the settings."""
        self._login_required: bool = settings["LOGIN_REQUIRED"]
        self._reading_is_open = settings["READING"] == "link"

    def __call__(self) -> Response | None:
        """Let the request pass (None), or refuse it."""
        if request.method in SAFE:
            return None if self._reading_is_open else self._check_reading()
        return self._check_change()

    def _check_reading(self) -> Response | None:
        if request.endpoint in OPEN_TO_READ or request.method == "OPTIONS":
            return None
        if request.endpoint in FILES and LINK in request.args:
            return None
        caller = current_caller()
        if caller.user is None:
            if wants_html(request.accept_mimetypes):
                return _login_page()
            _refuse()
        self._check_owner(caller)
        return None

    def _check_change(self) -> Response | None:
        caller = current_caller()
        if request.endpoint in OPEN or request.url_rule is None:
            return None
        if caller.how == SESSION:
            csrf.check()
        rate_limits.limit(rate_limits.CHANGES, caller.user or request.remote_addr or "")
        if self._reading_is_open and request.endpoint in READING:
            return None
        if request.endpoint == TOLD:
            return None
        if caller.user is None and self._login_required:
            _refuse()
        self._check_owner(caller)
        return None

    @staticmethod
    def _check_owner(caller: Caller) -> None:
        for query, id_ in _owned(request.view_args or {}):
            row = DB.session.execute(query, {"id": id_}).first()
            if row is not None and not may_change(caller, row[0]):
                refuse(caller)


def _owned(arguments: dict[str, Any]) -> Iterator[tuple[Select[Any], int]]:
    rule: Any = request.url_rule
    for name, converter in rule._converters.items() if rule else ():
        if isinstance(converter, SignedIdConverter) and converter.kind in OWNERS:
            yield OWNERS[converter.kind], int(arguments[name])


def _refuse() -> NoReturn:
    abort(
        HTTPStatus.UNAUTHORIZED,
        _(
            "A login is needed: send a token as `Authorization: Bearer`, or log in at "
            "/login/. The operator makes tokens with `flask token create`, or opens the "
            "runner to everybody with LOGIN_REQUIRED=false."
        ),
    )


def _login_page() -> Response:
    wanted = urlencode({"next": request.full_path.rstrip("?")})
    target = f"{url_for('login.show')}?{wanted}"
    return cast(Response, redirect(target, HTTPStatus.SEE_OTHER))


def init_app(app: Flask) -> None:
    """Stand before the views; where only one person is, there is no gate."""
    settings = state_of(app).settings
    rate_limits.init_app(app)
    if settings["EXPOSURE"] != "local":
        app.before_request(Gate(settings))


def refuses(app: Flask, method: str) -> bool:
    """Tell whether the gate may refuse requests of this method."""
    settings = state_of(app).settings
    changes = method.upper() not in SAFE or settings["READING"] == "login"
    return bool(changes and settings["EXPOSURE"] != "local")


def needs_login(app: Flask, method: str) -> bool:
    """Tell whether requests of this method need a login, whatever their views say."""
    settings = state_of(app).settings
    forced = settings["LOGIN_REQUIRED"] or method.upper() in SAFE
    return bool(refuses(app, method) and forced)
