"""What belongs to one app (`RunnerState`), and the way to the current one.

Constants and context only: two apps in one process share nothing through this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, g, has_app_context
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from celery import Celery

    from app_runner.api.openapi import RunnerApi
    from app_runner.config import Settings
    from app_runner.dispatch import PluginDispatch
    from app_runner.fetch import Fetcher
    from app_runner.files.registry import StoreRegistry
    from app_runner.ids import PublicIds
    from app_runner.plugins.registry import PluginRegistry
    from app_runner.tasks.minder import Minder
    from app_runner.tasks.queues import QueuePlan
    from app_runner.tasks.signing import Signer

EXTENSION = "app_runner"
#: Set in the environment of a request whose answer may be given again for a moment.
BRIEF = "app_runner.brief"

#: User that a job works for; what it makes belongs to that user.
OWNER: ContextVar[str | None] = ContextVar("app_runner_owner", default=None)


@dataclass
class RunnerState:
    """All that one app owns; each part is put here by the `init_app` of its module."""

    app: Flask
    settings: Settings
    ids: PublicIds = field(init=False)
    fetcher: Fetcher = field(init=False)
    celery: Celery = field(init=False)
    minder: Minder = field(init=False)
    queues: QueuePlan = field(init=False)
    signer: Signer = field(init=False)
    stores: StoreRegistry = field(init=False)
    api: RunnerApi = field(init=False)
    registry: PluginRegistry = field(init=False)
    dispatch: PluginDispatch = field(init=False)
    answer_headers: dict[str, str] = field(default_factory=dict)
    caches: dict[str, Any] = field(default_factory=dict)
    #: Gives the user that what is made now belongs to; the HTTP layer knows more.
    acting_user: Callable[[], str | None] = OWNER.get
    #: Gives the address of who calls, for the audit log.
    client_address: Callable[[], str] = str
    #: Tells whether a client waits for what is done now; False in jobs and commands.
    is_asked: Callable[[], bool] = bool
    #: Tells whether a request is answered that only reads; False in jobs and commands.
    only_reads: Callable[[], bool] = bool
    #: Gives the path that the client asks for; empty in jobs and commands.
    asked_path: Callable[[], str] = str


def state_of(app: Flask) -> RunnerState:
    """Give the state of ``app``."""
    return cast(RunnerState, app.extensions[EXTENSION])


current_runner = cast(RunnerState, LocalProxy(lambda: state_of(current_app)))


def acting_user() -> str | None:
    """Give the user that what is made now belongs to; None when that is nobody."""
    return state_of(current_app).acting_user() if has_app_context() else None


def is_asked() -> bool:
    """Tell whether a client waits for what is done now; False in jobs and commands."""
    return has_app_context() and state_of(current_app).is_asked()


def asked_path() -> str:
    """Give the path that a client asks for now; empty in jobs and commands."""
    return state_of(current_app).asked_path() if has_app_context() else ""


@dataclass
class Loading:
    """What is being loaded right now: plugin objects and tasks declared meanwhile."""

    app: Flask
    tasks: list[Any] = field(default_factory=list)


LOADING: ContextVar[Loading | None] = ContextVar("app_runner_loading", default=None)


@contextmanager
def loading(app: Flask) -> Iterator[Loading]:
    """Mark ``app`` as the one that plugin modules are imported for."""
    record = Loading(app)
    token = LOADING.set(record)
    try:
        with app.app_context():
            yield record
    finally:
        LOADING.reset(token)


#: How many tasks are above the one that is worked on: each called the plugin of the next.
CALL_DEPTH: ContextVar[int] = ContextVar("app_runner_call_depth", default=0)
#: Key of the WSGI environment with the user for whom the runner asks itself.
ON_BEHALF_OF = "app_runner.on_behalf_of"


def call_depth() -> int:
    """Give how deep the calls are: what the request tells, or the job."""
    told: int | None = g.get("call_depth") if has_app_context() else None
    return CALL_DEPTH.get() if told is None else told


#: Base URL (scheme, host, prefix) for absolute links outside a request; jobs set it.
BASE_URL: ContextVar[str | None] = ContextVar("app_runner_base_url", default=None)
#: Id of the request or job that is being worked on, for log lines.
REQUEST_ID: ContextVar[str] = ContextVar("app_runner_request_id", default="-")
