"""Credentials for hosts that the operator named; no other host ever gets them."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import requests

from app_runner.fetch.session import origin_of

HEADER = "Authorization"


class Credentials:
    """Values of the header Authorization by origin (scheme, host and port)."""

    def __init__(self, configured: Iterable[tuple[str, str]]) -> None:
        """Take pairs of an origin and ``Bearer <token>`` or ``Basic <user>:<password>``.

        An origin without a scheme means https. Raises `MalformedUrl`.
        """
        self._by_origin = {
            origin_of(origin if "://" in origin else f"https://{origin}"): _header(value)
            for origin, value in configured
        }

    def add_to(self, request: requests.PreparedRequest) -> None:
        """Add those for exactly where ``request`` goes, unless it brings its own."""
        if self._by_origin and HEADER not in request.headers:
            value = self._by_origin.get(origin_of(request.url or ""))
            if value is not None:
                request.headers[HEADER] = value


def _header(value: str) -> str:
    scheme, _space, secret = value.partition(" ")
    if scheme.lower() == "basic" and ":" in secret:
        return f"Basic {base64.b64encode(secret.encode()).decode()}"
    return value
