"""Opens URLs for plugins, in requests for those only who may have something fetched.

Reading needs no login where links are capabilities, and some plugins fetch while they
show a page. Without this, strangers could let such a page fetch for them what they like.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NoReturn

from flask import has_request_context
from requests import Response

from app_runner.api.identity import current_caller
from app_runner.babel import gettext as _
from app_runner.fetch import Fetcher, FetchRefused
from app_runner.state import current_runner
from app_runner.tasks import neighbours


class LoginNeeded(FetchRefused):
    """Only who has logged in may have this URL fetched."""


class WithoutNetwork(Fetcher):
    """Reads our own files, and what stands in the URL itself."""

    def _follow(self, *_args: Any, **_options: Any) -> NoReturn:
        raise LoginNeeded(
            _("Log in, or send a token, to have something fetched from elsewhere.")
        )


def open_url(url: str, raise_on_error_status: bool = True, **options: Any) -> Response:
    """Open a URL that a user gave, through the guarded door; use as a context manager.

    Result files and tasks of this runner are read without the network, as who is worked
    for. Raises `FetchRefused` for
    what may not be fetched, and the exceptions of ``requests`` for what fails.
    """
    if options.get("method", "GET") == "GET" and neighbours.own_task_id(url) is not None:
        response = neighbours.opened(url)
        if response is not None:
            if raise_on_error_status:
                response.raise_for_status()
            return response
    return fetcher().open(url, raise_on_error_status=raise_on_error_status, **options)


def fetcher() -> Fetcher:
    """Give what opens URLs for whom the runner works right now."""
    ours = current_runner.fetcher
    if not has_request_context() or not _is_stranger():
        return ours
    policy = replace(ours.policy, file_roots=())
    return WithoutNetwork(policy, ours.resolver)


def _is_stranger() -> bool:
    settings = current_runner.settings
    if settings["EXPOSURE"] == "local" or not settings["LOGIN_REQUIRED"]:
        return False
    caller = current_caller()
    return caller.user is None and not caller.is_admin
