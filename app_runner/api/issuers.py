"""OpenID Connect issuers: their keys, fetched through the guarded door and kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from jwt.exceptions import MissingRequiredClaimError
from requests.exceptions import RequestException

from app_runner.api.jwt_keys import Claims, Key, checked_claims, keys_of_set
from app_runner.errors import SettingError, UnavailableError
from app_runner.fetch import Fetcher, FetchPolicy

#: Seconds that keys are kept, and after which unknown ones are asked for again.
KEPT, NOT_AGAIN = 3600.0, 30.0
#: Seconds that an issuer that does not answer is not asked.
LEFT_ALONE = 5.0
LEEWAY = 5.0  # seconds that its clock may differ
MAX_BYTES, MAX_SECONDS = 2**20, 5.0
DISCOVERY = ".well-known/openid-configuration"


class Issuer:
    """One issuer; threads may share it."""

    def __init__(self, url: str, audience: str, keys_url: str, fetcher: Fetcher) -> None:
        """``keys_url`` may be empty: the issuer's own description tells it then."""
        self.url, self.audience = url, audience
        self._keys_url, self._fetcher = keys_url, fetcher
        self._keys: list[Key] = []
        self._fetched_at = self._failed_at = -KEPT
        self._lock = Lock()

    def claims(self, token: str, header: Mapping[str, Any]) -> Claims:
        """Give the claims of a token; raises `PyJWTError`, `UnavailableError`."""
        keys = self._fitting(header)
        claims = checked_claims(token, keys, self.audience, self.url, LEEWAY)
        if "exp" not in claims:
            raise MissingRequiredClaimError("exp")
        return claims

    def _fitting(self, header: Mapping[str, Any]) -> list[Key]:
        """Give the keys that fit; new ones are looked for, but not for every token."""
        with self._lock:
            age = time.monotonic() - self._fetched_at
            found = [key for key in self._keys if key.fits(header)]
            if age > KEPT or (not found and age > NOT_AGAIN):
                self._fetch()
                found = [key for key in self._keys if key.fits(header)]
        return found

    def _fetch(self) -> None:
        if time.monotonic() - self._failed_at < LEFT_ALONE and not self._keys:
            raise UnavailableError(f"the issuer {self.url} did not answer just now")
        self._fetched_at = time.monotonic()
        try:
            url = self._keys_url or self._discovered()
            self._keys = keys_of_set(self._json(url), symmetric=False)
        except (RequestException, ValueError, TypeError, KeyError) as error:
            if self._keys:
                return  # those that were good an hour ago
            self._failed_at, self._fetched_at = self._fetched_at, -KEPT
            text = f"the keys of the issuer {self.url} cannot be had: {error}"
            raise UnavailableError(text) from error

    def _discovered(self) -> str:
        description = self._json(f"{self.url.rstrip('/')}/{DISCOVERY}")
        if description["issuer"] != self.url:
            raise ValueError("its description names another issuer")
        return str(description["jwks_uri"])

    def _json(self, url: str) -> dict[str, Any]:
        limits: dict[str, Any] = {"max_bytes": MAX_BYTES, "max_seconds": MAX_SECONDS}
        with self._fetcher.open(url, timeout=MAX_SECONDS, stream=False, **limits) as got:
            content = got.json()
        if not isinstance(content, dict):
            raise ValueError(f"{url} is no JSON object")
        return content


def issuers_of(settings: Mapping[str, Any]) -> dict[str, Issuer]:
    """Read OIDC_ISSUERS; raises `SettingError` for a line that is not whole."""
    found = {}
    policy = FetchPolicy.of_settings(settings)
    for line in settings["OIDC_ISSUERS"]:
        url, audience, keys_url, *more = [*line.split(), "", "", ""][:4]
        hosts = [urlsplit(one) for one in (url, keys_url) if one]
        bad = any(h.scheme not in ("http", "https") or not h.hostname for h in hosts)
        if bad or not audience or any(more):
            allowed = "each line is: issuer audience [URL of its keys]"
            raise SettingError("OIDC_ISSUERS", "all settings", allowed, line)
        # The operator has named these hosts, so they may be private ones.
        names = tuple(host.hostname or "" for host in hosts)
        allowed_hosts = (*policy.allowed_hosts, *names)
        fetcher = Fetcher(replace(policy, allowed_hosts=allowed_hosts))
        found[url] = Issuer(url, audience, keys_url, fetcher)
    return found
