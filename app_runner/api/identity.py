"""Who calls, and what of the runner's is theirs.

A `Caller` is made once per request, when somebody asks. On a runner of exposure `local`
everybody who brings no token is the person at the machine, who may do everything.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NoReturn, Protocol

from flask import Flask, abort, has_request_context, request
from sqlalchemy import Select

from app_runner.api.credentials import Caller, of_request
from app_runner.babel import gettext as _
from app_runner.db.models import ProcessingTask
from app_runner.state import ON_BEHALF_OF, OWNER, current_runner, state_of

KNOWN = "app_runner.caller"
#: Methods of requests that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Owned(Protocol):
    """A row that belongs to somebody, or (None) to nobody in particular."""

    @property
    def owner(self) -> str | None:
        """Give the user it belongs to."""


def current_caller() -> Caller:
    """Give who calls; raises `BadToken` (401) for a token that is not good."""
    known: Caller | None = request.environ.get(KNOWN)
    if known is None:
        ours = request.environ.get(ON_BEHALF_OF)  # no client can set it
        known = Caller(ours) if ours is not None else of_request(request)
        request.environ[KNOWN] = known
    return known


def current_user() -> str | None:
    """Give the name of the user who calls, or whose job this is; None for nobody."""
    return current_caller().user if has_request_context() else OWNER.get()


def require_owner(row: Owned) -> None:
    """Refuse (401, 403) unless the row is the caller's, or the caller is an admin."""
    caller = current_caller()
    if not may_change(caller, row.owner):
        refuse(caller)


def may_change(caller: Caller, owner: str | None) -> bool:
    """Tell whether ``caller`` may change what belongs to ``owner``.

    Where nobody need log in, what belongs to nobody may be changed by who knows its URL,
    which cannot be guessed.
    """
    if caller.is_admin:
        return True
    if owner is None:
        return not current_runner.settings["LOGIN_REQUIRED"]
    return owner == caller.user


def require_user() -> Caller:
    """Give who calls; 401 for somebody unknown."""
    caller = current_caller()
    if caller.user is None and not caller.is_admin:
        refuse(caller)
    return caller


def visible_to_user(query: Select[Any], owner: Any = ProcessingTask.owner) -> Select[Any]:
    """Narrow a query to the rows that the caller may list; 401 for somebody unknown.

    ``owner`` is the column with the owner, unless that of tasks.
    """
    caller = require_user()
    return query if caller.is_admin else query.where(owner == caller.user)


def refuse(caller: Caller) -> NoReturn:
    """Answer 401 to somebody unknown, and 403 to a user."""
    if caller.user is None:
        abort(HTTPStatus.UNAUTHORIZED, _("Log in, or send a token, to do this."))
    abort(HTTPStatus.FORBIDDEN, _("This belongs to somebody else."))


def init_app(app: Flask) -> None:
    """Let new tasks belong to who submits them."""
    state = state_of(app)
    state.acting_user, state.client_address = current_user, _address
    state.is_asked, state.asked_path = has_request_context, _path
    state.only_reads = _only_reads


def _only_reads() -> bool:
    return has_request_context() and request.method in SAFE


def _path() -> str:
    return f"{request.root_path}{request.path}" if has_request_context() else ""


def _address() -> str:
    return (request.remote_addr or "") if has_request_context() else ""
