"""How often somebody may ask: counted in Redis for all servers, else by each one."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from app_runner.babel import gettext as _
from app_runner.errors import SettingError
from app_runner.state import current_runner, state_of

LOG = logging.getLogger(__name__)
CACHE = "rate_limits"
CHANGES, LOGINS = "RATE_LIMIT", "RATE_LIMIT_LOGIN"
#: Seconds to wait for the storage; requests are let through when it does not answer.
TIMEOUT = 0.5


class RateLimits:
    """The limits of one app."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Read the settings; nothing is connected yet."""
        self._rates: dict[str, RateLimitItem] = {
            name: parse(settings[name].replace("/", " per "))
            for name in (CHANGES, LOGINS)
            if settings[name]
        }
        url = _storage(settings)
        bounds = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
        options: dict[str, Any] = {} if url.startswith("memory") else bounds
        self._limiter = FixedWindowRateLimiter(storage_from_string(url, **options))

    def seconds_to_wait(self, name: str, who: str) -> float:
        """Count one request of ``who``; gives 0 when it is within the rate."""
        rate = self._rates.get(name)
        if rate is None:
            return 0
        try:
            if self._limiter.hit(rate, name, who):
                return 0
            reset_at = self._limiter.get_window_stats(rate, name, who).reset_time
        except Exception as error:  # noqa: BLE001 - each storage has errors of its own
            LOG.warning("Rates are not counted: %s", error)
            return 0
        return max(1.0, reset_at - time.time())


def _storage(settings: Mapping[str, Any]) -> str:
    url = str(settings["RATE_LIMIT_STORAGE"] or settings["BROKER_URL"]).partition(";")[0]
    if url.startswith("redis+socket://"):
        unix = url.replace("redis+socket://", "redis+unix://", 1)
        return unix.replace("virtual_host=", "db=", 1)  # kombu's word for it
    return url if url.startswith(("redis://", "rediss://")) else "memory://"


def limit(name: str, who: str) -> None:
    """Count one request of ``who``; 429 with Retry-After when there were too many."""
    limits: RateLimits | None = current_runner.caches.get(CACHE)
    wait = limits.seconds_to_wait(name, who) if limits else 0
    if wait:
        text = _("Too many requests; try again in %(seconds)d seconds.", seconds=wait)
        raise TooManyRequests(text, retry_after=int(wait + 0.999))


def init_app(app: Flask) -> None:
    """Count, except where only one person is."""
    settings = state_of(app).settings
    if settings["EXPOSURE"] == "local":
        return
    try:
        state_of(app).caches[CACHE] = RateLimits(settings)
    except Exception as error:  # each storage has errors of its own
        raise SettingError("RATE_LIMIT_STORAGE", "all settings", str(error)) from error
