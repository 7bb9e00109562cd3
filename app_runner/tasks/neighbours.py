"""Asks plugins and tasks, here or elsewhere, by their URLs.

What is ours is asked in this process, without the network: a runner need not be able to
reach itself, and no address of it is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

from flask import Flask, current_app
from werkzeug.exceptions import HTTPException

from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.db.engine import DB
from app_runner.errors import UserError
from app_runner.state import ON_BEHALF_OF, acting_user, current_runner
from app_runner.tasks.interop import MAX_DOCUMENT

#: Seconds for an answer.
SECONDS = 15.0
REDIRECTS = (301, 302, 303, 307, 308)
#: What is asked of ourselves: a URL that a user gave leads to nothing else.
REACHABLE = ("plugins/", "tasks/")
TASK_VIEW = "tasks-api.TaskView"


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its URL behind all redirects, and its body."""

    status: int
    url: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        """Tell whether it is the answer that was asked for."""
        return self.status < 300

    def document(self) -> dict[str, Any] | None:
        """Give the JSON object in the body, if that is what it holds."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def ask(url: str, method: str = "GET", hops: int = 5, **parts: Any) -> Answer:
    """Ask; ``parts`` are ``data`` and ``headers`` as requests takes them.

    Raises what fetching raises; a status of an error is an answer.
    """
    if _is_ours(url):
        answer = copy_context().run(partial(_inside, url, method, **parts))
        place = answer.headers.get("Location")
        if hops and place and answer.status in REDIRECTS:
            return ask(urljoin(url, place), hops=hops - 1)
        return answer
    with current_runner.fetcher.open(
        url,
        method=method,
        raise_on_error_status=False,
        timeout=SECONDS,
        max_seconds=SECONDS,
        max_bytes=MAX_DOCUMENT,
        **parts,
    ) as response:
        content = response.content
        return Answer(response.status_code, response.url, content, response.headers)


def _is_ours(url: str) -> bool:
    base = base_url(_app())
    return base is not None and url.startswith(base)


def _inside(url: str, method: str, **parts: Any) -> Answer:
    """Ask a plugin or for a task of ours, as the user whose task this is."""
    base = base_url(_app()) or ""
    path = url.removeprefix(base)
    if not path.startswith(REACHABLE):
        raise UserError(_("There is no plugin at %(url)s.", url=url))
    DB.session.rollback()  # a lock of ours would keep the other session waiting
    user = {ON_BEHALF_OF: acting_user()}
    client = _app().test_client(use_cookies=False)
    with client.open(
        path, base_url=base, method=method, environ_overrides=user, **parts
    ) as response:
        content, headers = response.get_data(), dict(response.headers)
        return Answer(response.status_code, url, content, headers)


def own_task_id(url: str) -> int | None:
    """Give the id of the task at ``url`` when it is one of this runner."""
    if not _is_ours(url):
        return None
    root = urlsplit(base_url(_app()) or "").path.rstrip("/")
    path = urlsplit(url).path.removeprefix(root)
    try:
        endpoint, values = _app().url_map.bind("").match(path, method="GET")
    except HTTPException:
        return None
    return int(values["task_id"]) if endpoint == TASK_VIEW else None


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined, no-any-return]
