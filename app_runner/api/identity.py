"""Who calls, and what of the runner's is theirs.

A `Caller` is made once per request, when somebody asks. On a runner of exposure `local`
everybody who brings no token is the person at the machine, who may do everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn, Protocol

from flask import Flask, abort, g, has_request_context, request
from flask_jwt_extended import get_jwt, get_jwt_identity, verify_jwt_in_request
from sqlalchemy import Select

from app_runner.babel import gettext as _
from app_runner.db.models import ProcessingTask
from app_runner.state import OWNER, current_runner, state_of

#: The scope that makes an admin of who has it.
ADMIN = "admin"


@dataclass(frozen=True)
class Caller:
    """Somebody who calls: a user with scopes, or nobody known."""

    user: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller may do everything, with everybody's tasks."""
        return ADMIN in self.scopes


class Owned(Protocol):
    """A row that belongs to somebody, or (None) to nobody in particular."""

    @property
    def owner(self) -> str | None:
        """Give the user it belongs to."""


#: Without a token: on a laptop the person there, elsewhere somebody unknown.
PERSON_HERE = Caller(scopes=frozenset({ADMIN}))
NOBODY = Caller()


def current_caller() -> Caller:
    """Give who calls; 401 for a token that is not good."""
    known: Caller | None = g.get("caller")
    if known is None:
        known = g.caller = _authenticate()
    return known


def current_user() -> str | None:
    """Give the name of the user who calls, or whose job this is; None for nobody."""
    return current_caller().user if has_request_context() else OWNER.get()


def require_owner(row: Owned) -> None:
    """Refuse (401, 403) unless the row belongs to the caller, or the caller is an admin."""
    caller = current_caller()
    if not may_change(caller, row.owner):
        refuse(caller)


def may_change(caller: Caller, owner: str | None) -> bool:
    """Tell whether ``caller`` may change what belongs to ``owner``."""
    if caller.is_admin:
        return True
    return owner is not None and owner == caller.user


def visible_to_user(query: Select[Any], owner: Any = ProcessingTask.owner) -> Select[Any]:
    """Narrow a query to the rows that the caller may list; 401 for somebody unknown.

    ``owner`` is the column with the owner, unless that of tasks.
    """
    caller = current_caller()
    if caller.is_admin:
        return query
    if caller.user is None:
        refuse(caller)
    return query.where(owner == caller.user)


def refuse(caller: Caller) -> NoReturn:
    """Answer 401 to somebody unknown, and 403 to a user."""
    if caller.user is None:
        abort(HTTPStatus.UNAUTHORIZED, _("Log in, or send a token, to do this."))
    abort(HTTPStatus.FORBIDDEN, _("This belongs to somebody else."))


def _authenticate() -> Caller:
    if request.environ.get("HTTP_AUTHORIZATION", "")[:6].lower() == "bearer":
        verify_jwt_in_request()
        scopes = str(get_jwt().get("scope", "")).split()
        return Caller(str(get_jwt_identity()), frozenset(scopes))
    local = current_runner.settings["EXPOSURE"] == "local"
    return PERSON_HERE if local else NOBODY


def init_app(app: Flask) -> None:
    """Let new tasks belong to who submits them."""
    state_of(app).acting_user = current_user
