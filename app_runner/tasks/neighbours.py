"""Asks plugins and tasks, here or elsewhere, by their URLs.

What is ours is asked in this process, without the network: a runner need not be able to
reach itself, and no address of it is fetched. Only so is it asked in the name of the user
whom the job or request works for; nothing that proves a name goes over the network. See
docs/adr/0027.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from io import BytesIO
from math import inf
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from flask import Flask, current_app
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app_runner.application import base_url
from app_runner.babel import gettext as _
from app_runner.errors import UserError
from app_runner.fetch import LocalContent
from app_runner.fetch.allowance import Allowance
from app_runner.fetch.local import local_response
from app_runner.state import (
    CALL_DEPTH,
    ON_BEHALF_OF,
    acting_user,
    call_depth,
    current_runner,
)
from app_runner.tasks.asking import MAX_DEPTH, refuse_circles

#: Seconds for an answer.
SECONDS = 15.0
#: Bytes of metadata or of a task document, at most.
MAX_DOCUMENT = 2**24
REDIRECTS = (301, 302, 303, 307, 308)
#: Redirects that the same request is sent to again (RFC 9110, section 15.4).
SENT_AGAIN = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
#: What is asked of ourselves: a URL that a user gave leads to nothing else.
PLUGINS, TASKS = "plugins/", "tasks/"
REACHABLE = (PLUGINS, TASKS)
#: Has no place in a path of ours; who writes it wants two readers to differ.
ODD = re.compile(r"[\x00-\x20\x7f\\]|//|%2f|%5c|%00", re.IGNORECASE)
TASK_VIEW = "tasks-api.TaskView"
READING = ("GET", "HEAD")


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

    Raises what fetching raises, and `UserError` for what is ours but not to be asked; a
    status of an error is an answer.
    """
    if _is_ours(url):
        answer = copy_context().run(partial(_inside, url, method, **parts))
        place = answer.headers.get("Location")
        if not hops or not place or answer.status not in REDIRECTS:
            return answer
        again = {"method": method, **parts} if answer.status in SENT_AGAIN else {}
        return ask(urljoin(url, place), hops=hops - 1, **again)
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


def opened(
    url: str, method: str = "GET", data: Any = None, json: Any = None
) -> requests.Response | None:
    """Ask a plugin or for a task of ours; None for every other URL.

    ``data`` and ``json`` are as requests takes them. Raises as `ask`.
    """
    own = own_url(url)
    if own is None:
        return None
    sent = requests.Request(method, own, data=data, json=json).prepare()
    kind = sent.headers.get("Content-Type")
    headers = {"Content-Type": kind} if kind else {}
    answer = ask(own, method, data=sent.body, headers=headers)
    content = LocalContent(BytesIO(answer.body), answer.headers, answer.status)
    return local_response(answer.url, content, "GET", Allowance(inf, inf))


def is_plugin(url: str) -> bool:
    """Tell whether ``url`` itself is a route of a plugin of ours."""
    return _is_ours(url) and (_path(url) or "").startswith(PLUGINS)


def own_url(url: str) -> str | None:
    """Give ``url``, or what `URL_MAP` makes of it, when it is a plugin or task of ours.

    It must begin with our own address as links of ours do, to the letter.
    """
    url = url.strip()
    for one in dict.fromkeys((url, current_runner.fetcher.mapped(url))):
        if _is_ours(one) and _path(one) is not None:
            return one
    return None


def _is_ours(url: str) -> bool:
    base = base_url(_app())
    return base is not None and url.startswith(base)


def _path(url: str) -> str | None:
    """Give the path (with its query) of a plugin or task of ours, else None."""
    path = url.removeprefix(base_url(_app()) or "").partition("#")[0]
    plain = path.partition("?")[0]
    dots = {".", ".."}.intersection(map(unquote, plain.split("/")))
    if dots or ODD.search(plain) or not plain.startswith(REACHABLE):
        return None
    return path


def _inside(url: str, method: str, **parts: Any) -> Answer:
    """Ask a plugin or for a task of ours, as the user whose task this is."""
    path = _path(url)
    if path is None:
        raise UserError(_("There is no plugin at %(url)s.", url=url))
    base, user = base_url(_app()), _user(method)
    _go_deeper(url, method)
    client = _app().test_client(use_cookies=False)
    with (
        _app().app_context(),  # its own session, and nothing of ours in its `g`
        client.open(
            path,
            base_url=base,
            method=method,
            environ_overrides={ON_BEHALF_OF: user},
            **parts,
        ) as response,
    ):
        content, headers = _body(response), dict(response.headers)
        return Answer(response.status_code, url, content, headers)


def _user(method: str) -> str | None:
    """Give in whose name a plugin is asked.

    A request that only reads changes nothing in anybody's name: a link on a foreign page
    may have led the user's browser to it.
    """
    if method not in READING and current_runner.only_reads():
        return None
    return acting_user()


def _go_deeper(url: str, method: str) -> None:
    """Count one more request above what is asked; raises `UserError` when it is too many.

    Reading may go deeper: the last task that may be called still reads what it needs.
    """
    refuse_circles(url, 2 * MAX_DEPTH if method in READING else MAX_DEPTH)
    CALL_DEPTH.set(call_depth() + 1)  # in the copy of the context that this runs in


def _body(response: Response) -> bytes:
    """Read the answer; raises `FetchTooLarge` and `FetchTooSlow` (a stream of events)."""
    allowance, pieces, begun = Allowance(MAX_DOCUMENT, inf), [], time.monotonic()
    for piece in response.iter_encoded():
        allowance.unpacked(len(piece))
        pieces.append(piece)
        Allowance(inf, SECONDS).waited(time.monotonic() - begun)
    return b"".join(pieces)


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
