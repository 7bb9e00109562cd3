"""Headers that keep pages safe in browsers, and answers out of caches of others."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, request
from werkzeug.datastructures import Headers

from app_runner.ui.policy import own_page_policy, plugin_page_policy

CSP = "Content-Security-Policy"
#: What no page of ours or of a plugin needs.
PERMISSIONS = (
    "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), midi=(), "
    "payment=(), serial=(), usb=()"
)


class PageHeaders:
    """The headers of one app; called after each request."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Read the settings."""
        local = settings["EXPOSURE"] == "local"
        self._plugin_frames = plugin_frames(settings)
        self._plugin_page = plugin_page_policy(
            self._plugin_frames, plugin_scripts(settings)
        )
        seconds = 0 if local else settings["HSTS_SECONDS"]
        self._hsts = f"max-age={seconds}" if seconds else ""
        self._shared = not local
        self._all_private = self._shared and settings["READING"] == "login"

    def __call__(self, response: Response) -> Response:
        """Add what is missing."""
        headers = response.headers
        if self._hsts and request.scheme == "https":
            headers["Strict-Transport-Security"] = self._hsts
        if self._shared:
            self._keep_private(headers)
        if headers.get("Content-Type", "").startswith("text/html"):
            if response.status_code == HTTPStatus.NO_CONTENT:
                del headers["Content-Type"]  # of nothing there is no type
            else:
                self._protect_page(response)
        return response

    def _keep_private(self, headers: Headers) -> None:
        """Keep out of caches between us and the user what may depend on the user."""
        kept = headers.get("Cache-Control")
        if kept is None or (kept == "no-cache" and self._all_private):
            headers["Cache-Control"] = "private, no-cache"

    def _protect_page(self, response: Response) -> None:
        headers = response.headers
        headers["Permissions-Policy"] = PERMISSIONS
        headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        if not request.path.startswith("/plugins/"):
            headers.setdefault(CSP, own_page_policy())
            headers["X-Frame-Options"] = "SAMEORIGIN"  # for browsers of old
            return
        policy = headers.get(CSP)
        if policy is None:
            headers[CSP] = self._plugin_page
        elif "frame-ancestors" not in policy:  # a plugin's own: framed like the others
            headers[CSP] = f"{policy}; frame-ancestors {' '.join(self._plugin_frames)}"


def plugin_frames(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Give who may embed the pages of plugins.

    Where nobody logs in, a page that is embedded by a stranger can do nothing that the
    stranger could not do without it.
    """
    if settings["FRAME_ANCESTORS"]:
        return ("'self'", *settings["FRAME_ANCESTORS"])
    return ("*",) if _nobody_logs_in(settings) else ("'self'",)


def plugin_scripts(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Give whose scripts the pages of plugins may load besides ours.

    Published ones load libraries from elsewhere. Such a script can do what the page can,
    so where users log in somebody has to say whom they trust.
    """
    named: tuple[str, ...] = settings["PLUGIN_SCRIPT_HOSTS"]
    return named or (("*",) if _nobody_logs_in(settings) else ())


def _nobody_logs_in(settings: Mapping[str, Any]) -> bool:
    return settings["EXPOSURE"] == "local" or not settings["LOGIN_REQUIRED"]
