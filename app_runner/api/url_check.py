"""Says whether a text has the form of a URL that may be given as input.

Knows nothing of the network: whether an address may be reached is the fetcher's decision.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError
from marshmallow.validate import Validator

from app_runner.babel import gettext as _

PLUGIN_SCHEMES = frozenset({"http", "https", "ftp", "ftps", "data"})
DATA_SCHEMES = PLUGIN_SCHEMES | {"file"}
WEB_SCHEMES = frozenset({"http", "https"})

#: White space, control characters and halves of surrogate pairs never stand in a URL
#: (RFC 3986, section 2).
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f-\xa0\ud800-\udfff]")
#: Letters of any language (browsers take them too), digits, and what joins them.
_HOST = re.compile(r"(?!-)[\w-]{1,63}(?<!-)(?:\.(?!-)[\w-]{1,63}(?<!-))*\.?")


class UrlCheck(Validator):
    """Accepts absolute URLs of the given schemes, and relative ones where allowed."""

    def __init__(
        self,
        *,
        schemes: Collection[str],
        relative: bool = False,
        error: str | None = None,
    ) -> None:
        """Take the allowed ``schemes`` (lower case), and the error text if not ours."""
        self.schemes = schemes
        self.relative = relative
        self.error = error

    def _repr_args(self) -> str:
        return f"schemes={sorted(self.schemes)!r}, relative={self.relative!r}"

    def __call__(self, value: str) -> str:
        """Give ``value`` back, or raise ValidationError."""
        if not is_url(value, self.schemes, self.relative):
            raise ValidationError(self.error or _("Not a valid URL."))
        return value


def is_url(value: str, schemes: Collection[str], relative: bool = False) -> bool:
    """Tell whether ``value`` is a URL of one of ``schemes`` (RFC 3986, section 3)."""
    scheme, colon, rest = value.partition(":")
    scheme = scheme.lower()
    if colon and scheme == "data":
        # A long one is not split: only its shape matters (RFC 2397).
        return scheme in schemes and "," in rest and "\n" not in rest
    if _FORBIDDEN.search(value):
        return False
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    if not parts.scheme:
        return relative and bool(value) and (not parts.netloc or _has_host(parts))
    return parts.scheme in schemes and port_is_valid and _is_absolute(parts)


def _is_absolute(parts: SplitResult) -> bool:
    if parts.scheme == "file":
        return parts.netloc.lower() in ("", "localhost") and parts.path.startswith("/")
    return _has_host(parts)


def _has_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if ":" in host:  # an IPv6 address; urlsplit has checked it
        return True
    return len(host) <= 253 and _HOST.fullmatch(host) is not None
