"""Headers that keep pages safe in browsers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, request

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
        seconds = 0 if local else settings["HSTS_SECONDS"]
        self._hsts = f"max-age={seconds}" if seconds else ""

    def __call__(self, response: Response) -> Response:
        """Add what is missing."""
        headers = response.headers
        if self._hsts and request.scheme == "https":
            headers["Strict-Transport-Security"] = self._hsts
        if headers.get("Content-Type", "").startswith("text/html"):
            if response.status_code == HTTPStatus.NO_CONTENT:
                del headers["Content-Type"]  # of nothing there is no type
            else:
                self._protect_page(response)
        return response

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
            headers[CSP] = plugin_page_policy(self._plugin_frames)
        elif "frame-ancestors" not in policy:  # a plugin's own: framed like the others
            headers[CSP] = f"{policy}; frame-ancestors {' '.join(self._plugin_frames)}"


def plugin_frames(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Give who may embed the pages of plugins.

    Where nobody logs in, a page that is embedded by a stranger can do nothing that the
    stranger could not do without it.
    """
    if settings["FRAME_ANCESTORS"]:
        return ("'self'", *settings["FRAME_ANCESTORS"])
    nobody = settings["EXPOSURE"] == "local" or not settings["LOGIN_REQUIRED"]
    return ("*",) if nobody else ("'self'",)
