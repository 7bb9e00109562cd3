"""Why a URL was not fetched; each class is also what `requests` would have raised.

Published plugins catch the exceptions of `requests`, and a job that ends with one of
these shows its text to the person who started it: so the text says what was refused and
which setting opens it, and never what lies behind a refused address.
"""

from __future__ import annotations

from requests import exceptions

from app_runner.errors import UserError


class FetchRefused(UserError, exceptions.RequestException):
    """The runner does not fetch this URL; base of all refusals."""


class AddressRefused(FetchRefused):
    """The host leads to an address that the runner does not connect to."""


class SchemeRefused(FetchRefused, exceptions.InvalidSchema):
    """The scheme is not fetched, or not at this place (after a redirect)."""


class FileRefused(FetchRefused):
    """A `file:` URL outside the folders that may be read."""


class MalformedUrl(FetchRefused, exceptions.InvalidURL):
    """What was given is no URL, or one that different programs read differently."""


class RedirectRefused(FetchRefused, exceptions.TooManyRedirects):
    """The answer was one redirect too many."""


class FetchTooLarge(FetchRefused):
    """The answer has more bytes than allowed, as sent or after unpacking."""


class FetchTooSlow(FetchRefused, exceptions.Timeout):
    """The other side let the runner wait longer than allowed, all waits together."""
